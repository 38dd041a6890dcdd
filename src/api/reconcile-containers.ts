// Before a backup trusts the index it compares it with the containers that exist. A container that is gone must not be
// taken for stored: its segments would be left out of the new image for good. One that no run knows, left by a killed
// backup, is taken in, so that what it holds is not stored again.

import { beginLossEpoch, containerKey, listImageIds, rebuildIndex } from "../repository/repository.ts";
import type { ContainerContents } from "../repository/repository.ts";
import type { ContainerName, Volume } from "../media/media.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Opened } from "./opened.ts";
import { rebuildIndexFrom } from "./rebuild-index.ts";
import { lossesPlace } from "./repair-losses.ts";
import { inSession } from "./session.ts";
import type { WritingSession } from "./session.ts";

interface Places {
  readonly volume: Volume;
  readonly names: readonly ContainerName[];
}

/**
 * False when containers are missing. The index then knows nothing of them any more, and a backup that reads everything stores
 * anew whatever was lost and still exists, which serves old images too.
 */
export async function reconcileContainers(
  opened: Opened,
  session: WritingSession,
  onNotice: (notice: string) => void,
): Promise<boolean> {
  const { index, repository } = opened;
  // What is condemned counts as absent: it goes at any moment, and is not to be taken in again.
  const { condemned } = session;
  const listed: Places[] = [];
  for (const volume of repository.volumes) listed.push({ volume, names: await volume.listContainers() });
  const present = new Set(listed.flatMap(({ volume, names }) => names.map((name) => containerKey(volume.id, name))));

  const known = new Set<string>();
  const missing = new Set<string>();
  const available = new Set<string>(repository.volumes.map((volume) => volume.id));
  for (const { volumeId, container } of index.containers()) {
    const key = containerKey(volumeId, container);
    if (condemned.has(key)) continue;
    known.add(key);
    // A volume that is not mounted is no loss; its containers are not looked at.
    if (available.has(volumeId) && !present.has(key)) missing.add(key);
  }
  if (missing.size > 0) {
    onNotice(
      `${missing.size} of ${known.size} containers are missing from the repository. This backup reads everything and stores again what was lost; run \`holdfast verify\` afterwards.`,
    );
    // First: the index is about to forget what was lost, the images are not.
    await beginLossEpoch(lossesPlace(opened, session), []);
    opened.exclude(missing);
    const rebuild = async (inner: WritingSession): Promise<void> => {
      // What a collection is removing may hold the other copy: then the index goes on as it is, and a repair puts it right.
      if (inner.outstanding === undefined || inner.takesInCondemned) await rebuildIndexFrom(opened, inner);
    };
    await inSession(opened, rebuild, { rebuilds: true, partOf: session });
    return false;
  }
  // An index that was removed knew perhaps of containers that are gone too.
  if (known.size === 0 && present.size > 0 && (await listImageIds(repository.volumes)).length > 0) {
    await beginLossEpoch(lossesPlace(opened, session), []);
  }

  const unknown = listed.map(({ volume, names }) => ({
    volume,
    names: names.filter((name) => {
      const key = containerKey(volume.id, name);
      return !known.has(key) && !condemned.has(key);
    }),
  }));
  if (unknown.some(({ names }) => names.length > 0)) await adopt(opened, session, unknown);
  return true;
}

async function adopt(opened: Opened, session: WritingSession, places: readonly Places[]): Promise<void> {
  const { random } = opened.services;
  const fence = (): void => session.requireNotEnded();
  const location = { ...opened.indexLocation, random, session: session.id, fence };
  await rebuildIndex({ ...location, containers: contentsOf(opened, places) });
  opened.index.refresh();
}

async function* contentsOf(opened: Opened, places: readonly Places[]): AsyncGenerator<ContainerContents> {
  const reader = opened.containerReader();
  for (const { volume, names } of places) {
    for (const name of names) {
      try {
        yield await reader.readDirectory(volume, name);
      } catch (error) {
        // Damaged or removed meanwhile: what no run knows is needed by no image, so it is left to `verify`.
        if (!(error instanceof HoldfastError)) throw error;
      }
    }
  }
}
