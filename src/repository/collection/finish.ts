// The second half of a collection: a generation that was condemned is brought to its end, by whoever comes first, however
// often it was interrupted. Every step can be repeated.

import { HoldfastError } from "../../base/errors.ts";
import type { ContainerName, VolumeId } from "../../media/media.ts";
import { containerKey, dropContainers, openLiveRuns } from "../central-index.ts";
import type { ContainerSet } from "../central-index.ts";
import { clearDeadSessions, endSession, isRegistered, listSessions, startSession } from "../sessions.ts";
import type { Writer } from "../sessions.ts";
import { Census } from "./census.ts";
import type { CensusContainer } from "./census.ts";
import { countRoots, readRoots, storeAnew, temporaryNamesOf } from "./collection.ts";
import type { CollectionParts } from "./collection.ts";
import { adoptContainers, presentContainers, requireNoneDamaged, requirePresent, unindexedContainers } from "./containers.ts";
import type { ContainerSelection } from "./containers.ts";
import { clearGenerationsBefore, condemnedSetOf, publishStep, readGeneration } from "./generations.ts";
import type { Generation } from "./generations.ts";

/** A writer that a generation waits for. */
export interface AwaitedSession {
  readonly session: string;
  /** Undefined when its file cannot be read. */
  readonly writer: Writer | undefined;
}

export type FinishOutcome =
  /** The containers are still there: these writers may count on them. */
  | { readonly kind: "waiting"; readonly sessions: readonly AwaitedSession[] }
  | {
      readonly kind: "finished";
      readonly removedContainers: number;
      readonly removedBytes: number;
      readonly rescuedSegments: number;
    };

/**
 * `isFresh`: it was condemned, and proved complete, in this very run. Throws when anything cannot be read or is missing; nothing is removed
 * then.
 */
export async function finishGeneration(parts: CollectionParts, generation: Generation, isFresh: boolean): Promise<FinishOutcome> {
  const { number, condemned } = generation;
  const writers = await awaitedWriters(parts, generation);
  if (writers.length > 0) return { kind: "waiting", sessions: writers };

  const containers = condemnedSetOf({ condemned });
  const rescuedSegments = await rescue(parts, generation, containers, isFresh);
  // Somebody else may have done it.
  await publishStep({ ...parts, temporaryNames: temporaryNamesOf(parts) }, { step: "released", generation: number });
  const rebuilds = awaitedRebuilds(parts);
  if (rebuilds.length > 0) return { kind: "waiting", sessions: rebuilds };
  await dropContainers({ ...parts.index, containers, ...(parts.signal === undefined ? {} : { signal: parts.signal }) });
  await proveIndex(parts, containers);
  parts.signal?.throwIfAborted();
  parts.session.requireNotEnded();

  let removedContainers = 0;
  let removedBytes = 0;
  for (const volume of parts.volumes) {
    const names = condemned.containers.filter((place) => place.volume === volume.id).map(({ container }) => container);
    const removed = await volume.removeContainers(names as ContainerName[]);
    removedContainers += removed.count;
    removedBytes += removed.bytes;
    parts.onProgress?.("remove", removedContainers, condemned.containers.length);
  }
  const finished = { step: "finished", generation: number, removedContainers, removedBytes } as const;
  // Taken already when another collection was faster: it has removed the same.
  await publishStep({ ...parts, temporaryNames: temporaryNamesOf(parts) }, finished);
  clearGenerationsBefore(parts, number);
  return { kind: "finished", removedContainers, removedBytes, rescuedSegments };
}

/**
 * Whom the generation waits for. A writer registers first and looks for condemnations then. So one that is not in the list,
 * which is made after the condemnation is durable, knows of it.
 */
async function awaitedWriters(parts: CollectionParts, generation: Generation): Promise<readonly AwaitedSession[]> {
  clearDeadSessions(parts, parts.host);
  const { sessions } = generation.waits ?? (await publishWaits(parts, generation));
  // We know of the condemnation: we are finishing it.
  const others = sessions.filter((id) => id !== parts.session.id);
  return stillThere(parts, others);
}

/**
 * Who may take condemned containers into the index, and did not see them released: after "released" is durable, anybody who registers
 * sees it. Those that have seen it are waited for too; they do not stay long.
 */
function awaitedRebuilds(parts: CollectionParts): readonly AwaitedSession[] {
  clearDeadSessions(parts, parts.host);
  const { sessions, unreadable } = listSessions(parts, parts.host);
  const rebuilds = [...sessions.filter(({ writer }) => writer.rebuilds === true), ...unreadable];
  // Ourselves we know, even when our own session cannot be read.
  const ids = rebuilds.map(({ id }) => id).filter((id) => id !== parts.session.id);
  return stillThere(parts, ids);
}

/** Of these sessions, those that have not ended. Asked by name: one that is gone never comes back. */
function stillThere(parts: CollectionParts, sessions: readonly string[]): readonly AwaitedSession[] {
  const writers = new Map(listSessions(parts, parts.host).sessions.map(({ id, writer }) => [id, writer]));
  const waiting: AwaitedSession[] = [];
  for (const id of sessions) {
    if (isRegistered(parts, id)) waiting.push({ session: id, writer: writers.get(id) });
    // It ended, by itself or by somebody whose work may have been cut off.
    else endSession(parts, id);
  }
  return waiting;
}

async function publishWaits(parts: CollectionParts, { number }: Generation): Promise<{ readonly sessions: readonly string[] }> {
  const { sessions, unreadable } = listSessions(parts, parts.host);
  const ids = [...sessions, ...unreadable].map(({ id }) => id).filter((id) => id !== parts.session.id);
  const record = { step: "waits", generation: number, sessions: ids } as const;
  if (await publishStep({ ...parts, temporaryNames: temporaryNamesOf(parts) }, record)) return record;
  const now = readGeneration(parts);
  if (now?.number === number && now.waits !== undefined) return now.waits;
  throw new HoldfastError("REPOSITORY_READ_FAILED", {
    message: `Generation ${number} of the collection was finished by another process just now`,
    retry: "now",
    hint: "Try again.",
  });
}

/**
 * Images that were not known when the generation was condemned may need segments that lie in its containers alone: those go into
 * new containers and into the index. All images are looked at, unless that was done a moment ago: between a condemnation and its
 * end may lie weeks in which anything was damaged. Resolves with how many segments there were.
 */
async function rescue(
  parts: CollectionParts,
  { number, condemned, isReleased }: Generation,
  containers: ContainerSet,
  isFresh: boolean,
): Promise<number> {
  const { images, checkpoints } = await readRoots(parts);
  const known = new Set<string>([...condemned.images, ...condemned.checkpoints]);
  const isKnown = [...images.keys(), ...checkpoints.keys()].every((name) => known.has(name));
  if (isFresh && isKnown) return 0;
  await adoptContainers(parts, ({ key }) => !containers.has(key));
  if (!isReleased) await takeInCondemned(parts, number, containers);
  const { readers } = openLiveRuns(parts.index);
  try {
    const census = await countRoots(parts, readers, [...images.values(), ...checkpoints.values()], containers);
    const counted = census.containers();
    const isCondemned = ({ volumeId, container }: CensusContainer): boolean => containers.has(containerKey(volumeId, container));
    // Before the index forgets what is condemned: that may hold the only copy of what another container has lost.
    const kept = counted.filter((container) => !isCondemned(container));
    requirePresent(parts, kept, await presentContainers(parts.volumes));
    requireNoneDamaged(parts, kept);
    const chosen = Uint8Array.from(counted, (container) => (isCondemned(container) ? 1 : 0));
    const { segments } = await storeAnew(parts, census, chosen, "rescue");
    return segments;
  } finally {
    for (const reader of readers) reader.close();
  }
}

/**
 * Somebody may have lost the index, and made it anew without what is condemned. Only who is registered as a rebuild takes that in: another
 * collection may be removing it.
 */
async function takeInCondemned(parts: CollectionParts, generation: number, containers: ContainerSet): Promise<void> {
  const isCondemned: ContainerSelection = ({ key }) => containers.has(key);
  if ((await unindexedContainers(parts, isCondemned)).length === 0) return;
  const session = await startSession({ ...parts, rebuilds: true });
  try {
    const now = readGeneration(parts);
    if (now?.number !== generation || now.isReleased) return;
    const index = { ...parts.index, session: session.id, fence: () => session.requireNotEnded() };
    await adoptContainers({ ...parts, index }, isCondemned);
  } finally {
    session.close();
  }
}

/** The last look before the first removal: everything the index names is there, and nothing of it is condemned. */
async function proveIndex(parts: CollectionParts, condemned: ContainerSet): Promise<void> {
  const { readers } = openLiveRuns(parts.index);
  const named: { readonly volumeId: VolumeId; readonly container: ContainerName }[] = [];
  try {
    const census = await Census.begin(readers, condemned, parts.signal);
    named.push(...census.containers());
  } finally {
    for (const reader of readers) reader.close();
  }
  for (const { volumeId, container } of named) {
    if (!condemned.has(containerKey(volumeId, container))) continue;
    throw new HoldfastError("REPOSITORY_READ_FAILED", {
      message: `The index names container ${container} again, which is condemned: another process writes to it`,
      retry: "later",
      hint: "Nothing was removed. Try again when no other process works on the repository.",
    });
  }
  requirePresent(parts, named, await presentContainers(parts.volumes));
}
