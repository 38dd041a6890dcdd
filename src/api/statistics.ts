// What a repository holds, counted where it lies: containers on the volumes, segments in the index, images by their records.

import { HoldfastError } from "../base/errors.ts";
import { condemnedSetOf, containerKey, readGeneration, reserveBytes } from "../repository/repository.ts";
import type { ContainerSet } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";
import { listImageSummaries } from "./select-image.ts";
import type { DamageListener } from "./select-image.ts";
import type { RepositoryStatistics } from "./types.ts";

/** A container that lies on several volumes counts on each, as it takes space on each. */
export async function repositoryStatistics(opened: Opened, onDamage?: DamageListener): Promise<RepositoryStatistics> {
  const images = await listImageSummaries(opened, {}, onDamage);
  const outstanding = outstandingIn(opened);
  const condemned = { containers: 0, bytes: 0 };
  let containers = 0;
  let containerBytes = 0;
  for (const volume of opened.repository.volumes) {
    for (const [name, sizeBytes] of await volume.listContainerSizes()) {
      containers++;
      containerBytes += sizeBytes;
      if (outstanding?.has(containerKey(volume.id, name)) !== true) continue;
      condemned.containers++;
      condemned.bytes += sizeBytes;
    }
  }
  const { index } = opened;
  index.refresh();
  const { runs } = index;
  return {
    images: images.length,
    sources: new Set(images.map(({ record }) => record.source)).size,
    containers,
    containerBytes,
    condemned: outstanding === undefined ? undefined : condemned,
    segments: index.segmentCount,
    indexRuns: runs.length,
    indexBytes: runs.reduce((sum, run) => sum + run.fileBytes, 0),
    reserveBytes: reserveBytes({ files: opened.services.files, layout: opened.repository.layout }),
    requests: await opened.services.files.objects?.(opened.repository.layout.root)?.store.counts(),
    logicalBytes: images.reduce((sum, { record }) => sum + record.statistics.contentBytes, 0),
  };
}

function outstandingIn({ services, repository }: Opened): ContainerSet | undefined {
  const { layout, keyRing } = repository;
  try {
    const generation = readGeneration({ files: services.files, layout, keyRing });
    return condemnedSetOf(generation?.isFinished === true ? undefined : generation);
  } catch (error) {
    if (error instanceof HoldfastError) return undefined;
    throw error;
  }
}
