// Damage between operations: a file of the repository is spoilt or removed behind everyone's back, durably.

import type { SimulatedFiles } from "../../../src/platform/simulated-files.ts";
import { seededStream } from "../../../src/platform/seeded-stream.ts";
import type { SeededStream } from "../../../src/platform/seeded-stream.ts";
import { NOTHING_LEFT } from "./model.ts";
import type { Damage, Model } from "./model.ts";
import { isOutstanding, pathsOf } from "./paths.ts";
import { restoredAfresh } from "./restored.ts";
import { REPOSITORY } from "./simulated-process.ts";
import type { ProcessContext } from "./simulated-process.ts";

const CONTAINER = /\/volumes\/main\/containers\/..\/[0-9a-f]{64}$/;
const INDEX_RUN = /\/index\/[^./]+$/;
const RECORD = /\/volumes\/main\/(?:images|checkpoints)\/[0-9a-f]{64}$/;
const COLLECTION_RECORD = /\/collections\/[0-9]+-[a-z]+$/;

interface Kind {
  readonly of: RegExp;
  readonly isRemoved: boolean;
  readonly spreads: boolean;
}

const KINDS = {
  "container damaged": { of: CONTAINER, isRemoved: false, spreads: true },
  "container removed": { of: CONTAINER, isRemoved: true, spreads: false },
  "index run damaged": { of: INDEX_RUN, isRemoved: false, spreads: true },
  "index run removed": { of: INDEX_RUN, isRemoved: true, spreads: false },
  "record damaged": { of: RECORD, isRemoved: false, spreads: false },
  "record removed": { of: RECORD, isRemoved: true, spreads: false },
  "collection record damaged": { of: COLLECTION_RECORD, isRemoved: false, spreads: false },
} as const satisfies Record<string, Kind>;

export type DamageName = keyof typeof KINDS;
export const DAMAGE_NAMES = Object.keys(KINDS) as DamageName[];

/** Undefined where there is no such file, or something is damaged already. */
export async function damaged(
  name: DamageName,
  files: SimulatedFiles,
  model: Model,
  context: ProcessContext & { readonly chance: number },
): Promise<Model | undefined> {
  const { of, isRemoved, spreads }: Kind = KINDS[name];
  const stream = seededStream(context.chance);
  const paths = pathsOf(files)
    .filter((path) => path.startsWith(REPOSITORY) && of.test(path))
    .toSorted();
  const path = paths[stream.below(Math.max(1, paths.length))];
  if (path === undefined || model.damage !== undefined) return undefined;
  // While somebody may be writing, a repair leaves that alone and says so.
  if (of === COLLECTION_RECORD && model.writerElsewhere !== undefined) return undefined;
  let needing: readonly string[] = [];
  if (of === INDEX_RUN) needing = [...model.images.keys()];
  if (of === CONTAINER) needing = await imagesThatNeed(path, files, model, context, isRemoved);
  if (isRemoved) removeDurably(files, path);
  else files.tamper(path, (bytes) => spoilt(bytes, stream));
  const lacking = new Map<string, ReadonlySet<string>>();
  for (const id of needing) {
    // What an index run knew is known again as soon as the index is made anew; until then all of it may be out of reach.
    lacking.set(id, of === INDEX_RUN ? NOTHING_LEFT : (await restoredAfresh(files, model, id, context)).lines);
  }
  const done: Damage = { what: name, path, lacking, spreads, isRepaired: false };
  const image = of === RECORD ? path.slice(path.lastIndexOf("/") + 1) : undefined;
  return { ...model, images: new Map([...model.images].filter(([id]) => id !== image)), damage: done };
}

async function imagesThatNeed(
  container: string,
  files: SimulatedFiles,
  model: Model,
  context: ProcessContext,
  isRemoved: boolean,
): Promise<string[]> {
  // What is condemned has a second copy. If that is damaged, nobody may notice before it is the only one; if it is gone, everybody does.
  if (!isRemoved && isOutstanding(pathsOf(files))) return [...model.images.keys()];
  const needing: string[] = [];
  for (const id of model.images.keys()) {
    const opened = new Set<string>();
    await restoredAfresh(files.copy({ onOpen: (path) => opened.add(path) }), model, id, context);
    if (opened.has(container)) needing.push(id);
  }
  return needing;
}

function removeDurably(files: SimulatedFiles, path: string): void {
  files.remove(path);
  files.syncDirectory(path.slice(0, path.lastIndexOf("/")));
}

/** One bit flipped, the end cut off, or 512 bytes of zeros. */
function spoilt(bytes: Uint8Array, stream: SeededStream): Uint8Array {
  const position = stream.below(bytes.length);
  const kind = stream.below(3);
  if (kind === 0) return bytes.subarray(0, position);
  const changed = bytes.slice();
  if (kind === 1) changed[position] = (changed[position] ?? 0) ^ (1 << stream.below(8));
  else changed.fill(0, position, position + 512);
  return changed;
}
