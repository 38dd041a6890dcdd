// Records on their way to and from a volume: bytes with a header, sealed under the "record" key.

import { assert } from "../base/assert.ts";
import { concatBytes, equalBytes, hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { openRecord, sealRecord } from "../engine/engine.ts";
import {
  RECORD_TYPE_NAMES,
  decodeSealedRecord,
  encodeSealedRecordHeader,
  sealedRecordContext,
} from "../formats/sealed-record.ts";
import type { RecordType } from "../formats/sealed-record.ts";
import type { Random } from "../platform/random.ts";
import type { KeyRing } from "./key-ring.ts";

/** The whole file of a record. It is opened again before it is returned: a fault of memory must not be published. */
export function sealRecordFile(keyRing: KeyRing, random: Random, type: RecordType, plain: Uint8Array): Uint8Array {
  const header = encodeSealedRecordHeader({ type, repositoryId: keyRing.repositoryId, plainLength: plain.length });
  const context = sealedRecordContext(header);
  const sealed = sealRecord(keyRing.record, context, random, plain);
  const opened = openRecord(keyRing.record, context, sealed, "a record just sealed");
  assert(equalBytes(opened, plain), "a sealed record opens to what was sealed");
  return concatBytes(header, sealed);
}

/**
 * The plain bytes of a record file. FORMAT_… when its header is not right, REPOSITORY_DAMAGED when it belongs to another
 * repository or is of another type, SEAL_BROKEN when it is not what was sealed. `name` says which record in errors.
 */
export function openRecordFile(keyRing: KeyRing, type: RecordType, bytes: Uint8Array, name: string): Uint8Array {
  const record = decodeSealedRecord(bytes);
  if (!equalBytes(record.repositoryId, keyRing.repositoryId)) {
    throw new HoldfastError("REPOSITORY_DAMAGED", {
      message: `Cannot read ${name}: it belongs to the repository ${hexOf(record.repositoryId)}, not ${hexOf(keyRing.repositoryId)}`,
      context: { record: name },
      hint: "A file of another repository was copied here.",
    });
  }
  if (record.type !== type) {
    throw new HoldfastError("REPOSITORY_DAMAGED", {
      message: `Cannot read ${name}: it is of type "${RECORD_TYPE_NAMES[record.type]}", expected "${RECORD_TYPE_NAMES[type]}"`,
      context: { record: name, found: record.type, expected: type },
      hint: "A file was moved to where it does not belong.",
    });
  }
  return openRecord(keyRing.record, sealedRecordContext(record.header), record.sealed, name);
}
