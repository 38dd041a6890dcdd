// Checkpoints: how far an interrupted backup had come, as an image of what it had until then. The next backup of the
// source takes it as its first base. A checkpoint is never listed as an image and never restored as one.

import { decodeImageRecord, encodeImageRecord } from "../formats/image-record.ts";
import { RECORD_CHECKPOINT } from "../formats/sealed-record.ts";
import type { Volume } from "../media/media.ts";
import type { ImageRecord } from "../model/image.ts";
import type { Random } from "../platform/random.ts";
import type { KeyRing } from "./key-ring.ts";
import { sealRecordFile } from "./record-sealer.ts";
import { readRecords } from "./stored-records.ts";
import type { RecordKind, RecordPlaces, RecordsRead } from "./stored-records.ts";

const CHECKPOINTS: RecordKind<ImageRecord> = { area: "checkpoints", type: RECORD_CHECKPOINT, decode: decodeImageRecord };

/** By name; a damaged one is worth nothing and only reported. */
export function readCheckpoints(places: RecordPlaces): Promise<RecordsRead<ImageRecord>> {
  return readRecords(places, CHECKPOINTS);
}

/** Resolves with its name when it is durable. */
export async function publishCheckpoint(
  places: {
    readonly volume: Volume;
    readonly keyRing: KeyRing;
    readonly random: Random;
    /** As for images: a checkpoint of a writer that was ended could lead to an image of what is gone. */
    readonly fence?: (() => void) | undefined;
  },
  record: ImageRecord,
): Promise<string> {
  const bytes = sealRecordFile(places.keyRing, places.random, RECORD_CHECKPOINT, encodeImageRecord(record));
  return places.volume.publishRecord("checkpoints", bytes, places.fence);
}

export function removeCheckpoint(volume: Volume, name: string): Promise<boolean> {
  return volume.removeRecord("checkpoints", name);
}
