// Collection: removing what no image needs while backups go on (docs/design/collection.md). Here is the order of things; a
// step begins when the one before is durable.
//
//   condemn   mark, census, choice; the needed part of chosen containers into new ones; proof; record "condemned"
//   finish    wait for the writers that may not know; rescue what they used of it; the index without it; proof; removal
//
// Whatever goes wrong, nothing has been removed before the proof of `finish`, and the next collection goes on from there.

import { HoldfastError } from "../../base/errors.ts";
import type { Fingerprinter, LoadBlake } from "../../engine/engine.ts";
import { CONDEMNED_LIMIT } from "../../formats/collection-record.ts";
import type { CondemnedRecord } from "../../formats/collection-record.ts";
import type { ContainerName, TemporaryNames, Volume, VolumeId } from "../../media/media.ts";
import type { ImageId, ImageRoot } from "../../model/image.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Files } from "../../platform/files.ts";
import type { Host } from "../../platform/host.ts";
import type { Random } from "../../platform/random.ts";
import { containerKey, openLiveRuns, rebuildIndex } from "../central-index.ts";
import type { ContainerContents, ContainerSet, RunName, WritableIndexLocation } from "../central-index.ts";
import { RunReader } from "../central-index.ts";
import { readCheckpoints } from "../checkpoints.ts";
import { readAllImages } from "../images.ts";
import type { FingerprintKind, KeyRing } from "../key-ring.ts";
import type { RepositoryLayout } from "../layout.ts";
import type { PageSource } from "../pages.ts";
import type { Session } from "../sessions.ts";
import { Census, containerSetOf } from "./census.ts";
import type { CensusContainer } from "./census.ts";
import { chooseContainers } from "./choose-containers.ts";
import { adoptContainers, presentContainers, requireNoneDamaged, requirePresent, unknownContainers } from "./containers.ts";
import { highestGeneration, publishStep, withdrawCondemnation } from "./generations.ts";
import { markSegments, sharesOf } from "./mark.ts";
import { rewriteContainers } from "./rewrite-containers.ts";

export type CollectionPhase = "mark" | "count" | "rewrite" | "rescue" | "remove";

export interface CollectionParts {
  readonly files: Files;
  readonly layout: RepositoryLayout;
  readonly keyRing: KeyRing;
  readonly random: Random;
  readonly clock: Clock;
  readonly host: Host;
  readonly session: Session;
  /** Writable. */
  readonly volumes: readonly Volume[];
  /** The one of them that new containers are written to. */
  readonly target: Volume;
  readonly index: WritableIndexLocation;
  /** Finds pages in condemned containers too. Reads what index runs were written since, when something is missing. */
  readonly source: PageSource;
  readonly fingerprinters: Readonly<Record<FingerprintKind, Fingerprinter>>;
  readonly loadBlake: LoadBlake;
  /** Keys of containers that were found damaged when they were read last. */
  readonly knownDamaged: ContainerSet;
  /** What one container says of itself. Throws what is wrong with it. */
  readonly readContents: (volume: Volume, name: ContainerName) => Promise<ContainerContents>;
  /** So many fingerprints are held in memory at a time, about 40 bytes each. */
  readonly segmentsInMemory?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((phase: CollectionPhase, done: number, total: number) => void) | undefined;
  /** A new container is durable; it stays even when the rest fails. */
  readonly onWritten?: ((storedBytes: number) => void) | undefined;
}

const SEGMENTS_IN_MEMORY = 4_000_000;
const PAGES_PER_TURN = 64;

/** What images and checkpoints there are. All of their records can be read, or it throws. */
export interface Roots {
  readonly images: ReadonlyMap<string, ImageRoot>;
  readonly checkpoints: ReadonlyMap<string, ImageRoot>;
}

export async function readRoots({ volumes, keyRing }: CollectionParts): Promise<Roots> {
  const images = await readAllImages({ volumes, keyRing });
  const checkpoints = await readCheckpoints({ volumes, keyRing });
  const [damaged] = [...images.damaged, ...checkpoints.damaged];
  if (damaged !== undefined) {
    throw new HoldfastError(damaged.problem.code, {
      message: `Cannot tell what is still needed: ${damaged.problem.message}`,
      context: { record: damaged.name },
      hint: "Nothing was removed. Bring the record back from another copy, or run `holdfast repair`; then try again.",
      cause: damaged.problem,
    });
  }
  const rootsOf = (records: ReadonlyMap<string, { readonly root: ImageRoot }>): ReadonlyMap<string, ImageRoot> =>
    new Map([...records].map(([name, { root }]) => [name, root]));
  return { images: rootsOf(images.records), checkpoints: rootsOf(checkpoints.records) };
}

export interface PlannedCollection {
  readonly liveBytes: number;
  readonly storedBytes: number;
  readonly deadContainers: number;
  readonly deadBytes: number;
  readonly rewrittenContainers: number;
  readonly rewrittenBytes: number;
  /** What of those is still needed. */
  readonly rewrittenLiveBytes: number;
  /** What stays unused in containers that are left alone. */
  readonly unusedBytes: number;
  /** Containers that would be written anew if there were room for it. */
  readonly lackingRoom: number;
}

export interface CondemnOptions {
  /** 0 to 1. */
  readonly maxUnused: number;
  readonly dryRun: boolean;
  /**
   * The highest generation, 0 for none; it was finished when the caller saw it. Ours is the next one, whatever others do
   * meanwhile: two collections that have marked at once could each have condemned what the other counts on.
   */
  readonly after: number;
  /**
   * No more bytes than these are written anew; any amount unless given. With 0, on a full disk, nothing is written but the records:
   * containers that the index does not know are not taken into it, but go as they are.
   */
  readonly room?: number | undefined;
}

export type CondemnOutcome = PlannedCollection & {
  /** "overtaken": another collection has condemned something meanwhile; look again. */
  readonly kind: "planned" | "nothing" | "condemned" | "overtaken";
};

/**
 * Decides what to remove and condemns it. Nothing is removed yet. Throws when anything cannot be read or is missing: then
 * nothing is condemned either.
 */
export async function condemn(parts: CollectionParts, options: CondemnOptions): Promise<CondemnOutcome> {
  const generation = options.after + 1;
  const isFull = options.room === 0;
  if (!options.dryRun && !isFull) await adoptContainers(parts);
  // Containers, images, index, containers: what an image needs was indexed before it, what the index names was there before.
  const before = await presentContainers(parts.volumes);
  const roots = await readRoots(parts);
  const { readers } = openLiveRuns(parts.index);
  const opened = [...readers];
  try {
    const present = await presentContainers(parts.volumes);
    const census = await countRoots(parts, readers, [...roots.images.values(), ...roots.checkpoints.values()], new Set());
    const counted = census.containers();
    requirePresent(parts, counted, present);
    requireNoneDamaged(parts, counted);
    // What is newer than the list of images is left alone: a backup is writing it.
    const known = counted.map((container) =>
      before.has(containerKey(container.volumeId, container.container))
        ? container
        : { ...container, liveBytes: container.storedBytes },
    );
    const containers = isFull ? [...known, ...(await unknownContainers(parts, known, before))] : known;
    const { maxUnused, room } = options;
    const choice = chooseContainers(containers, { maxUnused, limit: CONDEMNED_LIMIT, room });
    const dead = choice.dead.map((number) => containers[number] as CensusContainer);
    const rewritten = choice.rewritten.map((number) => containers[number] as CensusContainer);
    const planned: PlannedCollection = {
      liveBytes: choice.liveBytes,
      storedBytes: sumOf(containers, "storedBytes"),
      deadContainers: dead.length,
      deadBytes: sumOf(dead, "storedBytes"),
      rewrittenContainers: rewritten.length,
      rewrittenBytes: sumOf(rewritten, "storedBytes"),
      rewrittenLiveBytes: sumOf(rewritten, "liveBytes"),
      unusedBytes: choice.unusedBytes,
      lackingRoom: choice.lackingRoom,
    };
    if (options.dryRun) return { kind: "planned", ...planned };
    if (dead.length + rewritten.length === 0) return { kind: "nothing", ...planned };

    const chosen = new Uint8Array(containers.length);
    for (const number of choice.rewritten) chosen[number] = 1;
    const written = await storeAnew(parts, census, chosen, "rewrite");
    for (const name of written.runs) opened.push(openRun(parts, name));
    const condemned = [...dead, ...rewritten];
    requireNoneLost(await census.countLost(opened.slice(readers.length), containerSetOf(condemned)));

    const record: CondemnedRecord = {
      step: "condemned",
      generation,
      containers: condemned.map(({ volumeId, container }) => ({ volume: volumeId, container })),
      images: [...roots.images.keys()] as ImageId[],
      checkpoints: [...roots.checkpoints.keys()],
    };
    parts.signal?.throwIfAborted();
    parts.session.requireNotEnded();
    const isOurs = await publishStep({ ...parts, temporaryNames: temporaryNamesOf(parts) }, record);
    if (!isOurs) return { kind: "overtaken", ...planned };
    if (highestGeneration(parts) > generation) {
      withdrawCondemnation(parts, generation);
      return { kind: "overtaken", ...planned };
    }
    return { kind: "condemned", ...planned };
  } finally {
    for (const reader of opened) reader.close();
  }
}

export function temporaryNamesOf({ session }: CollectionParts): TemporaryNames {
  return session.temporaryNames;
}

/** Mark and census over `roots`. Throws when something that they need is nowhere. */
export async function countRoots(
  parts: CollectionParts,
  readers: readonly RunReader[],
  roots: readonly ImageRoot[],
  condemned: ContainerSet,
): Promise<Census> {
  const census = await Census.begin(readers, condemned, parts.signal);
  const expected = readers.reduce((sum, { counts }) => sum + counts.segments, 0);
  const shares = sharesOf(Math.max(1, Math.ceil(expected / (parts.segmentsInMemory ?? SEGMENTS_IN_MEMORY))));
  const phase = condemned.size > 0 ? "rescue" : "mark";
  const total = roots.length * shares.length;
  let missing = 0;
  for (const [pass, share] of shares.entries()) {
    const live = await markSegments({
      source: parts.source,
      roots,
      share,
      expected: Math.min(expected, Math.ceil(expected / shares.length) * 2),
      turn: turnsOf(parts),
      onImage: (done) => parts.onProgress?.(phase, pass * roots.length + done, total),
    });
    missing += await census.count(live, share);
  }
  requireNoneLost(missing);
  return census;
}

/** Local pages come without waiting: nobody else would ever get a turn, not even the signal to stop. */
function turnsOf({ signal }: CollectionParts): () => Promise<void> {
  let until = PAGES_PER_TURN;
  return async () => {
    if (--until > 0) return;
    until = PAGES_PER_TURN;
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
  };
}

function requireNoneLost(count: number): void {
  if (count === 0) return;
  throw new HoldfastError("SEGMENT_MISSING", {
    message: `${count} segments that images need are in no container: nothing is removed from a repository that is not whole`,
    context: { count },
    hint: "Run `holdfast verify` to see which images are affected, then `holdfast repair`.",
  });
}

interface Stored {
  readonly runs: readonly RunName[];
  readonly segments: number;
}

/** The live copies in the chosen containers into new ones, and those into the index; durable when it resolves. */
export async function storeAnew(
  parts: CollectionParts,
  census: Census,
  chosen: Uint8Array,
  phase: CollectionPhase,
): Promise<Stored> {
  const places = census.placesIn(chosen);
  if (places.length === 0) return { runs: [], segments: 0 };
  const containers = census.containers().filter((_, number) => chosen[number] === 1);
  const rewritten = await rewriteContainers(
    {
      volumes: volumesById(parts),
      target: parts.target,
      keyRing: parts.keyRing,
      random: parts.random,
      fingerprinters: parts.fingerprinters,
      loadBlake: parts.loadBlake,
      signal: parts.signal,
      onContainer: (done, total) => parts.onProgress?.(phase, done, total),
      onWritten: parts.onWritten,
    },
    containers,
    places,
  );
  const { runs } = await rebuildIndex({ ...parts.index, containers: asStream(rewritten.containers) });
  return { runs, segments: rewritten.segments };
}

async function* asStream(contents: readonly ContainerContents[]): AsyncGenerator<ContainerContents> {
  yield* contents;
}

function openRun(parts: CollectionParts, name: RunName): RunReader {
  const reader = RunReader.open(parts.index, name);
  if (reader !== undefined) return reader;
  throw new HoldfastError("REPOSITORY_READ_FAILED", {
    message: "The index changed while it was read: another process has merged what was just written",
    retry: "now",
    hint: "Nothing was removed. Try again.",
  });
}

function volumesById({ volumes }: CollectionParts): ReadonlyMap<VolumeId, Volume> {
  return new Map(volumes.map((volume) => [volume.id, volume]));
}

function sumOf(containers: readonly CensusContainer[], field: "storedBytes" | "liveBytes"): number {
  return containers.reduce((sum, container) => sum + container[field], 0);
}
