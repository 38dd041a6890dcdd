// The object stores of this process: each bucket is reached through a thread that starts when its first file is asked for.

import { TEMPORARY_PREFIX } from "../media/media.ts";
import type { Files } from "../platform/files.ts";
import type { Host } from "../platform/host.ts";
import { ObjectFiles } from "../platform/object-files.ts";
import { isObjectLocation, objectRoot, parseObjectLocation, s3PlaceOf } from "../platform/object-store/s3-place.ts";
import { startStoreThread } from "../platform/object-store/store-thread.ts";
import type { Random } from "../platform/random.ts";
import { routedFiles } from "../platform/routed-files.ts";
import { clearSpools, spoolDirectoryOf } from "../platform/spool.ts";
import { isIndexRunPath } from "../repository/repository.ts";
import { workerEntry } from "./worker-entry.ts";

export interface ObjectStoresWorld {
  readonly local: Files;
  readonly host: Host;
  readonly random: Random;
}

/** Files of this machine, and of s3://bucket/… */
export function filesEverywhere(world: ObjectStoresWorld): Files {
  const buckets = new Map<string, Files>();
  return routedFiles(world.local, (path) => {
    if (!isObjectLocation(path)) return undefined;
    const { bucket } = parseObjectLocation(path);
    let files = buckets.get(bucket);
    if (files === undefined) {
      files = openBucket(bucket, world);
      buckets.set(bucket, files);
    }
    return files;
  });
}

function openBucket(bucket: string, { local, host, random }: ObjectStoresWorld): Files {
  const place = s3PlaceOf(bucket, host.environment);
  const cacheDirectory = `${host.cacheDirectory}/object-store`;
  clearSpools(local, cacheDirectory, host);
  return new ObjectFiles({
    ...startStoreThread(workerEntry("store"), { place }),
    root: objectRoot({ bucket }),
    local,
    spoolDirectory: spoolDirectoryOf(cacheDirectory, host),
    keptDirectory: `${cacheDirectory}/index`,
    isKept: isIndexRunPath,
    isTemporary: (name) => name.startsWith(TEMPORARY_PREFIX),
    random,
  });
}
