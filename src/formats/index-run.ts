// Index run, version 1 (docs/formats/index-run.md): an immutable, sorted piece of the central index. Little-endian.
//
// header   offset  size  field                       trailer  offset  size  field
//               0     8  magic "HFINDEXR"                          0     4  containers
//               8     2  version, 1                                4     4  blocks
//              10     2  reserved, zero                            8     4  segments
//              12    16  repository identifier                    12     4  filter blocks
//              28    32  salt                                     16     4  superseded runs
//              60     4  CRC-32 of bytes 0-59                     20    16  reserved, zero
//                                                                 36    16  seal of header and bytes 0-35
// Between them six sections of fixed-size records, in            52     4  CRC-32 of bytes 0-51
// sealed pages of at most 16 KiB: see SECTION_RECORDS.           56     8  magic "HFINDEND"
//
// The counts stand at the end because a merge knows them only when it is done; so a run is written and hashed in
// one pass. Everything else about the layout is computed from the counts, so that nothing can contradict them.

import { crc32 } from "node:zlib";
import { assert } from "../base/assert.ts";
import { ByteReader, ByteWriter, equalBytes, hexOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import { BLOOM_BLOCK_BYTES } from "./bloom-filter.ts";

const MAGIC = utf8("HFINDEXR");
const END_MAGIC = utf8("HFINDEND");
const VERSION = 1;

export const RUN_HEADER_BYTES = 64;
export const RUN_TRAILER_BYTES = 64;
export const RUN_SALT_BYTES = 32;
/** Plain bytes of a page, at most. One page is what a lookup reads, opens and caches. */
export const RUN_PAGE_BYTES = 16 * 1024;
export const RUN_PAGE_TAG_BYTES = 16;

/** Volume identifier 16, container name 32. Sorted by these bytes. */
export const CONTAINER_RECORD_BYTES = 48;
/** Container ordinal u32, offset u32, stored length u32, plain length u32, identity 16. Sorted by the first two. */
export const BLOCK_RECORD_BYTES = 32;
/** Fingerprint 32, block ordinal u32, offset in the block u32, length u32. Sorted by the first three. */
export const SEGMENT_RECORD_BYTES = FINGERPRINT_BYTES + 12;
/** The first 8 bytes of the first fingerprint of a segment page. */
export const FENCE_BYTES = 8;
/** The name of a run that this one replaces. Sorted. */
export const RUN_NAME_BYTES = 32;

/** In the order of the file: each section refers only to those before it, so a merge can write them as they come. */
export const SECTIONS = ["containers", "blocks", "segments", "fences", "filter", "superseded"] as const;
export type SectionName = (typeof SECTIONS)[number];

export const SECTION_RECORDS: Readonly<Record<SectionName, number>> = {
  containers: CONTAINER_RECORD_BYTES,
  blocks: BLOCK_RECORD_BYTES,
  segments: SEGMENT_RECORD_BYTES,
  fences: FENCE_BYTES,
  filter: BLOOM_BLOCK_BYTES,
  superseded: RUN_NAME_BYTES,
};

/** Limits keep ordinals in 32 bits and the tables that a reader holds in memory under 1 GiB, whatever a trailer says. */
export const MAX_RUN_CONTAINERS = 2 ** 22;
export const MAX_RUN_BLOCKS = 2 ** 28;
export const MAX_RUN_SEGMENTS = 2 ** 28;
export const MAX_RUN_FILTER_BLOCKS = 2 ** 24;
export const MAX_RUN_SUPERSEDED = 2 ** 16;

export interface RunHeader {
  readonly repositoryId: Uint8Array;
  readonly salt: Uint8Array;
}

export interface RunCounts {
  readonly containers: number;
  readonly blocks: number;
  readonly segments: number;
  readonly filterBlocks: number;
  readonly superseded: number;
}

export interface SectionLayout {
  readonly name: SectionName;
  /** 1 to 6; part of every page's nonce. */
  readonly number: number;
  readonly recordBytes: number;
  readonly recordsPerPage: number;
  readonly records: number;
  readonly pages: number;
  /** Where its first page begins in the file. */
  readonly start: number;
  readonly storedBytes: number;
}

export interface RunLayout {
  readonly sections: Readonly<Record<SectionName, SectionLayout>>;
  readonly trailerOffset: number;
  readonly fileBytes: number;
}

/** How many records of a section fill a page; records never straddle pages. */
export function recordsPerPage(section: SectionName): number {
  return Math.floor(RUN_PAGE_BYTES / SECTION_RECORDS[section]);
}

export function sectionNumber(section: SectionName): number {
  return SECTIONS.indexOf(section) + 1;
}

/** Where everything lies in a run of these counts. */
export function layoutOfRun(counts: RunCounts): RunLayout {
  const segmentPages = Math.ceil(counts.segments / recordsPerPage("segments"));
  const records: Record<SectionName, number> = {
    containers: counts.containers,
    blocks: counts.blocks,
    segments: counts.segments,
    fences: segmentPages,
    filter: counts.filterBlocks,
    superseded: counts.superseded,
  };
  let start = RUN_HEADER_BYTES;
  const layoutOf = (name: SectionName): SectionLayout => {
    const perPage = recordsPerPage(name);
    const pages = Math.ceil(records[name] / perPage);
    const storedBytes = records[name] * SECTION_RECORDS[name] + pages * RUN_PAGE_TAG_BYTES;
    const layout: SectionLayout = {
      name,
      number: sectionNumber(name),
      recordBytes: SECTION_RECORDS[name],
      recordsPerPage: perPage,
      records: records[name],
      pages,
      start,
      storedBytes,
    };
    start += storedBytes;
    return layout;
  };
  const sections = {
    containers: layoutOf("containers"),
    blocks: layoutOf("blocks"),
    segments: layoutOf("segments"),
    fences: layoutOf("fences"),
    filter: layoutOf("filter"),
    superseded: layoutOf("superseded"),
  };
  return { sections, trailerOffset: start, fileBytes: start + RUN_TRAILER_BYTES };
}

/** File offset of a page. Every page but the last of its section is full. */
export function pagePosition(section: SectionLayout, page: number): number {
  return section.start + page * (section.recordsPerPage * section.recordBytes + RUN_PAGE_TAG_BYTES);
}

export function recordsInPage(section: SectionLayout, page: number): number {
  return Math.min(section.recordsPerPage, section.records - page * section.recordsPerPage);
}

export function encodeRunHeader(header: RunHeader): Uint8Array<ArrayBuffer> {
  assert(header.repositoryId.length === 16, "a repository identifier has 16 bytes");
  assert(header.salt.length === RUN_SALT_BYTES, "an index run's salt has 32 bytes");
  const writer = new ByteWriter(RUN_HEADER_BYTES);
  writer.bytes(MAGIC).u16(VERSION).zeros(2).bytes(header.repositoryId).bytes(header.salt);
  return writer.u32(crc32(writer.peek())).take();
}

/** `what` names the run in errors. Reads the first 64 bytes; they may be fewer if the file is. */
export function decodeRunHeader(bytes: Uint8Array, what: string): RunHeader {
  const reader = new ByteReader(bytes, what);
  if (!equalBytes(reader.bytes(MAGIC.length), MAGIC)) {
    throw new HoldfastError("FORMAT_MAGIC", {
      message: `Cannot read ${what}: it does not begin with "HFINDEXR", so it is not an index run`,
    });
  }
  const version = reader.u16();
  if (version !== VERSION) {
    throw new HoldfastError("FORMAT_VERSION", {
      message: `Cannot read ${what}: its version is ${version}, this program knows ${VERSION}`,
      context: { version },
      hint: "Use a newer version of Holdfast, or `holdfast rebuild-index`.",
    });
  }
  if (bytes.length < RUN_HEADER_BYTES + RUN_TRAILER_BYTES) truncated(what, `it has only ${bytes.length} bytes`);
  requireChecksum(bytes.subarray(0, RUN_HEADER_BYTES), RUN_HEADER_BYTES - 4, what, "header");
  reader.reservedZeros(2);
  return { repositoryId: reader.bytes(16).slice(), salt: reader.bytes(RUN_SALT_BYTES).slice() };
}

/** The trailer up to its seal, which `RunSeal.sealTrailer` makes. */
export function encodeRunTrailer(counts: RunCounts, seal: (plainTrailer: Uint8Array) => Uint8Array): Uint8Array<ArrayBuffer> {
  requireLimits(counts, "an index run about to be written");
  const writer = new ByteWriter(RUN_TRAILER_BYTES);
  writer.u32(counts.containers).u32(counts.blocks).u32(counts.segments).u32(counts.filterBlocks).u32(counts.superseded);
  writer.zeros(16).bytes(seal(writer.peek()));
  return writer.u32(crc32(writer.peek())).bytes(END_MAGIC).take();
}

/** Reads the last 64 bytes of a file of `fileBytes` bytes and compares its length with the counts. */
export function decodeRunTrailer(bytes: Uint8Array, fileBytes: number, what: string): RunCounts {
  if (bytes.length !== RUN_TRAILER_BYTES) truncated(what, `its trailer has ${bytes.length} bytes of ${RUN_TRAILER_BYTES}`);
  if (!equalBytes(bytes.subarray(RUN_TRAILER_BYTES - END_MAGIC.length), END_MAGIC)) {
    truncated(what, `its ${fileBytes} bytes do not end with "HFINDEND"`);
  }
  requireChecksum(bytes.subarray(0, RUN_TRAILER_BYTES - END_MAGIC.length), RUN_TRAILER_BYTES - 12, what, "trailer");
  const reader = new ByteReader(bytes, what);
  const counts: RunCounts = {
    containers: reader.u32(),
    blocks: reader.u32(),
    segments: reader.u32(),
    filterBlocks: reader.u32(),
    superseded: reader.u32(),
  };
  reader.reservedZeros(16);
  requireLimits(counts, what);
  const expected = layoutOfRun(counts).fileBytes;
  if (fileBytes < expected) truncated(what, `it has ${fileBytes} bytes of ${expected}`);
  if (fileBytes > expected) invalid(what, `it has ${fileBytes} bytes, its trailer accounts for ${expected}`);
  return counts;
}

/** The 16 bytes of a trailer that prove it was written with the key of its header. */
export function sealOfTrailer(bytes: Uint8Array): { readonly plain: Uint8Array; readonly seal: Uint8Array } {
  return { plain: bytes.subarray(0, 36), seal: bytes.subarray(36, 52) };
}

/** A run belongs to one repository; its pages would not open under another's key anyway, but this says why. */
export function requireRepository(header: RunHeader, repositoryId: Uint8Array, what: string): void {
  if (equalBytes(header.repositoryId, repositoryId)) return;
  invalid(what, `it belongs to repository ${hexOf(header.repositoryId)}, not to ${hexOf(repositoryId)}`);
}

function requireLimits(counts: RunCounts, what: string): void {
  requireLimit(counts.containers, MAX_RUN_CONTAINERS, "containers", what);
  requireLimit(counts.blocks, MAX_RUN_BLOCKS, "blocks", what);
  requireLimit(counts.segments, MAX_RUN_SEGMENTS, "segments", what);
  requireLimit(counts.filterBlocks, MAX_RUN_FILTER_BLOCKS, "filter blocks", what);
  requireLimit(counts.superseded, MAX_RUN_SUPERSEDED, "superseded runs", what);
  if (counts.filterBlocks === 0) invalid(what, "its filter has no blocks, at least one is needed");
}

function requireLimit(count: number, limit: number, things: string, what: string): void {
  if (count > limit) invalid(what, `it counts ${count} ${things}, at most ${limit} are allowed`);
}

function requireChecksum(bytes: Uint8Array, offset: number, what: string, part: string): void {
  const found = new ByteReader(bytes.subarray(offset, offset + 4), what).u32();
  const expected = crc32(bytes.subarray(0, offset));
  if (found === expected) return;
  throw new HoldfastError("FORMAT_CHECKSUM", {
    message: `Cannot read ${what}: the checksum of its ${part} is ${found.toString(16)}, its bytes give ${expected.toString(16)}`,
    hint: "The file is damaged. Rebuild the index from the containers with `holdfast rebuild-index`.",
  });
}

function truncated(what: string, problem: string): never {
  throw new HoldfastError("FORMAT_TRUNCATED", {
    message: `Cannot read ${what}: ${problem}; it was cut short or its end is damaged`,
    hint: "Rebuild the index from the containers with `holdfast rebuild-index`.",
  });
}

function invalid(what: string, problem: string): never {
  throw new HoldfastError("FORMAT_INVALID", { message: `Cannot read ${what}: ${problem}` });
}
