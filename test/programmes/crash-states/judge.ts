// Looks at what a power failure has left, as the next run of the program would, and works on with it.
//
// Promised (the letters are those of the messages):
//   I1 acknowledged images restore byte for byte        I2 every image that is listed is complete
//   I3 images that nobody touched are as they were      I4 nothing wrong is returned: restores are compared in full
//   I5 errors are typed, and where something failed nothing is acknowledged
//   I6 the next run works without help, and verification finds nothing
//   I7 no temporary file and no session is left after the next run

import { hasCode, messageOf } from "../../../src/base/errors.ts";
import type { Repository } from "../../../src/api/api.ts";
import type { SimulatedDisk } from "../../../src/platform/simulated-disk.ts";
import { SimulatedFiles } from "../../../src/platform/simulated-files.ts";
import { lookAtImages, requireNothingLeft } from "./looking.ts";
import type { ImagesSeen, Looking } from "./looking.ts";
import { damageOf, expectationsOf } from "./model.ts";
import type { Damage, Interruption, Model } from "./model.ts";
import { begun, carryOut } from "./operations.ts";
import type { OperationName } from "./operations.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import { Violation, described, typed } from "./violation.ts";

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
  /** Whether what was damaged is repaired at once, or only after another backup. */
  readonly repairsFirst: boolean;
  /** Sees each operation of the recovery, recorded, so that it can be interrupted in its turn. */
  readonly onStep?: (step: Step) => void;
}

/** Looks, repairs if something was damaged, backs up, collects, and looks again. Throws a Violation. */
export async function judge(disk: SimulatedDisk, interruption: Interruption, options: JudgeOptions): Promise<void> {
  const { after } = interruption;
  const files = new SimulatedFiles({ disk: disk.copy(), record: options.onStep !== undefined });
  const { writerElsewhere } = interruption.before;
  let model: Model = { ...after, processes: after.processes + 1, writerElsewhere };
  const process = new SimulatedProcess({ files, processId: model.processes, ...options });
  const run = async (name: OperationName, repository?: Repository): Promise<void> => {
    const from = files.calls;
    const begin = begun(name, model);
    const using = { ...(repository === undefined ? {} : { repository }), assumesDead: true };
    model = await typed(`the next ${name}`, () => carryOut(name, { process, model: begin, ...using }));
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
  const looking = { process, repository, files, mayRemember: !options.looksAfresh };
  const seen = await lookAtImages(looking, expected);
  model = { ...model, exists: true, passphrase: opened.passphrase, images: seen.images };
  if (after.damage !== undefined) {
    model = asSeen({ ...model, damage: damageNow(expected, files) }, seen);
    if (!options.repairsFirst) {
      await run("backup", repository);
      model = asSeen(model, await lookAtImages(looking, { before: model, after: model }));
    }
    await run("repair", repository);
    await lookAtImages(looking, { before: model, after: model });
  }
  await run("backup", repository);
  requireNothingLeft(files, model.writerElsewhere);
  const state = `${expectationsOf(model)} ${files.fingerprint()}`;
  if (options.looksAfresh || options.onStep !== undefined || !wellEnded.has(state)) {
    if (model.damage !== undefined) model = await withoutIncomplete(looking, model);
    await run("prune", repository);
    await lookAgain(looking, model, options);
    requireNothingLeft(files, undefined);
    wellEnded.add(state);
  }
  if (process.notices.length > 0 && after.damage === undefined) {
    throw new Violation(`I6 damage is told: ${process.notices.join(" ")}`);
  }
}

/** Disks from which all went well: many states are alike in every byte as soon as the next backup is done. */
const wellEnded = new Set<string>();

/** What a repair that was cut off has set aside is missing now, and no backup may count on it. */
function damageNow(interruption: Interruption, files: SimulatedFiles): Damage | undefined {
  const damage = damageOf(interruption);
  return damage && { ...damage, spreads: damage.spreads && files.contents().has(damage.path) };
}

/** A repair may take away nothing of what could be read before it. */
function asSeen(model: Model, { incomplete }: ImagesSeen): Model {
  const { damage } = model;
  if (damage === undefined) return model;
  return { ...model, damage: { ...damage, lacking: incomplete } };
}

/** Once the images are forgotten that lack something, nothing stands in the way of a collection. */
async function withoutIncomplete(looking: Looking, model: Model): Promise<Model> {
  const { images, incomplete } = await lookAtImages(looking, { before: model, after: model });
  if (incomplete.size > 0) {
    await typed("forgetting what is lost", () => looking.repository.forget({ images: [...incomplete.keys()] }));
  }
  const whole = new Map([...images].filter(([id]) => !incomplete.has(id)));
  return { ...model, images: whole, damage: model.damage && { ...model.damage, lacking: new Map() } };
}

async function lookAgain(looking: Looking, model: Model, options: JudgeOptions): Promise<void> {
  if (!options.looksAfresh) return lookAtAll(looking, model, options);
  const process = new SimulatedProcess({ files: looking.files, processId: model.processes + 1, ...options });
  await using repository = await process.open(model.passphrase);
  await lookAtAll({ ...looking, process, repository }, model, options);
}

async function lookAtAll(looking: Looking, model: Model, { looksAfresh }: JudgeOptions): Promise<void> {
  await lookAtImages(looking, { before: model, after: model });
  // A verification sees nothing that restoring does not, but for what no image needs.
  if (!looksAfresh && model.damage === undefined) return;
  const { damages } = await looking.repository.verify(model.damage === undefined ? {} : { readData: 1 });
  if (damages.length > 0) throw new Violation(`I6 verification finds ${JSON.stringify(damages)}`);
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
