// Looks at what a power failure has left, as the next run of the program would, and works on with it.
//
// Promised (the letters are those of the messages):
//   I1 acknowledged images restore byte for byte        I2 every image that is listed is complete
//   I3 images that nobody touched are as they were      I4 nothing wrong is returned: restores are compared in full
//   I5 errors are typed, and where something failed nothing is acknowledged
//   I6 the next run works without help, and verification finds nothing
//   I7 no temporary file and no session is left after the next run

import { HoldfastError, hasCode, messageOf } from "../../../src/base/errors.ts";
import type { Repository } from "../../../src/api/api.ts";
import { simulatedClock } from "../../../src/platform/simulated-clock.ts";
import { SimulatedFileTree } from "../../../src/platform/simulated-file-tree.ts";
import type { SimulatedDisk } from "../../../src/platform/simulated-disk.ts";
import { SimulatedFiles } from "../../../src/platform/simulated-files.ts";
import { OPERATIONS, begun } from "./operations.ts";
import type { Model, OperationName } from "./operations.ts";
import { REPOSITORY, SimulatedProcess } from "./simulated-process.ts";
import { SOURCE, describeTree, sourceDescription } from "./source-versions.ts";

export class Violation extends Error {
  override readonly name = "Violation";
}

/** The power went during an operation, or after it: then `before` and `after` are the same. */
export interface Interruption {
  readonly before: Model;
  readonly after: Model;
}

/** An operation of the recovery: the calls after `from`, up to `to`. */
export interface Step {
  readonly name: OperationName;
  readonly files: SimulatedFiles;
  readonly from: number;
  readonly to: number;
  readonly interruption: Interruption;
}

export interface JudgeOptions {
  /** Unlike that of the machine before the power went. */
  readonly bootId: string;
  readonly seed: string;
  /** Whether all is restored whatever was seen before, and in the end by a fresh process. */
  readonly looksAfresh: boolean;
  /** Sees each operation of the recovery, recorded, so that it can be interrupted in its turn. */
  readonly onStep?: (step: Step) => void;
}

/** What is done after a power failure, in a repository that opens. */
const NEXT_RUNS: readonly OperationName[] = ["backup"];

/** Throws a Violation. */
export async function judge(disk: SimulatedDisk, interruption: Interruption, options: JudgeOptions): Promise<void> {
  const { after } = interruption;
  const files = new SimulatedFiles({ disk: disk.copy(), record: options.onStep !== undefined });
  let model: Model = { ...after, processes: after.processes + 1 };
  const process = new SimulatedProcess({ files, processId: model.processes, ...options });
  const run = async (name: OperationName, repository?: Repository): Promise<void> => {
    const from = files.calls;
    const begin = begun(name, model);
    const using = repository === undefined ? {} : { repository };
    const changes = await typed(`the next ${name}`, () => OPERATIONS[name]({ process, model: begin, ...using }));
    model = { ...begin, ...changes };
    options.onStep?.({ name, files, from, to: files.calls, interruption: { before: begin, after: model } });
  };
  let expected = interruption;
  let opened = await openWithEither(process, interruption);
  if (opened === undefined) {
    model = { ...model, exists: false, images: new Map() };
    await run("init");
    expected = { before: model, after: model };
    opened = await openWithEither(process, expected);
  }
  if (opened === undefined) throw new Violation("I6 a repository was made and is not there");
  await using repository = opened.repository;
  model = { ...model, exists: true, passphrase: opened.passphrase };
  const looking = { process, repository, files, mayRemember: !options.looksAfresh };
  model = { ...model, images: await foundImages(looking, expected) };
  for (const name of NEXT_RUNS) await run(name, repository);
  await lookAgain(looking, model, options);
  if (process.notices.length > 0) throw new Violation(`I6 damage is told: ${process.notices.join(" ")}`);
  requireNothingLeft(files);
}

async function lookAgain(looking: Looking, model: Model, options: JudgeOptions): Promise<void> {
  const interruption = { before: model, after: model };
  if (!options.looksAfresh) {
    await foundImages(looking, interruption);
    return;
  }
  const process = new SimulatedProcess({ files: looking.files, processId: model.processes + 1, ...options });
  await using repository = await process.open(model.passphrase);
  await foundImages({ ...looking, process, repository }, interruption);
}

/** Undefined when there is no repository and there need not be one. */
async function openWithEither(
  process: SimulatedProcess,
  { before, after }: Interruption,
): Promise<{ readonly passphrase: string; readonly repository: Repository } | undefined> {
  for (const passphrase of new Set([after.passphrase, before.passphrase])) {
    try {
      const repository = await process.open(passphrase);
      if (repository.problems.length === 0) return { passphrase, repository };
      throw new Violation(`I6 opening tells of ${repository.problems.map(messageOf).join(" ")}`);
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (hasCode(error, "WRONG_PASSPHRASE")) continue;
      if (!before.exists && hasCode(error, "REPOSITORY_MISSING", "REPOSITORY_NOT_RECOGNISED")) return undefined;
      throw new Violation(`I1 the repository does not open: ${described(error)}`, { cause: error });
    }
  }
  throw new Violation("I1 no passphrase opens the repository");
}

/** The images there are, each compared in full with what was backed up. */
function foundImages(
  { process, repository, files, mayRemember }: Looking,
  { before, after }: Interruption,
): Promise<ReadonlyMap<string, number>> {
  return typed("looking at the images", async () => {
    const found = new Map<string, number>();
    for (const { id } of await repository.images()) {
      const version = before.images.get(id) ?? after.images.get(id);
      if (version === undefined) throw new Violation(`I2 image ${id} was never made`);
      found.set(id, version);
    }
    for (const id of before.images.keys()) {
      if (after.images.has(id) && !found.has(id))
        throw new Violation(`I1 image ${id} of version ${before.images.get(id)} is gone`);
    }
    const seen = `${[...found].join()} ${files.fingerprint(isPublished)}`;
    if (mayRemember && soundRepositories.has(seen)) return found;
    for (const [id, version] of found) await requireRestores(process, repository, id, version);
    const { damages } = await repository.verify();
    if (damages.length > 0) throw new Violation(`I6 verification finds ${JSON.stringify(damages)}`);
    soundRepositories.add(seen);
    return found;
  });
}

interface Looking {
  readonly process: SimulatedProcess;
  readonly repository: Repository;
  readonly files: SimulatedFiles;
  /** Restores nothing again from a repository that differs from an earlier one in temporary files alone. */
  readonly mayRemember: boolean;
}

const soundRepositories = new Set<string>();

/** Whether reading an image may touch it: all of the repository but what others are just writing. */
function isPublished(path: string): boolean {
  return path.startsWith(`${REPOSITORY}/`) && !path.includes("/.tmp-") && !path.startsWith(`${REPOSITORY}/sessions/`);
}

async function requireRestores(process: SimulatedProcess, repository: Repository, id: string, version: number): Promise<void> {
  const restored = new SimulatedFileTree(simulatedClock());
  process.tree = restored;
  const target = "/restored";
  const { problemCount, problems } = await repository.restore({ image: id, target });
  if (problemCount > 0) throw new Violation(`I2 image ${id} restores with problems: ${JSON.stringify(problems)}`);
  const found = describeTree(restored, `${target}${SOURCE}`);
  if (found === sourceDescription(version)) return;
  throw new Violation(`I3 image ${id} is not version ${version}:\n${found}\nexpected:\n${sourceDescription(version)}`);
}

function requireNothingLeft(files: SimulatedFiles): void {
  const left = [...files.contents().keys()].filter((path) => /\/\.tmp-|\/sessions\//.test(path));
  if (left.length > 0) throw new Violation(`I7 left behind: ${left.join(" ")}`);
}

async function typed<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Violation) throw error;
    throw new Violation(`${error instanceof HoldfastError ? "I6" : "I5"} ${what} failed: ${described(error)}`, { cause: error });
  }
}

function described(error: unknown): string {
  return error instanceof HoldfastError
    ? `${error.code}: ${error.message}`
    : String(error instanceof Error ? error.stack : error);
}
