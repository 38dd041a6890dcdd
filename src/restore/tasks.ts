// What the planning thread asks of the writing threads, packed. These bytes never leave the process, so they have no
// version. A task is u8 type and then:
//
//   begin        the settings of a run (run-settings.ts)
//   end          nothing
//   files        records: directory | block | entry
//   part         u64 inode, u32 device major, minor; u32 directory length, u16 name length, directory, name; pieces
//   finish       as part, then u16 final name length, final name, one entry record (for its name, body and attributes)
//   directories  records: directory-attributes
//   flags        records: directory | entry
//   verify       records: directory | content
//
// Records begin with u8 tag:
//   1 directory  u32 length, path                 the directory of the entries that follow
//   2 block      location (84 bytes)              the block of the entries that follow
//   3 entry      u8 flags, u64 position in the image, u16 name length, u16 body length, u32 offset in the block,
//                u32 pieces, u8 places of stored attributes, name, body, places, pieces
//   4 attributes of a directory  u8 flags, u32 path length, u16 body length, u8 places, path, body, places
//   5 content    u8 flags, u64 from, u16 name length, u32 references, name, references (36 bytes each)
// A piece is u64 position in the file, fingerprint (32), location (84).

import type { ByteReader, ByteWriter } from "../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import { SEGMENT_REFERENCE_BYTES } from "../formats/segment-reference.ts";
import type { SegmentLocation } from "../repository/repository.ts";
import { readLocation, writeLocation } from "./segment-places.ts";
import type { SegmentPlace, SegmentPlaces } from "./segment-places.ts";

export const TASK_BEGIN = 1;
export const TASK_END = 2;
export const TASK_FILES = 3;
export const TASK_PART = 4;
export const TASK_FINISH = 5;
export const TASK_DIRECTORIES = 6;
export const TASK_FLAGS = 7;
export const TASK_VERIFY = 8;

const TAG_DIRECTORY = 1;
const TAG_BLOCK = 2;
const TAG_ENTRY = 3;
const TAG_DIRECTORY_ATTRIBUTES = 4;
const TAG_CONTENT = 5;

const ENTRY_IN_BLOCK = 1;
/** The directory was there before this run, and may hold what an earlier one has left behind. */
const DIRECTORY_EXISTED = 1;
/** The file ends where these references do. */
const CONTENT_ENDS = 1;
/** And begins with them: when they are right, so is the file. */
const CONTENT_WHOLE = 2;

export interface Piece {
  /** Where it begins in the file. */
  readonly position: number;
  readonly fingerprint: Uint8Array;
  readonly location: SegmentLocation;
}

export interface EntryRecord {
  /** Where it stands in the image. */
  readonly position: number;
  readonly name: Uint8Array;
  readonly body: Uint8Array;
  /** Where its only segment begins in the block before it; undefined when its content does not lie there. */
  readonly offsetInBlock: number | undefined;
  readonly pieces: readonly Piece[];
  /** Copies of the segment with its extended attributes, when that is not in the body. */
  readonly attributes: readonly SegmentLocation[];
}

export interface DirectoryAttributesRecord {
  readonly path: Uint8Array;
  readonly body: Uint8Array;
  readonly existed: boolean;
  readonly attributes: readonly SegmentLocation[];
}

export interface ContentRecord {
  readonly name: Uint8Array;
  readonly from: number;
  /** Packed, 36 bytes each. */
  readonly references: Uint8Array;
  readonly isEnd: boolean;
  readonly isWhole: boolean;
}

export type TaskRecord =
  | { readonly tag: "directory"; readonly path: Uint8Array }
  | { readonly tag: "block"; readonly location: SegmentLocation }
  | { readonly tag: "entry"; readonly entry: EntryRecord }
  | { readonly tag: "attributes"; readonly directory: DirectoryAttributesRecord }
  | { readonly tag: "content"; readonly content: ContentRecord };

// --- writing -----------------------------------------------------------------------------------

export function writeDirectory(writer: ByteWriter, path: Uint8Array): void {
  writer.u8(TAG_DIRECTORY).u32(path.length).bytes(path);
}

export function writeBlock(writer: ByteWriter, places: SegmentPlaces, place: SegmentPlace): void {
  writer.u8(TAG_BLOCK);
  places.write(writer, place);
}

export interface EntryToWrite {
  readonly position: number;
  readonly name: Uint8Array;
  readonly body: Uint8Array;
  readonly offsetInBlock: number | undefined;
  /** As `writePiece` packs them. */
  readonly pieces: Uint8Array | undefined;
  readonly attributes: readonly SegmentLocation[];
}

export function writeEntryRecord(writer: ByteWriter, entry: EntryToWrite): void {
  const { position, name, body, offsetInBlock, pieces, attributes } = entry;
  writer
    .u8(TAG_ENTRY)
    .u8(offsetInBlock === undefined ? 0 : ENTRY_IN_BLOCK)
    .u64(position);
  writer
    .u16(name.length)
    .u16(body.length)
    .u32(offsetInBlock ?? 0);
  writer
    .u32(pieces === undefined ? 0 : pieces.length / PIECE_BYTES)
    .u8(attributes.length)
    .bytes(name)
    .bytes(body);
  for (const location of attributes) writeLocation(writer, location);
  if (pieces !== undefined) writer.bytes(pieces);
}

const LOCATION_BYTES = 84;
export const PIECE_BYTES = 8 + FINGERPRINT_BYTES + LOCATION_BYTES;

export function writePiece(
  writer: ByteWriter,
  places: SegmentPlaces,
  position: number,
  fingerprint: Uint8Array,
  place: SegmentPlace,
): void {
  writer.u64(position).bytes(fingerprint);
  places.write(writer, place);
}

export function writeDirectoryAttributes(writer: ByteWriter, directory: DirectoryAttributesRecord): void {
  const { path, body, existed, attributes } = directory;
  writer.u8(TAG_DIRECTORY_ATTRIBUTES).u8(existed ? DIRECTORY_EXISTED : 0);
  writer.u32(path.length).u16(body.length).u8(attributes.length).bytes(path).bytes(body);
  for (const location of attributes) writeLocation(writer, location);
}

export function writeContentRecord(writer: ByteWriter, content: ContentRecord): void {
  const { name, from, references, isEnd, isWhole } = content;
  writer
    .u8(TAG_CONTENT)
    .u8((isEnd ? CONTENT_ENDS : 0) | (isWhole ? CONTENT_WHOLE : 0))
    .u64(from)
    .u16(name.length);
  writer
    .u32(references.length / SEGMENT_REFERENCE_BYTES)
    .bytes(name)
    .bytes(references);
}

/** A large file under its temporary name, with what tells it from anything put in its place. */
export interface StagedFile {
  readonly directory: Uint8Array;
  readonly name: Uint8Array;
  readonly inodeLow: number;
  readonly inodeHigh: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
}

export function writeStagedFile(writer: ByteWriter, file: StagedFile): void {
  writer.u32(file.inodeLow).u32(file.inodeHigh).u32(file.deviceMajor).u32(file.deviceMinor);
  writer.u32(file.directory.length).u16(file.name.length).bytes(file.directory).bytes(file.name);
}

// --- reading -----------------------------------------------------------------------------------

export function readStagedFile(reader: ByteReader): StagedFile {
  const identity = { inodeLow: reader.u32(), inodeHigh: reader.u32(), deviceMajor: reader.u32(), deviceMinor: reader.u32() };
  const directoryLength = reader.u32();
  const nameLength = reader.u16();
  return { ...identity, directory: reader.bytes(directoryLength), name: reader.bytes(nameLength) };
}

export function* readPieces(reader: ByteReader, count: number): Generator<Piece> {
  for (let i = 0; i < count; i++) {
    yield { position: reader.size(), fingerprint: reader.bytes(FINGERPRINT_BYTES), location: readLocation(reader) };
  }
}

/** Byte fields are views into the task. */
export function* readRecords(reader: ByteReader): Generator<TaskRecord> {
  while (reader.remaining > 0) {
    const tag = reader.u8();
    switch (tag) {
      case TAG_DIRECTORY:
        yield { tag: "directory", path: reader.bytes(reader.u32()) };
        break;
      case TAG_BLOCK:
        yield { tag: "block", location: readLocation(reader) };
        break;
      case TAG_ENTRY:
        yield { tag: "entry", entry: readEntry(reader) };
        break;
      case TAG_DIRECTORY_ATTRIBUTES:
        yield { tag: "attributes", directory: readDirectoryAttributes(reader) };
        break;
      case TAG_CONTENT:
        yield { tag: "content", content: readContent(reader) };
        break;
      default:
        reader.invalid(`the unknown record ${tag}`);
    }
  }
}

const NO_PIECES: readonly Piece[] = [];
const NO_LOCATIONS: readonly SegmentLocation[] = [];

function readEntry(reader: ByteReader): EntryRecord {
  const flags = reader.u8();
  const position = reader.size();
  const nameLength = reader.u16();
  const bodyLength = reader.u16();
  const offset = reader.u32();
  const pieceCount = reader.u32();
  const attributeCount = reader.u8();
  const name = reader.bytes(nameLength);
  const body = reader.bytes(bodyLength);
  const attributes = readLocations(reader, attributeCount);
  const pieces = pieceCount === 0 ? NO_PIECES : [...readPieces(reader, pieceCount)];
  return { position, name, body, offsetInBlock: (flags & ENTRY_IN_BLOCK) === 0 ? undefined : offset, pieces, attributes };
}

function readDirectoryAttributes(reader: ByteReader): DirectoryAttributesRecord {
  const flags = reader.u8();
  const pathLength = reader.u32();
  const bodyLength = reader.u16();
  const attributeCount = reader.u8();
  const path = reader.bytes(pathLength);
  const body = reader.bytes(bodyLength);
  return { path, body, existed: (flags & DIRECTORY_EXISTED) !== 0, attributes: readLocations(reader, attributeCount) };
}

function readContent(reader: ByteReader): ContentRecord {
  const flags = reader.u8();
  const from = reader.size();
  const nameLength = reader.u16();
  const count = reader.u32();
  const name = reader.bytes(nameLength);
  const references = reader.bytes(count * SEGMENT_REFERENCE_BYTES);
  return { name, from, references, isEnd: (flags & CONTENT_ENDS) !== 0, isWhole: (flags & CONTENT_WHOLE) !== 0 };
}

function readLocations(reader: ByteReader, count: number): readonly SegmentLocation[] {
  if (count === 0) return NO_LOCATIONS;
  return Array.from({ length: count }, () => readLocation(reader));
}
