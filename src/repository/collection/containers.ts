// Which containers there are, and whether that agrees with what the index says.

import { HoldfastError } from "../../base/errors.ts";
import type { ContainerName, Volume, VolumeId } from "../../media/media.ts";
import { containerKey, openLiveRuns, rebuildIndex } from "../central-index.ts";
import type { ContainerContents, ContainerSet } from "../central-index.ts";
import { Census, containerSetOf } from "./census.ts";
import type { CensusContainer } from "./census.ts";
import type { CollectionParts } from "./collection.ts";

/** All of these volumes, by their keys. */
export async function presentContainers(volumes: readonly Volume[]): Promise<ContainerSet> {
  const present = new Set<string>();
  for (const volume of volumes) for (const name of await volume.listContainers()) present.add(containerKey(volume.id, name));
  return present;
}

/** The index may name nothing that is not there: whatever is gone would count as kept. */
export function requirePresent(
  { volumes }: CollectionParts,
  containers: Iterable<{ readonly volumeId: VolumeId; readonly container: ContainerName }>,
  present: ContainerSet,
): void {
  const available = new Set<string>(volumes.map(({ id }) => id));
  const missing: string[] = [];
  for (const { volumeId, container } of containers) {
    if (!available.has(volumeId)) {
      throw new HoldfastError("VOLUME_UNAVAILABLE", {
        message: `Cannot tell what is still needed: volume ${volumeId} is not available`,
        retry: "later",
        context: { volume: volumeId },
        hint: "Nothing was removed. Mount the volume and try again.",
      });
    }
    if (!present.has(containerKey(volumeId, container))) missing.push(container);
  }
  if (missing.length === 0) return;
  throw new HoldfastError("SEGMENT_MISSING", {
    message: `Containers that the index knows are missing (${missing.length}), among them ${missing[0]}: nothing is removed from a repository that is not whole`,
    context: { container: missing[0], count: missing.length },
    hint: "Run `holdfast verify` to see which images are affected, then `holdfast repair`.",
  });
}

/** What is needed must not lie where it cannot be read: what is about to go may hold the other copy. */
export function requireNoneDamaged({ knownDamaged }: CollectionParts, containers: readonly CensusContainer[]): void {
  const damaged = containers.filter(
    ({ volumeId, container, liveBytes }) => liveBytes > 0 && knownDamaged.has(containerKey(volumeId, container)),
  );
  const [first] = damaged;
  if (first === undefined) return;
  throw new HoldfastError("REPOSITORY_DAMAGED", {
    message: `Containers that images need are damaged (${damaged.length}), as the last verification found, among them ${first.container}: nothing is removed from a repository that is not whole`,
    context: { container: first.container, count: damaged.length },
    hint: "Run `holdfast repair`, then try again.",
  });
}

/**
 * Containers of `listed` that the index does not know. Everything that images need was found in others, so nobody needs them; who may
 * have taken one into the index since is waited for. A damaged one stays, in case that it is the better copy of something.
 */
export async function unknownContainers(
  parts: CollectionParts,
  counted: readonly CensusContainer[],
  listed: ContainerSet,
): Promise<readonly CensusContainer[]> {
  const known = containerSetOf(counted);
  const unknown: CensusContainer[] = [];
  for (const { volume, name } of await notIn(parts, known)) {
    if (!listed.has(containerKey(volume.id, name))) continue;
    const storedBytes = await volume.containerSize(name);
    if (storedBytes === undefined || !(await isReadable(parts, volume, name))) continue;
    unknown.push({ volumeId: volume.id, container: name, firstBlock: 0, blockCount: 0, storedBytes, liveBytes: 0 });
  }
  return unknown;
}

async function isReadable({ readContents }: CollectionParts, volume: Volume, name: ContainerName): Promise<boolean> {
  try {
    await readContents(volume, name);
    return true;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return false;
  }
}

export interface PresentContainer {
  readonly key: string;
  readonly volume: Volume;
  readonly name: ContainerName;
}

export type ContainerSelection = (container: PresentContainer) => boolean;

async function notIn({ volumes }: CollectionParts, known: ContainerSet): Promise<readonly PresentContainer[]> {
  const unknown: PresentContainer[] = [];
  for (const volume of volumes) {
    for (const name of await volume.listContainers()) {
      const key = containerKey(volume.id, name);
      if (!known.has(key)) unknown.push({ key, volume, name });
    }
  }
  return unknown;
}

/** Those of the containers selected that are there and in no run of the index. */
export async function unindexedContainers(
  parts: CollectionParts,
  selection: ContainerSelection,
): Promise<readonly PresentContainer[]> {
  const { readers } = openLiveRuns(parts.index);
  const known = new Set<string>();
  try {
    const census = await Census.begin(readers, new Set(), parts.signal);
    for (const { volumeId, container } of census.containers()) known.add(containerKey(volumeId, container));
  } finally {
    for (const reader of readers) reader.close();
  }
  return (await notIn(parts, known)).filter(selection);
}

/** Takes containers that no run knows into the index, as a backup does: left by a killed writer, they are to be removed like any other. */
export async function adoptContainers(parts: CollectionParts, selection: ContainerSelection = () => true): Promise<void> {
  const unknown = await unindexedContainers(parts, selection);
  if (unknown.length > 0) await rebuildIndex({ ...parts.index, containers: contentsOf(parts, unknown) });
}

async function* contentsOf(parts: CollectionParts, places: readonly PresentContainer[]): AsyncGenerator<ContainerContents> {
  for (const { volume, name } of places) {
    try {
      yield await parts.readContents(volume, name);
    } catch (error) {
      // Damaged, or removed meanwhile. What no run knows is needed by no image: left to `verify`.
      if (!(error instanceof HoldfastError)) throw error;
    }
  }
}
