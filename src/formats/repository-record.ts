// Repository record, version 1 (docs/formats/repository.md). Little-endian.
//   offset  size  field
//        0     8  magic "HOLDFAST"
//        8     2  version
//       10     2  reserved, zero
//       12    16  repository identifier
//       28     8  created, milliseconds since 1970
//       36    24  reserved, zero
//       60     4  CRC-32 of bytes 0–59
// The file that makes a directory a repository; it is the last thing that creating one writes.

import { assert } from "../base/assert.ts";
import { ByteWriter } from "../base/bytes.ts";
import { beginFrame, endFrame, openFrame } from "./fixed-frame.ts";

export const REPOSITORY_RECORD_BYTES = 64;
export const REPOSITORY_ID_BYTES = 16;

const RULES = { what: "the repository record", magic: "HOLDFAST", version: 1, lengthBytes: REPOSITORY_RECORD_BYTES };

export interface RepositoryRecord {
  /** 16 random bytes. */
  readonly id: Uint8Array;
  readonly createdAtMs: number;
}

export function encodeRepositoryRecord(record: RepositoryRecord): Uint8Array<ArrayBuffer> {
  assert(record.id.length === REPOSITORY_ID_BYTES, "a repository identifier has 16 bytes");
  const writer = beginFrame(new ByteWriter(REPOSITORY_RECORD_BYTES), RULES);
  writer.zeros(2).bytes(record.id).u64(record.createdAtMs).zeros(24);
  return endFrame(writer, RULES);
}

export function decodeRepositoryRecord(bytes: Uint8Array): RepositoryRecord {
  const reader = openFrame(bytes, RULES);
  reader.reservedZeros(2);
  const id = reader.bytes(REPOSITORY_ID_BYTES).slice();
  const createdAtMs = reader.size();
  reader.reservedZeros(24);
  return { id, createdAtMs };
}
