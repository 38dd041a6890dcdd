// The index and the catalog anew, from the containers and records on the volumes alone.

import { rebuildCatalog } from "../catalog/catalog.ts";
import { HoldfastError, isKeptBack } from "../base/errors.ts";
import type { ContainerName, VolumeId } from "../media/media.ts";
import { beginLossEpoch, containerKey, listRuns, presentContainers, rebuildIndex } from "../repository/repository.ts";
import type { ContainerContents, ContainerSet } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";
import { goneIn, requireNothingAtStake } from "./repair-collection.ts";
import { lossesPlace } from "./repair-losses.ts";
import { inSession } from "./session.ts";
import type { WritingSession } from "./session.ts";
import type { RebuildReport } from "./types.ts";

export function rebuildAll(opened: Opened, onProgress: (done: number, total: number) => void): Promise<RebuildReport> {
  const rebuild = async (session: WritingSession): Promise<RebuildReport> => {
    // What the old index knew of cannot be compared where it cannot be read.
    if (!knowsAllIsThere(opened, await presentContainers(opened.repository.volumes), session.condemned)) {
      requireNothingAtStake(session, "Containers that the index knows are missing");
      await beginLossEpoch(lossesPlace(opened, session), []);
    }
    const rebuilt = await rebuildIndexFrom(opened, session, onProgress);
    const catalog = await opened.catalog();
    await rebuildCatalog(catalog, opened.catalogSource());
    return { ...rebuilt, images: catalog.imageIds().length };
  };
  return inSession(opened, rebuild, { rebuilds: true });
}

function knowsAllIsThere(opened: Opened, present: ReadonlySet<string>, condemned: ContainerSet): boolean {
  try {
    const named = Array.from(opened.index.containers(), ({ volumeId, container }) => containerKey(volumeId, container));
    const known = named.filter((key) => !condemned.has(key));
    return (known.length > 0 || present.size === 0) && known.every((key) => present.has(key));
  } catch (error) {
    if (error instanceof HoldfastError) return false;
    throw error;
  }
}

/**
 * Replaces all runs by what the containers on the volumes say of themselves. What is condemned and still there is among them, for
 * whoever reads, unless somebody may be removing it: images that the collection did not know may lean on it. Writers do not count on it all the same. `session`: of a rebuild.
 */
export async function rebuildIndexFrom(
  opened: Opened,
  session: WritingSession,
  onProgress: (done: number, total: number) => void = () => undefined,
): Promise<Omit<RebuildReport, "images">> {
  const damaged: { container: string; problem: string }[] = [];
  // Taken before the containers are listed: those then hold everything that these runs know.
  const replaces = listRuns(opened.services.files, opened.repository.layout.index);
  const { containers, segments } = await rebuildIndex({
    ...opened.indexLocation,
    random: opened.services.random,
    session: session.id,
    fence: () => session.requireNotEnded(),
    replaces,
    containers: (async function* () {
      yield* allContainers(opened, goneIn(session), onProgress, (container, problem) => damaged.push({ container, problem }));
      if (damaged.length === 0) return;
      requireNothingAtStake(session, `${damaged.length} containers are damaged`);
      // Before the last run takes the place of those that knew what the damaged ones hold.
      await beginLossEpoch(lossesPlace(opened, session), []);
    })(),
  });
  opened.refreshIndex();
  return { containers, segments, damaged };
}

async function* allContainers(
  opened: Opened,
  gone: ContainerSet,
  onProgress: (done: number, total: number) => void,
  onDamage: (container: string, problem: string) => void,
): AsyncGenerator<ContainerContents> {
  const { volumes } = opened.repository;
  const reader = opened.containerReader();
  const listed = await Promise.all(volumes.map(async (volume) => ({ volume, names: await volume.listContainers() })));
  const total = listed.reduce((sum, { names }) => sum + names.length, 0);
  let done = 0;
  for (const { volume, names } of listed) {
    for (const name of names) {
      if (gone.has(containerKey(volume.id, name))) continue;
      try {
        yield await reader.readDirectory(volume, name);
      } catch (error) {
        // One damaged container must not keep the others out of the index; `verify` says what it costs.
        if (!(error instanceof HoldfastError) || isOnlyUnreadable(error, opened, volume.id, name)) throw error;
        onDamage(name, error.message);
      }
      onProgress(++done, total);
    }
  }
}

/**
 * A container that the system does not give us at the moment, but the index knows: that index is better than a new one without
 * it, which would cut off every image that needs it.
 */
function isOnlyUnreadable(error: HoldfastError, opened: Opened, volume: VolumeId, name: ContainerName): boolean {
  if (!isKeptBack(error)) return false;
  try {
    return [...opened.index.containers()].some(({ volumeId, container }) => volumeId === volume && container === name);
  } catch (indexError) {
    return isKeptBack(indexError);
  }
}
