// Backup trails: which volumes backups are written to, in which order. One sealed record per generation,
// trails/<trail>.<generation>; the highest generation that can be read holds.

import { HoldfastError, messageOf } from "../base/errors.ts";
import { RECORD_TRAIL, SEALED_RECORD_LIMIT } from "../formats/sealed-record.ts";
import { decodeTrailRecord, encodeTrailRecord } from "../formats/trail-record.ts";
import type { TrailRecord } from "../formats/trail-record.ts";
import { publishExclusively } from "../media/media.ts";
import type { TemporaryNames } from "../media/media.ts";
import type { Files } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";
import type { KeyRing } from "./key-ring.ts";
import type { RepositoryLayout } from "./layout.ts";
import { openRecordFile, sealRecordFile } from "./record-sealer.ts";

export type { TrailRecord } from "../formats/trail-record.ts";

export const TRAIL_FILE_NAME = /^([0-9a-f]{32})\.([1-9][0-9]{0,8})$/;

export interface TrailsRead {
  /** The latest generation of each trail, ordered by name and identifier. */
  readonly trails: readonly TrailRecord[];
  /** Trail records that could not be read. */
  readonly problems: readonly HoldfastError[];
  /** Their file names, in the same order. */
  readonly damaged: readonly string[];
}

export interface TrailsPlace {
  readonly files: Files;
  readonly layout: RepositoryLayout;
  readonly keyRing: KeyRing;
}

export function readTrails(place: TrailsPlace): TrailsRead {
  const latest = new Map<string, TrailRecord>();
  const problems: HoldfastError[] = [];
  const damaged: string[] = [];
  for (const name of (place.files.list(place.layout.trails) ?? []).toSorted()) {
    if (!TRAIL_FILE_NAME.test(name)) continue;
    try {
      const record = readTrail(place, name);
      if (record === undefined) continue;
      const other = latest.get(record.trail);
      if (other === undefined || other.generation < record.generation) latest.set(record.trail, record);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      problems.push(error);
      damaged.push(name);
    }
  }
  const trails = [...latest.values()].sort((a, b) => (fileNameOf(a) < fileNameOf(b) ? -1 : 1));
  trails.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return { trails, problems, damaged };
}

function readTrail({ files, layout, keyRing }: TrailsPlace, name: string): TrailRecord | undefined {
  const path = `${layout.trails}/${name}`;
  try {
    const bytes = files.read(path, SEALED_RECORD_LIMIT);
    if (bytes === undefined) return undefined;
    const record = decodeTrailRecord(openRecordFile(keyRing, RECORD_TRAIL, bytes, `trails/${name}`));
    if (fileNameOf(record) === name) return record;
    throw new HoldfastError("REPOSITORY_DAMAGED", {
      message: `it holds generation ${record.generation} of trail ${record.trail}`,
    });
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    throw new HoldfastError(error.code, {
      message: `Cannot read trail record "${path}": ${messageOf(error)}`,
      hint: error.hint ?? "The file is damaged. Copy it from a copy of the repository.",
      cause: error,
    });
  }
}

/** False when this generation of the trail exists already. */
export function publishTrail(
  place: TrailsPlace & { readonly random: Random; readonly temporaryNames: TemporaryNames },
  record: TrailRecord,
): Promise<boolean> {
  const plain = encodeTrailRecord(record);
  // Check before writing: what cannot be read again must not be published.
  decodeTrailRecord(plain);
  return publishExclusively(
    { files: place.files, directory: place.layout.trails, name: fileNameOf(record), temporaryNames: place.temporaryNames },
    sealRecordFile(place.keyRing, place.random, RECORD_TRAIL, plain),
  );
}

function fileNameOf(record: TrailRecord): string {
  return `${record.trail}.${record.generation}`;
}
