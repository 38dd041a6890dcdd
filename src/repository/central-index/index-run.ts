// Lookup in one run: the filter says no to nearly all absent fingerprints; for the others the fences name the page,
// the page is read, opened and kept for a while, and a search by halves finds the record.

import { hexOf } from "../../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import { BLOCK_IDENTITY_BYTES } from "../../formats/block.ts";
import { BLOCK_RECORD_BYTES, CONTAINER_RECORD_BYTES, SEGMENT_RECORD_BYTES } from "../../formats/index-run.ts";
import type { SectionLayout } from "../../formats/index-run.ts";
import type { LocationBuffer } from "./location.ts";
import type { ContainerSet } from "./merged-sections.ts";
import type { PageCache, PageOwner } from "./page-cache.ts";
import { runInvalid } from "./run-directory.ts";
import type { RunName } from "./run-directory.ts";
import type { RunReader } from "./run-reader.ts";
import type { RunTables } from "./run-tables.ts";

export class IndexRun implements PageOwner {
  readonly reader: RunReader;
  readonly tables: RunTables;
  readonly cacheSlots: Int32Array;
  readonly #cache: PageCache;
  /** Ones for the containers that do not count for `isCounted`. */
  #excluded: Uint8Array | undefined;
  readonly #segments: SectionLayout;
  readonly #blocks: SectionLayout;

  constructor(reader: RunReader, tables: RunTables, cache: PageCache) {
    this.reader = reader;
    this.tables = tables;
    this.#cache = cache;
    this.#segments = reader.section("segments");
    this.#blocks = reader.section("blocks");
    this.cacheSlots = new Int32Array(this.#segments.pages + this.#blocks.pages);
  }

  get name(): RunName {
    return this.reader.name;
  }

  /** For the cache: segment pages are numbered first, then block pages. */
  loadPage(page: number): Uint8Array {
    const segmentPages = this.#segments.pages;
    return page < segmentPages
      ? this.reader.readPage(this.#segments, page)
      : this.reader.readPage(this.#blocks, page - segmentPages);
  }

  /** The position of the first record of this fingerprint, or -1. */
  find(fingerprint: Uint8Array, at: number): number {
    if (!this.tables.filter.mayContain(fingerprint, at)) return -1;
    const high = wordAt(fingerprint, at);
    const low = wordAt(fingerprint, at + 4);
    for (let page = this.tables.firstPage(high, low); page < this.#segments.pages; page++) {
      const bytes = this.#cache.get(this, page);
      const record = lowerBound(bytes, fingerprint, at);
      if (record * SEGMENT_RECORD_BYTES < bytes.length) {
        const found = compareFingerprints(bytes, record * SEGMENT_RECORD_BYTES, fingerprint, at) === 0;
        return found ? page * this.#segments.recordsPerPage + record : -1;
      }
      if (!this.tables.mayReachInto(page + 1, high, low)) return -1;
    }
    return -1;
  }

  /** From now on nothing in these containers counts for `isCounted`. */
  exclude(containers: ContainerSet): void {
    let any = false;
    const excluded = new Uint8Array(this.reader.counts.containers);
    for (let ordinal = 0; ordinal < excluded.length; ordinal++) {
      const record = this.tables.containers.slice(ordinal * CONTAINER_RECORD_BYTES, (ordinal + 1) * CONTAINER_RECORD_BYTES);
      if (!containers.has(hexOf(record))) continue;
      excluded[ordinal] = 1;
      any = true;
    }
    this.#excluded = any ? excluded : undefined;
  }

  /** Whether the segment lies in a container that is not excluded. */
  isCounted(fingerprint: Uint8Array, at: number): boolean {
    let position = this.find(fingerprint, at);
    if (position < 0) return false;
    if (this.#excluded === undefined) return true;
    for (; this.hasAt(position, fingerprint, at); position++) {
      if (this.#excluded[this.#containerAt(position)] !== 1) return true;
    }
    return false;
  }

  #containerAt(position: number): number {
    const page = Math.floor(position / this.#segments.recordsPerPage);
    const record = (position % this.#segments.recordsPerPage) * SEGMENT_RECORD_BYTES;
    const block = numberAt(this.#cache.get(this, page), record + FINGERPRINT_BYTES);
    const { records } = this.#blocks;
    if (block >= records) throw runInvalid(this.name, `it places a segment in block ${block} of ${records}`);
    const blockPage = this.#segments.pages + Math.floor(block / this.#blocks.recordsPerPage);
    return numberAt(this.#cache.get(this, blockPage), (block % this.#blocks.recordsPerPage) * BLOCK_RECORD_BYTES);
  }

  /** Whether the record at this position exists and has this fingerprint: to go on from `find` to further copies. */
  hasAt(position: number, fingerprint: Uint8Array, at: number): boolean {
    if (position >= this.#segments.records) return false;
    const page = Math.floor(position / this.#segments.recordsPerPage);
    const record = (position % this.#segments.recordsPerPage) * SEGMENT_RECORD_BYTES;
    return compareFingerprints(this.#cache.get(this, page), record, fingerprint, at) === 0;
  }

  /** Everything about the segment at this position, except the ordinal of the run. */
  readLocation(position: number, into: LocationBuffer): void {
    const page = Math.floor(position / this.#segments.recordsPerPage);
    const record = (position % this.#segments.recordsPerPage) * SEGMENT_RECORD_BYTES;
    const bytes = this.#cache.get(this, page);
    into.block = numberAt(bytes, record + FINGERPRINT_BYTES);
    into.offset = numberAt(bytes, record + FINGERPRINT_BYTES + 4);
    into.length = numberAt(bytes, record + FINGERPRINT_BYTES + 8);
    this.#readBlock(into);
  }

  #readBlock(into: LocationBuffer): void {
    const { records } = this.#blocks;
    if (into.block >= records) throw runInvalid(this.name, `it places a segment in block ${into.block} of ${records}`);
    const page = Math.floor(into.block / this.#blocks.recordsPerPage);
    const record = (into.block % this.#blocks.recordsPerPage) * BLOCK_RECORD_BYTES;
    const bytes = this.#cache.get(this, this.#segments.pages + page);
    into.container = numberAt(bytes, record);
    into.blockOffset = numberAt(bytes, record + 4);
    into.storedLength = numberAt(bytes, record + 8);
    into.plainLength = numberAt(bytes, record + 12);
    for (let i = 0; i < BLOCK_IDENTITY_BYTES; i++) into.identity[i] = bytes[record + 16 + i]!;
    const { containers } = this.reader.counts;
    if (into.container >= containers)
      throw runInvalid(this.name, `it places block ${into.block} in container ${into.container} of ${containers}`);
    const end = into.offset + into.length;
    if (end > into.plainLength)
      throw runInvalid(this.name, `it has a segment end at byte ${end} of block ${into.block}, which has ${into.plainLength}`);
  }

  close(): void {
    this.#cache.forget(this);
    this.reader.close();
  }
}

/** The first record in a page that is not below the fingerprint; their number if all are. */
function lowerBound(page: Uint8Array, fingerprint: Uint8Array, at: number): number {
  let begin = 0;
  let end = page.length / SEGMENT_RECORD_BYTES;
  while (begin < end) {
    const middle = (begin + end) >>> 1;
    if (compareFingerprints(page, middle * SEGMENT_RECORD_BYTES, fingerprint, at) < 0) begin = middle + 1;
    else end = middle;
  }
  return begin;
}

// Written out because it runs nine times per lookup: Buffer.compare of two subarrays would make two objects each time.
function compareFingerprints(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number {
  for (let i = 0; i < FINGERPRINT_BYTES; i++) {
    const difference = a[aAt + i]! - b[bAt + i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** As ordering sees it: the first byte weighs most. */
function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** A u32 of the file: little-endian. */
function numberAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
