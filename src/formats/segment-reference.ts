// A file's content is a list of segment references, 36 bytes each (docs/formats/entry-page.md).
//   offset  size  field
//        0     4  length in bytes; 0 marks a hole
//        4    32  fingerprint; for a hole: u64 length, then 24 zero bytes

import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { ByteReader } from "../base/bytes.ts";
import type { ByteWriter } from "../base/bytes.ts";

export const SEGMENT_REFERENCE_BYTES = 4 + FINGERPRINT_BYTES;

/** Longest segment any version may write; bounds what a reader must hold in memory at once. */
export const SEGMENT_LENGTH_LIMIT = 16 * 1024 * 1024;

export type SegmentReference =
  | { readonly kind: "data"; readonly length: number; readonly fingerprint: Fingerprint }
  | { readonly kind: "hole"; readonly length: number };

export function writeSegmentReference(writer: ByteWriter, reference: SegmentReference): void {
  if (reference.kind === "data") {
    writer.u32(reference.length).bytes(reference.fingerprint);
  } else {
    writer
      .u32(0)
      .u64(reference.length)
      .zeros(FINGERPRINT_BYTES - 8);
  }
}

/** The fingerprint is a view into the reader's bytes. */
export function readSegmentReference(reader: ByteReader): SegmentReference {
  const length = reader.u32();
  if (length === 0) {
    const hole = reader.size();
    reader.reservedZeros(FINGERPRINT_BYTES - 8);
    if (hole === 0) reader.invalid("a hole of no length");
    return { kind: "hole", length: hole };
  }
  if (length > SEGMENT_LENGTH_LIMIT) reader.invalid(`a segment of ${length} bytes, the limit is ${SEGMENT_LENGTH_LIMIT}`);
  return { kind: "data", length, fingerprint: reader.bytes(FINGERPRINT_BYTES) as Fingerprint };
}

/** All references of a packed list; fingerprints are views into `bytes`. */
export function* readPackedReferences(bytes: Uint8Array): Generator<SegmentReference> {
  const reader = new ByteReader(bytes, "a list of segment references");
  while (reader.remaining > 0) yield readSegmentReference(reader);
}
