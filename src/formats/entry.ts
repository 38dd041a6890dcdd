// The body of an entry: everything an image knows of one file, directory or other thing except its path.
// Version 1 (docs/formats/entry-page.md). Little-endian.
//   offset  size  field
//        0     1  kind: 1 directory, 2 file, 3 symbolic link, 4 FIFO, 5 character device, 6 block device
//        1     1  reserved, zero
//        2     2  mode: permission bits with setuid, setgid and sticky
//        4     4  parts: which of the parts below follow, in the order of their bits
//        8     4  user id
//       12     4  group id
//       16     8  modified, seconds since 1970, signed
//       24     4  modified, nanoseconds
//       28     4  changed (ctime), nanoseconds
//       32     8  changed, seconds, signed
//       40     8  inode
//       48     8  size in bytes of a file's content, else 0
//       56        parts
//
// Bytes 16 to 55 are what decides whether a file is unchanged, so the comparison is one run of bytes.

import { ByteReader } from "../base/bytes.ts";
import type { ByteWriter } from "../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { SEGMENT_LENGTH_LIMIT, readSegmentReference, writeSegmentReference } from "./segment-reference.ts";
import type { SegmentReference } from "./segment-reference.ts";

export const ENTRY_FIXED_BYTES = 56;
export const ENTRY_CHANGE_START = 16;
export const ENTRY_CHANGE_END = 56;

/** Bits of the field `parts`. */
export const PART_RECHECK = 1 << 0;
export const PART_CHANGED_WHILE_READ = 1 << 1;
export const PART_FIXED_SEGMENTS = 1 << 2;
export const PART_BIRTH_TIME = 1 << 3;
export const PART_HARD_LINK = 1 << 4;
export const PART_FILE_FLAGS = 1 << 5;
export const PART_NODE = 1 << 6;
export const PART_LINK_TARGET = 1 << 7;
export const PART_ATTRIBUTES = 1 << 8;
export const PART_STORED_ATTRIBUTES = 1 << 9;
export const PART_SEGMENTS = 1 << 10;
export const PART_SEGMENT_LIST = 1 << 11;
const PARTS_KNOWN = (1 << 12) - 1;

/** Content with more references than this goes to a segment list, so that an entry page stays small. */
export const INLINE_SEGMENTS_LIMIT = 8;
/** Extended attributes larger than this in all are stored as a segment of their own. */
export const INLINE_ATTRIBUTES_LIMIT = 2048;
/** Bodies and paths are counted by 16 bits in a page. */
export const ENTRY_BODY_LIMIT = 65_535;

export type EntryKindCode = 1 | 2 | 3 | 4 | 5 | 6;
export const ENTRY_DIRECTORY = 1;
export const ENTRY_FILE = 2;
export const ENTRY_SYMBOLIC_LINK = 3;
export const ENTRY_FIFO = 4;
export const ENTRY_CHARACTER_DEVICE = 5;
export const ENTRY_BLOCK_DEVICE = 6;

export interface EntryTime {
  /** Whole seconds since 1970, negative before. */
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface EntryAttribute {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** Where the content of a large file is listed: the root of a tree of segment list pages. */
export interface SegmentListRoot {
  readonly fingerprint: Fingerprint;
  readonly pageBytes: number;
  readonly level: number;
}

export interface EntryBody {
  readonly kind: EntryKindCode;
  readonly mode: number;
  readonly userId: number;
  readonly groupId: number;
  readonly modified: EntryTime;
  readonly changed: EntryTime;
  readonly inode: bigint;
  readonly sizeBytes: number;
  /** Its times were too recent to prove anything; the next backup reads it again. */
  readonly recheck: boolean;
  /** It changed while it was read; what is stored is the second reading, whether or not it changed again. */
  readonly changedWhileRead: boolean;
  /** Its content is cut into segments of this length, because it is changed in place. */
  readonly fixedSegmentBytes?: number;
  readonly birth?: EntryTime;
  /** Entries with equal device and inode are one file with several names. */
  readonly hardLink?: { readonly deviceMajor: number; readonly deviceMinor: number; readonly linkCount: number };
  readonly fileFlags?: number;
  readonly node?: { readonly major: number; readonly minor: number };
  readonly linkTarget?: Uint8Array;
  readonly attributes?: readonly EntryAttribute[];
  readonly storedAttributes?: SegmentReference;
  readonly segments?: readonly SegmentReference[];
  readonly segmentList?: SegmentListRoot;
}

/** Appends the body. The order of parts is that of their bits. */
export function writeEntryBody(writer: ByteWriter, body: EntryBody): void {
  let parts = 0;
  if (body.recheck) parts |= PART_RECHECK;
  if (body.changedWhileRead) parts |= PART_CHANGED_WHILE_READ;
  if (body.fixedSegmentBytes !== undefined) parts |= PART_FIXED_SEGMENTS;
  if (body.birth !== undefined) parts |= PART_BIRTH_TIME;
  if (body.hardLink !== undefined) parts |= PART_HARD_LINK;
  if (body.fileFlags !== undefined) parts |= PART_FILE_FLAGS;
  if (body.node !== undefined) parts |= PART_NODE;
  if (body.linkTarget !== undefined) parts |= PART_LINK_TARGET;
  if (body.attributes !== undefined) parts |= PART_ATTRIBUTES;
  if (body.storedAttributes !== undefined) parts |= PART_STORED_ATTRIBUTES;
  if (body.segments !== undefined) parts |= PART_SEGMENTS;
  if (body.segmentList !== undefined) parts |= PART_SEGMENT_LIST;
  writer.u8(body.kind).u8(0).u16(body.mode).u32(parts).u32(body.userId).u32(body.groupId);
  writer.i64(body.modified.seconds).u32(body.modified.nanoseconds);
  writer.u32(body.changed.nanoseconds).i64(body.changed.seconds);
  writer.u64(body.inode).u64(body.sizeBytes);
  if (body.fixedSegmentBytes !== undefined) writer.u32(body.fixedSegmentBytes);
  if (body.birth !== undefined) writer.i64(body.birth.seconds).u32(body.birth.nanoseconds);
  if (body.hardLink !== undefined) {
    writer.u32(body.hardLink.deviceMajor).u32(body.hardLink.deviceMinor).u32(body.hardLink.linkCount);
  }
  if (body.fileFlags !== undefined) writer.u32(body.fileFlags);
  if (body.node !== undefined) writer.u32(body.node.major).u32(body.node.minor);
  if (body.linkTarget !== undefined) writer.u16(body.linkTarget.length).bytes(body.linkTarget);
  if (body.attributes !== undefined) writeAttributes(writer, body.attributes);
  if (body.storedAttributes !== undefined) writeSegmentReference(writer, body.storedAttributes);
  if (body.segments !== undefined) {
    writer.u16(body.segments.length);
    for (const segment of body.segments) writeSegmentReference(writer, segment);
  }
  if (body.segmentList !== undefined) {
    const { fingerprint, pageBytes, level } = body.segmentList;
    writer.u32(pageBytes).u8(level).zeros(3).bytes(fingerprint);
  }
}

/** Refuses whatever version 1 does not allow. Byte fields of the result are views into `bytes`. */
export function readEntryBody(bytes: Uint8Array): EntryBody {
  const reader = new ByteReader(bytes, "an entry");
  const kind = reader.u8();
  if (kind < ENTRY_DIRECTORY || kind > ENTRY_BLOCK_DEVICE) reader.invalid(`the unknown kind ${kind}`);
  reader.reservedZeros(1);
  const mode = reader.u16();
  if (mode > 0o7777) reader.invalid(`the mode 0o${mode.toString(8)}`);
  const parts = reader.u32();
  if ((parts & ~PARTS_KNOWN) !== 0) reader.invalid(`unknown parts 0x${parts.toString(16)}`);
  const userId = reader.u32();
  const groupId = reader.u32();
  const modified = { seconds: reader.safeInteger(), nanoseconds: readNanoseconds(reader) };
  const changedNanoseconds = readNanoseconds(reader);
  const changed = { seconds: reader.safeInteger(), nanoseconds: changedNanoseconds };
  const inode = reader.u64();
  const sizeBytes = reader.size();
  const has = (part: number): boolean => (parts & part) !== 0;
  const body: { -readonly [K in keyof EntryBody]: EntryBody[K] } = {
    kind: kind as EntryKindCode,
    mode,
    userId,
    groupId,
    modified,
    changed,
    inode,
    sizeBytes,
    recheck: has(PART_RECHECK),
    changedWhileRead: has(PART_CHANGED_WHILE_READ),
  };
  if (has(PART_FIXED_SEGMENTS)) body.fixedSegmentBytes = readFixedSegmentBytes(reader);
  if (has(PART_BIRTH_TIME)) body.birth = { seconds: reader.safeInteger(), nanoseconds: readNanoseconds(reader) };
  if (has(PART_HARD_LINK)) {
    body.hardLink = { deviceMajor: reader.u32(), deviceMinor: reader.u32(), linkCount: reader.u32() };
  }
  if (has(PART_FILE_FLAGS)) body.fileFlags = reader.u32();
  if (has(PART_NODE)) body.node = { major: reader.u32(), minor: reader.u32() };
  if (has(PART_LINK_TARGET)) body.linkTarget = reader.bytes(reader.u16());
  if (has(PART_ATTRIBUTES)) body.attributes = readAttributes(reader);
  if (has(PART_STORED_ATTRIBUTES)) body.storedAttributes = readSegmentReference(reader);
  if (has(PART_SEGMENTS)) {
    const count = reader.u16();
    const segments: SegmentReference[] = [];
    for (let i = 0; i < count; i++) segments.push(readSegmentReference(reader));
    body.segments = segments;
  }
  if (has(PART_SEGMENT_LIST)) body.segmentList = readSegmentListRoot(reader);
  reader.end();
  return body;
}

/** The field alone, for a body that was read from a checked page; undefined when its content is cut by content. */
export function fixedSegmentBytesOf(view: DataView, bodyOffset: number): number | undefined {
  const parts = view.getUint32(bodyOffset + 4, true);
  // The first of the parts.
  return (parts & PART_FIXED_SEGMENTS) === 0 ? undefined : view.getUint32(bodyOffset + ENTRY_FIXED_BYTES, true);
}

function readFixedSegmentBytes(reader: ByteReader): number {
  const bytes = reader.u32();
  if (bytes === 0 || bytes > SEGMENT_LENGTH_LIMIT) reader.invalid(`segments of ${bytes} bytes`);
  return bytes;
}

function readSegmentListRoot(reader: ByteReader): SegmentListRoot {
  const pageBytes = reader.u32();
  const level = reader.u8();
  reader.reservedZeros(3);
  return { pageBytes, level, fingerprint: reader.bytes(FINGERPRINT_BYTES) as Fingerprint };
}

/** Also the content of a segment of stored attributes: u16 count, then u16 name length, u32 value length, name, value. */
export function writeAttributes(writer: ByteWriter, attributes: readonly EntryAttribute[]): void {
  writer.u16(attributes.length);
  for (const { name, value } of attributes) writer.u16(name.length).u32(value.length).bytes(name).bytes(value);
}

export function readAttributes(reader: ByteReader): readonly EntryAttribute[] {
  const count = reader.u16();
  const attributes: EntryAttribute[] = [];
  for (let i = 0; i < count; i++) {
    const nameLength = reader.u16();
    const valueLength = reader.u32();
    attributes.push({ name: reader.bytes(nameLength), value: reader.bytes(valueLength) });
  }
  return attributes;
}

function readNanoseconds(reader: ByteReader): number {
  const nanoseconds = reader.u32();
  if (nanoseconds > 999_999_999) reader.invalid(`${nanoseconds} nanoseconds`);
  return nanoseconds;
}
