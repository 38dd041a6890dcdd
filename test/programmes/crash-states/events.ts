// What may come between two operations: damage, or that somebody was cut off and left what the next one must live with.

import { HoldfastError } from "../../../src/base/errors.ts";
import { SimulatedFiles } from "../../../src/platform/simulated-files.ts";
import { seededStream } from "../../../src/platform/seeded-stream.ts";
import { DAMAGE_NAMES, damaged } from "./damages.ts";
import type { DamageName } from "./damages.ts";
import type { Model } from "./model.ts";
import { begun, operate } from "./operations.ts";
import type { OperationName } from "./operations.ts";
import { SESSION_DIGITS, imageCount, isCheckpoint, isOutstanding, isSession, pathsOf } from "./paths.ts";
import type { PathsTest } from "./paths.ts";
import { ELSEWHERE, REPOSITORY, SimulatedProcess } from "./simulated-process.ts";
import type { ProcessContext } from "./simulated-process.ts";
import { SOURCE, sourceTree } from "./source-versions.ts";

export interface Situation {
  readonly files: SimulatedFiles;
  readonly model: Model;
}

export interface EventContext extends ProcessContext {
  /** Decides what is damaged, and when somebody is cut off. */
  readonly chance: number;
}

/** May change the files. Undefined where it cannot happen. */
type Event = (situation: Situation, context: EventContext) => Promise<Situation | undefined>;

/** A backup that had come to a checkpoint. */
const checkpoint: Event = (situation, context) => cutOff("backup", situation, context, (paths) => paths.some(isCheckpoint));

/** A collection that had condemned something. */
const condemned: Event = async (situation, context) => {
  const forgotten = await operate("forget", situation.files, situation.model, context);
  return cutOff("prune", { ...situation, model: forgotten }, context, isOutstanding);
};

/** A collection that waits for a backup of another machine. That was cut off too, but nobody here can know. */
const awaited: Event = async ({ files, model }, context) => {
  if (model.writerElsewhere !== undefined) return undefined;
  const begin = { ...begun("backup", model), processes: model.processes + 1 };
  const recording = files.copy({ record: true });
  await backUpElsewhere(recording, begin, context);
  const left = stateWith(
    recording,
    context,
    (paths) => paths.some(isSession) && imageCount(paths) === imageCount(pathsOf(files)),
  );
  // Those of dead writers of this machine lie there too.
  const before = pathsOf(files);
  const session = left && pathsOf(left).find((path) => isSession(path) && !before.includes(path));
  if (left === undefined || session === undefined) return undefined;
  const forgotten = await operate("forget", left, { ...begin, writerElsewhere: session.slice(-SESSION_DIGITS) }, context);
  const after = await operate("prune", left, forgotten, context);
  return isOutstanding(pathsOf(left)) ? { files: left, model: after } : undefined;
};

/** The same, and the backup of the other machine came to its end meanwhile: what it needs may be condemned. */
const leaningOn: Event = async ({ files, model }, context) => {
  const [oldest] = model.images.values();
  if (model.writerElsewhere !== undefined || model.damage !== undefined || oldest === undefined) return undefined;
  let after: Model = { ...model, processes: model.processes + 1, writerElsewhere: ELSEWHERE };
  const beforeReading = async (): Promise<void> => {
    for (const name of ["forget", "prune"] as const) after = await operate(name, files, after, context);
  };
  const process = new SimulatedProcess({ files, processId: after.processes, ...context, isElsewhere: true, beforeReading });
  // What the forgotten image held: all of it is there, and most of it nobody else needs.
  process.tree = sourceTree(oldest);
  await using repository = await process.open(model.passphrase);
  const { imageId } = await repository.backup({ paths: [SOURCE], source: "source" });
  // Its end is as durable as its image: else the session might be there again, and nobody here could know that it is over.
  files.syncDirectory(`${REPOSITORY}/sessions`);
  if (imageId === undefined || !isOutstanding(pathsOf(files))) return undefined;
  return { files, model: { ...after, images: new Map([...after.images, [imageId, oldest]]), writerElsewhere: undefined } };
};

async function backUpElsewhere(
  files: SimulatedFiles,
  { processes, passphrase, version, damage }: Model,
  context: EventContext,
): Promise<void> {
  const process = new SimulatedProcess({ files, processId: processes, ...context, isElsewhere: true });
  process.tree = sourceTree(version);
  await using repository = await process.open(passphrase);
  try {
    await repository.backup({ paths: [SOURCE], source: "source", checkpointBytes: 8_000 });
  } catch (error) {
    if (damage === undefined || !(error instanceof HoldfastError)) throw error;
  }
}

/** The operation, and the power goes when it has left what is wanted and acknowledged nothing. */
async function cutOff(
  name: OperationName,
  { files, model }: Situation,
  context: EventContext,
  isWanted: PathsTest,
): Promise<Situation | undefined> {
  const recording = files.copy({ record: true });
  const { processes } = await operate(name, recording, model, context);
  const images = imageCount(pathsOf(files));
  const left = stateWith(recording, context, (paths) => isWanted(paths) && imageCount(paths) === images);
  return left && { files: left, model: { ...begun(name, model), processes } };
}

/** What a power failure at some call may leave, if there is one that leaves what is wanted. */
function stateWith(recording: SimulatedFiles, { chance }: EventContext, isWanted: PathsTest): SimulatedFiles | undefined {
  const stream = seededStream(chance);
  const first = 1 + stream.below(Math.max(1, recording.calls));
  for (let passed = 0; passed < recording.calls; passed++) {
    const call = 1 + ((first + passed) % recording.calls);
    for (const { disk } of recording.crashStates(call, { limit: 1, seed: stream.below(2 ** 30) })) {
      const left = new SimulatedFiles({ disk });
      if (isWanted(pathsOf(left))) return left;
    }
  }
  return undefined;
}

const CUT_OFF = {
  "backup cut off": checkpoint,
  "collection cut off": condemned,
  "collection waiting": awaited,
  "collection overtaken": leaningOn,
} as const satisfies Record<string, Event>;

export type EventName = keyof typeof CUT_OFF | DamageName;
export const EVENT_NAMES = [...Object.keys(CUT_OFF), ...DAMAGE_NAMES] as EventName[];

/** The situation as it is afterwards, that before it unchanged; undefined where it cannot happen. */
export async function happen(
  name: EventName,
  { files, model }: Situation,
  context: EventContext,
): Promise<Situation | undefined> {
  if (!model.exists) return undefined;
  const copy = { files: files.copy(), model };
  if (name in CUT_OFF) return CUT_OFF[name as keyof typeof CUT_OFF](copy, context);
  const after = await damaged(name as DamageName, copy.files, model, context);
  return after && { files: copy.files, model: after };
}
