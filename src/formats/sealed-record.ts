// Sealed record, version 1 (docs/formats/sealed-record.md). Little-endian.
//   offset  size  field
//        0     8  magic "HFRECORD"
//        8     2  version
//       10     2  record type
//       12     4  reserved, zero
//       16    16  repository identifier
//       32     4  length of the plain bytes
//       36     4  CRC-32 of bytes 0–35
//       40     …  seal: salt 32 ‖ commitment 32 ‖ ciphertext ‖ tag 16
// The header is part of what the seal binds: a record cannot pass for one of another type or repository.
// This file lays out the bytes; sealing and opening need the key and live in repository/record-sealer.ts.

import { assert } from "../base/assert.ts";
import { ByteWriter, concatBytes, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { SEAL_OVERHEAD_BYTES } from "./block.ts";
import { beginFrame, endFrame, openFrame } from "./fixed-frame.ts";
import { REPOSITORY_ID_BYTES } from "./repository-record.ts";

export const SEALED_RECORD_HEADER_BYTES = 40;
/** The plain bytes of any record; bounds what one damaged or hostile file makes a reader hold. */
export const SEALED_RECORD_PLAIN_LIMIT = 32 * 1024 * 1024;
/** The whole file of any record. */
export const SEALED_RECORD_LIMIT = SEALED_RECORD_HEADER_BYTES + SEALED_RECORD_PLAIN_LIMIT + SEAL_OVERHEAD_BYTES;

const RULES = { what: "a record", magic: "HFRECORD", version: 1, lengthBytes: SEALED_RECORD_HEADER_BYTES };

export const RECORD_SETTINGS = 1;
export const RECORD_TRAIL = 2;
export const RECORD_IMAGE = 3;
export const RECORD_ANNOTATION = 4;
export const RECORD_CHECKPOINT = 5;
export const RECORD_COLLECTION = 6;
export const RECORD_LOSSES = 7;
export type RecordType =
  | typeof RECORD_SETTINGS
  | typeof RECORD_TRAIL
  | typeof RECORD_IMAGE
  | typeof RECORD_ANNOTATION
  | typeof RECORD_CHECKPOINT
  | typeof RECORD_COLLECTION
  | typeof RECORD_LOSSES;

export const RECORD_TYPE_NAMES: Readonly<Record<RecordType, string>> = {
  [RECORD_SETTINGS]: "repository settings",
  [RECORD_TRAIL]: "trail record",
  [RECORD_IMAGE]: "image record",
  [RECORD_ANNOTATION]: "annotation",
  [RECORD_CHECKPOINT]: "checkpoint",
  [RECORD_COLLECTION]: "collection record",
  [RECORD_LOSSES]: "loss record",
};

export interface SealedRecordHeader {
  readonly type: RecordType;
  readonly repositoryId: Uint8Array;
  readonly plainLength: number;
}

export interface SealedRecord extends SealedRecordHeader {
  /** The 40 bytes as they were read. */
  readonly header: Uint8Array;
  readonly sealed: Uint8Array;
}

export function encodeSealedRecordHeader(header: SealedRecordHeader): Uint8Array<ArrayBuffer> {
  assert(header.repositoryId.length === REPOSITORY_ID_BYTES, "a repository identifier has 16 bytes");
  if (header.plainLength > SEALED_RECORD_PLAIN_LIMIT) {
    throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
      message: `Cannot write a record of ${header.plainLength} bytes: the limit is ${SEALED_RECORD_PLAIN_LIMIT}`,
    });
  }
  const writer = beginFrame(new ByteWriter(SEALED_RECORD_HEADER_BYTES), RULES).u16(header.type).zeros(4);
  return endFrame(writer.bytes(header.repositoryId).u32(header.plainLength), RULES);
}

/** Splits a record file; both parts are views. The seal is not opened, so nothing is proven but the header's checksum. */
export function decodeSealedRecord(bytes: Uint8Array): SealedRecord {
  const header = bytes.subarray(0, SEALED_RECORD_HEADER_BYTES);
  const reader = openFrame(header, RULES);
  const type = reader.u16();
  reader.reservedZeros(4);
  if (!isRecordType(type)) {
    throw new HoldfastError("FORMAT_VERSION", {
      message: `Cannot read a record: its type is ${type}, this program knows ${Object.keys(RECORD_TYPE_NAMES).join(", ")}`,
      context: { type },
      hint: "Use a newer version of Holdfast.",
    });
  }
  const repositoryId = reader.bytes(REPOSITORY_ID_BYTES);
  const plainLength = reader.u32();
  if (plainLength > SEALED_RECORD_PLAIN_LIMIT) {
    reader.invalid(`it declares ${plainLength} bytes, the limit is ${SEALED_RECORD_PLAIN_LIMIT}`);
  }
  const sealed = bytes.subarray(SEALED_RECORD_HEADER_BYTES);
  const expected = plainLength + SEAL_OVERHEAD_BYTES;
  if (sealed.length !== expected) {
    throw new HoldfastError(sealed.length < expected ? "FORMAT_TRUNCATED" : "FORMAT_INVALID", {
      message: `Cannot read a record: ${sealed.length} bytes follow its header, expected ${expected}`,
      context: { length: sealed.length, expected },
    });
  }
  return { type, repositoryId, plainLength, header, sealed };
}

/** What a record is sealed under: "holdfast record 1" and its 40 header bytes. */
export function sealedRecordContext(header: Uint8Array): Uint8Array {
  return concatBytes(utf8("holdfast record 1"), header);
}

function isRecordType(type: number): type is RecordType {
  return Object.hasOwn(RECORD_TYPE_NAMES, type);
}
