// Segment list pages: the content of a large file, as a tree cut by content, so that two versions of a file
// share the pages of what they share. Version 1 (docs/formats/entry-page.md). Little-endian.
//   offset  size  field
//        0     1  version, 1
//        1     1  level: 0 segment references, 1 and above references to pages one level down
//        2     2  reserved, zero
//        4     4  record count
//        8        records: level 0 a segment reference (36 bytes);
//                 level 1+: 32 fingerprint, u32 page length, u64 content bytes below (44 bytes)

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { readSegmentReference, writeSegmentReference } from "./segment-reference.ts";
import type { SegmentReference } from "./segment-reference.ts";

const LIST_VERSION = 1;
export const LIST_PAGE_LIMIT = 64 * 1024;
export const LIST_LEVEL_LIMIT = 8;
const MINIMUM_RECORDS = 64;
const MAXIMUM_RECORDS = 1024;
const CUT_MASK = 127;

export interface ListPageReference {
  readonly fingerprint: Fingerprint;
  readonly pageBytes: number;
  readonly contentBytes: number;
}

/** Whether a list page ends after a record with this fingerprint. Holes never end a page early. */
export function listPageEnds(fingerprint: Uint8Array | undefined, recordCount: number): boolean {
  if (recordCount >= MAXIMUM_RECORDS) return true;
  return recordCount >= MINIMUM_RECORDS && fingerprint !== undefined && ((fingerprint[1] as number) & CUT_MASK) === 0;
}

export function encodeListLeaf(references: readonly SegmentReference[]): Uint8Array {
  const writer = new ByteWriter(8 + references.length * 36);
  writer.u8(LIST_VERSION).u8(0).u16(0).u32(references.length);
  for (const reference of references) writeSegmentReference(writer, reference);
  return writer.take();
}

export function encodeListIndex(level: number, children: readonly ListPageReference[]): Uint8Array {
  const writer = new ByteWriter(8 + children.length * 44);
  writer.u8(LIST_VERSION).u8(level).u16(0).u32(children.length);
  for (const child of children) writer.bytes(child.fingerprint).u32(child.pageBytes).u64(child.contentBytes);
  return writer.take();
}

/** The references are copies, safe to keep. */
export function decodeListLeaf(page: Uint8Array): readonly SegmentReference[] {
  const { reader, count } = open(page, 0);
  const references: SegmentReference[] = [];
  for (let i = 0; i < count; i++) references.push(readSegmentReference(reader));
  reader.end();
  return references;
}

export function decodeListIndex(page: Uint8Array, level: number): readonly ListPageReference[] {
  const { reader, count } = open(page, level);
  const children: ListPageReference[] = [];
  for (let i = 0; i < count; i++) {
    const fingerprint = reader.bytes(FINGERPRINT_BYTES) as Fingerprint;
    children.push({ fingerprint, pageBytes: reader.u32(), contentBytes: reader.size() });
  }
  reader.end();
  return children;
}

function open(page: Uint8Array, expectedLevel: number): { reader: ByteReader; count: number } {
  const reader = new ByteReader(page, "a segment list page");
  if (page.length > LIST_PAGE_LIMIT) reader.invalid(`${page.length} bytes, the limit is ${LIST_PAGE_LIMIT}`);
  const version = reader.u8();
  if (version !== LIST_VERSION) {
    throw new HoldfastError("FORMAT_VERSION", {
      message: `Cannot read a segment list page: it has version ${version}, this program reads version ${LIST_VERSION}`,
      hint: "Use a newer version of Holdfast.",
    });
  }
  const level = reader.u8();
  if (level !== expectedLevel) reader.invalid(`level ${level}, expected ${expectedLevel}`);
  reader.reservedZeros(2);
  return { reader, count: reader.u32() };
}
