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
import { begun, operate } from "./operations.ts";
import type { Model, OperationName } from "./operations.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import { SOURCE, describeTree, sourceDescription } from "./source-versions.ts";

export class Violation extends Error {
  override readonly name = "Violation";
}

/** The power went during an operation, or after it: then `before` and `after` are the same. */
export interface Interruption {
  readonly before: Model;
  readonly after: Model;
}

/** What the next runs do after recovery. */
export const NEXT_RUNS: readonly OperationName[] = ["backup"];

export interface Step {
  readonly name: OperationName;
  readonly files: SimulatedFiles;
  readonly interruption: Interruption;
}

/** Throws a Violation. `onStep` sees each operation of the recovery, recorded, so that it can be interrupted in its turn. */
export async function judge(
  disk: SimulatedDisk,
  { before, after }: Interruption,
  context: { readonly bootId: string; readonly seed: string },
  onStep?: (step: Step) => void,
): Promise<void> {
  let files = new SimulatedFiles({ disk: disk.copy() });
  const passphrases = [...new Set([after.passphrase, before.passphrase])];
  const mayBeMissing = !before.exists;
  let model: Model = { ...after, processes: after.processes + 1 };
  const passphrase = await openingPassphrase(files, model, passphrases, mayBeMissing, context);
  const run = async (name: OperationName): Promise<void> => {
    files = files.copy({ record: onStep !== undefined });
    const next = await typed(`the next ${name}`, () => operate(name, files, model, context));
    onStep?.({ name, files, interruption: { before: begun(name, model), after: next } });
    model = next;
  };
  if (passphrase === undefined) {
    model = { ...model, exists: false, images: new Map() };
    await run("init");
  } else {
    model = { ...model, exists: true, passphrase };
    model = { ...model, images: await foundImages(files, model, { before, after }, context) };
  }
  for (const name of NEXT_RUNS) await run(name);
  await foundImages(files, model, { before: model, after: model }, context);
  requireNothingLeft(files);
}

/** Undefined when there is no repository and there need not be one. */
async function openingPassphrase(
  files: SimulatedFiles,
  model: Model,
  passphrases: readonly string[],
  mayBeMissing: boolean,
  context: { readonly bootId: string; readonly seed: string },
): Promise<string | undefined> {
  for (const passphrase of passphrases) {
    try {
      await using repository = await processOf(files, model, context).open(passphrase);
      if (repository.problems.length > 0) throw new Violation(`I6 opening tells of ${repository.problems.map(messageOf).join(" ")}`);
      return passphrase;
    } catch (error) {
      if (error instanceof Violation) throw error;
      if (hasCode(error, "WRONG_PASSPHRASE")) continue;
      if (mayBeMissing && hasCode(error, "REPOSITORY_MISSING", "REPOSITORY_NOT_RECOGNISED")) return undefined;
      throw new Violation(`I1 the repository does not open: ${described(error)}`, { cause: error });
    }
  }
  throw new Violation("I1 no passphrase opens the repository");
}

/** The images there are, each compared in full with what was backed up. */
async function foundImages(
  files: SimulatedFiles,
  model: Model,
  { before, after }: Interruption,
  context: { readonly bootId: string; readonly seed: string },
): Promise<ReadonlyMap<string, number>> {
  const restored = new SimulatedFileTree(simulatedClock());
  const process = processOf(files, model, context, restored);
  return typed("looking at the images", async () => {
    await using repository = await process.open(model.passphrase);
    const found = new Map<string, number>();
    for (const { id } of await repository.images()) {
      const version = before.images.get(id) ?? after.images.get(id);
      if (version === undefined) throw new Violation(`I2 image ${id} was never made`);
      found.set(id, version);
      await requireRestores(repository, restored, id, version);
    }
    for (const id of before.images.keys()) {
      if (after.images.has(id) && !found.has(id)) throw new Violation(`I1 image ${id} of version ${before.images.get(id)} is gone`);
    }
    const { damages } = await repository.verify();
    if (damages.length > 0) throw new Violation(`I6 verification finds ${JSON.stringify(damages)}`);
    if (process.notices.length > 0) throw new Violation(`I6 damage is told: ${process.notices.join(" ")}`);
    return found;
  });
}

async function requireRestores(repository: Repository, restored: SimulatedFileTree, id: string, version: number): Promise<void> {
  const target = `/${id}`;
  const { problemCount, problems } = await repository.restore({ image: id, target });
  if (problemCount > 0) throw new Violation(`I2 image ${id} restores with problems: ${JSON.stringify(problems)}`);
  const found = describeTree(restored, `${target}${SOURCE}`);
  if (found === sourceDescription(version)) return;
  throw new Violation(`I3 image ${id} is not version ${version}:\n${found}\nexpected:\n${sourceDescription(version)}`);
}

function requireNothingLeft(files: SimulatedFiles): void {
  const left = [...files.contents().keys()].filter((path) => /\/\.tmp-|\/sessions\/|\/\.removing-/.test(path));
  if (left.length > 0) throw new Violation(`I7 left behind: ${left.join(" ")}`);
}

function processOf(
  files: SimulatedFiles,
  model: Model,
  { bootId, seed }: { readonly bootId: string; readonly seed: string },
  tree = new SimulatedFileTree(simulatedClock()),
): SimulatedProcess {
  return new SimulatedProcess({ files, processId: model.processes, bootId, seed, tree });
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
  return error instanceof HoldfastError ? `${error.code}: ${error.message}` : String(error instanceof Error ? error.stack : error);
}

