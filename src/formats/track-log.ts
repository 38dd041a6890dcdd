// The track log, version 1 (docs/formats/track-log.md): the client's own copy of an image's pages. Little-endian.
//   offset  size  field
//        0     8  magic "HFTRKLOG"
//        8     2  version, 1
//       10     6  reserved, zero
//       16    16  repository identifier
//       32    32  image identifier
//       64     4  CRC-32 of bytes 0–63
//       68     4  reserved, zero
//       72        chunks: sealed, each the zstd frame of some pages back to back
//                 the page table, sealed: a zstd frame, see `encodePageTable`
//   end-24     8  offset of the page table
//   end-16     4  sealed length of the page table
//   end-12     4  CRC-32 of the 12 bytes before
//   end-8      8  magic "HFTRKEND"

import { crc32 } from "node:zlib";
import { assert } from "../base/assert.ts";
import { ByteReader, ByteWriter, bytesOfHex, hexOf, textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { PAGE_LIMIT } from "./entry-page.ts";
import type { PageReference } from "./entry-page.ts";

export const TRACK_LOG_HEADER_BYTES = 72;
export const TRACK_LOG_TRAILER_BYTES = 24;
const MAGIC = "HFTRKLOG";
const END_MAGIC = "HFTRKEND";
const VERSION = 1;
/** A table this long would speak of a thousand million entries. */
export const PAGE_TABLE_LIMIT = 1024 * 1024 * 1024;
/** Plain bytes of a chunk: a writer ends it with the page that reaches 2 MiB. */
export const TRACK_LOG_CHUNK_LIMIT = 2 * 1024 * 1024 + PAGE_LIMIT;

export interface TrackLogHeader {
  readonly repositoryId: Uint8Array;
  /** 64 hexadecimal digits. */
  readonly imageId: string;
}

export interface TrackLogChunk {
  readonly offset: number;
  readonly storedBytes: number;
  readonly plainBytes: number;
  readonly pageCount: number;
}

export interface PageTable {
  readonly chunks: readonly TrackLogChunk[];
  /** In order; the pages of the first chunk first. */
  readonly pages: readonly PageReference[];
}

export function encodeTrackLogHeader(header: TrackLogHeader): Uint8Array {
  const imageId = bytesOfHex(header.imageId);
  assert(header.repositoryId.length === 16 && imageId.length === 32, "identifiers have their lengths");
  const writer = new ByteWriter(TRACK_LOG_HEADER_BYTES);
  writer.bytes(utf8(MAGIC)).u16(VERSION).zeros(6).bytes(header.repositoryId).bytes(imageId);
  writer.u32(crc32(writer.peek())).zeros(4);
  return writer.take();
}

export function decodeTrackLogHeader(bytes: Uint8Array): TrackLogHeader {
  const reader = new ByteReader(bytes, "a track log header");
  expectMagic(reader, MAGIC);
  const version = reader.u16();
  if (version !== VERSION) {
    throw new HoldfastError("FORMAT_VERSION", {
      message: `Cannot read a track log header: it has version ${version}, this program reads version ${VERSION}`,
    });
  }
  reader.reservedZeros(6);
  const repositoryId = reader.bytes(16).slice();
  const imageId = hexOf(reader.bytes(32));
  expectChecksum(bytes.subarray(0, 64), reader.u32(), "a track log header");
  reader.reservedZeros(4);
  return { repositoryId, imageId };
}

export function encodeTrackLogTrailer(tableOffset: number, tableStoredBytes: number): Uint8Array {
  const writer = new ByteWriter(TRACK_LOG_TRAILER_BYTES);
  writer.u64(tableOffset).u32(tableStoredBytes);
  writer.u32(crc32(writer.peek())).bytes(utf8(END_MAGIC));
  return writer.take();
}

export function decodeTrackLogTrailer(bytes: Uint8Array): { readonly offset: number; readonly storedBytes: number } {
  const reader = new ByteReader(bytes, "a track log trailer");
  const offset = reader.size();
  const storedBytes = reader.u32();
  expectChecksum(bytes.subarray(0, 12), reader.u32(), "a track log trailer");
  expectMagic(reader, END_MAGIC);
  reader.end();
  return { offset, storedBytes };
}

/** u32 chunks, u32 pages; per chunk u64 offset, u32 stored, u32 plain, u32 pages; per page as in an index page. */
export function encodePageTable(table: PageTable): Uint8Array {
  const writer = new ByteWriter(64 * 1024);
  writer.u32(table.chunks.length).u32(table.pages.length);
  for (const chunk of table.chunks) {
    writer.u64(chunk.offset).u32(chunk.storedBytes).u32(chunk.plainBytes).u32(chunk.pageCount);
  }
  let previous: Uint8Array = new Uint8Array(0);
  for (const page of table.pages) {
    const path = page.firstPath;
    let shared = 0;
    while (shared < path.length && shared < previous.length && path[shared] === previous[shared]) shared++;
    writer
      .bytes(page.fingerprint)
      .u32(page.pageBytes)
      .u32(page.entryCount)
      .u16(shared)
      .u16(path.length - shared);
    writer.bytes(path.subarray(shared));
    previous = path;
  }
  return writer.take();
}

export function decodePageTable(bytes: Uint8Array): PageTable {
  const reader = new ByteReader(bytes, "a track log's page table");
  const chunkCount = reader.u32();
  const pageCount = reader.u32();
  const chunks: TrackLogChunk[] = [];
  let pagesInChunks = 0;
  for (let i = 0; i < chunkCount; i++) {
    const offset = reader.size();
    const chunk = { offset, storedBytes: reader.u32(), plainBytes: reader.u32(), pageCount: reader.u32() };
    if (chunk.plainBytes === 0 || chunk.plainBytes > TRACK_LOG_CHUNK_LIMIT)
      reader.invalid(`chunk ${i} has ${chunk.plainBytes} plain bytes, allowed are 1 to ${TRACK_LOG_CHUNK_LIMIT}`);
    pagesInChunks += chunk.pageCount;
    chunks.push(chunk);
  }
  if (pagesInChunks !== pageCount) reader.invalid(`${pagesInChunks} pages in its chunks and ${pageCount} in all`);
  const pages: PageReference[] = [];
  let previous = new Uint8Array(0);
  for (let i = 0; i < pageCount; i++) {
    const fingerprint = reader.bytes(FINGERPRINT_BYTES).slice() as Uint8Array as Fingerprint;
    const pageBytes = reader.u32();
    const entryCount = reader.u32();
    if (pageBytes > PAGE_LIMIT || entryCount === 0) reader.invalid(`page ${i} is out of bounds`);
    const shared = reader.u16();
    const suffix = reader.u16();
    if (shared > previous.length) reader.invalid(`page ${i} shares more of a path than there is`);
    const firstPath = new Uint8Array(shared + suffix);
    firstPath.set(previous.subarray(0, shared));
    firstPath.set(reader.bytes(suffix), shared);
    previous = firstPath;
    pages.push({ fingerprint, pageBytes, entryCount, firstPath });
  }
  reader.end();
  return { chunks, pages };
}

function expectMagic(reader: ByteReader, magic: string): void {
  const found = textOf(reader.bytes(magic.length));
  if (found === magic) return;
  throw new HoldfastError("FORMAT_MAGIC", { message: `Not a track log: "${magic}" expected, found "${found}"` });
}

function expectChecksum(bytes: Uint8Array, expected: number, what: string): void {
  if (crc32(bytes) === expected) return;
  throw new HoldfastError("FORMAT_CHECKSUM", { message: `Cannot read ${what}: its checksum does not match` });
}
