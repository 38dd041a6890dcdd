// Writes one index run, front to back in one pass: containers, blocks, segments, and from what went by the fences
// and the filter. What it holds in memory are two buffers, the fences (8 bytes per 372 segments) and the filter
// (1.5 bytes per segment). Until `publish` has renamed it the file is a temporary one that no reader looks at.

import { createHash } from "node:crypto";
import { assert } from "../../base/assert.ts";
import { bytesOfHex, hexOf, viewOf } from "../../base/bytes.ts";
import { BLOCK_IDENTITY_BYTES } from "../../formats/block.ts";
import { BloomFilter } from "../../formats/bloom-filter.ts";
import {
  encodeRunHeader,
  encodeRunTrailer,
  FENCE_BYTES,
  recordsPerPage,
  RUN_PAGE_BYTES,
  RUN_SALT_BYTES,
  SECTION_RECORDS,
  sectionNumber,
  SECTIONS,
  SEGMENT_RECORD_BYTES,
} from "../../formats/index-run.ts";
import type { SectionName } from "../../formats/index-run.ts";
import type { OpenFile } from "../../platform/files.ts";
import { runPath } from "./run-directory.ts";
import type { RunName, WritableIndexLocation } from "./run-directory.ts";
import { RunSeal } from "./run-seal.ts";

const OUTPUT_BYTES = 256 * 1024;

export class RunWriter {
  readonly #location: WritableIndexLocation;
  readonly #temporaryPath: string;
  readonly #file: OpenFile;
  readonly #seal: RunSeal;
  readonly #hash = createHash("sha256");

  readonly #output = new Uint8Array(OUTPUT_BYTES);
  #outputLength = 0;
  #written = 0;

  readonly #page = new Uint8Array(RUN_PAGE_BYTES);
  readonly #pageView = viewOf(this.#page);
  #pageLength = 0;
  #section: SectionName = "containers";
  #sectionPage = 0;

  readonly #records: Record<SectionName, number> = { containers: 0, blocks: 0, segments: 0, fences: 0, filter: 0, superseded: 0 };
  readonly #fences: Uint8Array;
  readonly #filter: BloomFilter;
  readonly #segmentsPerPage = recordsPerPage("segments");
  #finished = false;

  /** `maximumSegments`: no more than this many will come; fewer may, when a merge drops repetitions. */
  constructor(location: WritableIndexLocation, maximumSegments: number) {
    this.#location = location;
    this.#fences = new Uint8Array(Math.ceil(maximumSegments / this.#segmentsPerPage) * FENCE_BYTES);
    this.#filter = BloomFilter.forKeys(maximumSegments);

    const salt = location.random.bytes(RUN_SALT_BYTES);
    const header = encodeRunHeader({ repositoryId: location.repositoryId, salt });
    this.#seal = RunSeal.derive(location.indexKey, location.repositoryId, salt, header);

    const label = location.session === undefined ? "" : `${location.session}-`;
    this.#temporaryPath = runPath(location.directory, `.tmp-${label}${hexOf(location.random.bytes(8))}`);
    this.#file = location.files.create(this.#temporaryPath);
    this.#emit(header);
  }

  /** How many records of the section were written so far. */
  count(section: SectionName): number {
    return this.#records[section];
  }

  /** A container record as it stands in a run: volume identifier 16, name 32. In ascending order. */
  container(record: Uint8Array, at = 0): void {
    const place = this.#next("containers");
    this.#page.set(record.subarray(at, at + SECTION_RECORDS.containers), place);
  }

  block(container: number, offset: number, storedLength: number, plainLength: number, identities: Uint8Array, at: number): void {
    assert(container < this.#records.containers, "a block lies in a container of its run");
    const place = this.#next("blocks");
    this.#pageView.setUint32(place, container, true);
    this.#pageView.setUint32(place + 4, offset, true);
    this.#pageView.setUint32(place + 8, storedLength, true);
    this.#pageView.setUint32(place + 12, plainLength, true);
    for (let i = 0; i < BLOCK_IDENTITY_BYTES; i++) this.#page[place + 16 + i] = identities[at + i]!;
  }

  /** In ascending order of fingerprint, block, offset; the caller sorts. */
  segment(fingerprints: Uint8Array, at: number, block: number, offset: number, length: number): void {
    assert(block < this.#records.blocks, "a segment lies in a block of its run");
    const place = this.#next("segments");
    const page = this.#page;
    for (let i = 0; i < 32; i++) page[place + i] = fingerprints[at + i]!;
    this.#pageView.setUint32(place + 32, block, true);
    this.#pageView.setUint32(place + 36, offset, true);
    this.#pageView.setUint32(place + 40, length, true);
    if (place === 0) {
      const fence = (this.#records.segments - 1) / this.#segmentsPerPage;
      this.#fences.set(page.subarray(0, FENCE_BYTES), fence * FENCE_BYTES);
    } else {
      // Lookups search a page by halves: one record out of order would hide others without a trace.
      assert(!isBelow(page, place, place - SEGMENT_RECORD_BYTES), "the segments of a run come in ascending order");
    }
    this.#filter.insert(fingerprints, at);
  }

  /** Completes the file, makes it durable and gives it its name. After a failure the temporary file is gone. */
  async publish(supersedes: readonly RunName[]): Promise<RunName> {
    try {
      const name = this.#finish(supersedes);
      await this.#file.sync();
      this.#file.close();
      const { files, directory, fence } = this.#location;
      fence?.();
      files.rename(this.#temporaryPath, runPath(directory, name));
      this.#finished = true;
      files.syncDirectory(directory);
      return name;
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  /** Removes the temporary file; harmless after `publish`. */
  discard(): void {
    if (this.#finished) return;
    this.#finished = true;
    try {
      this.#file.close();
      this.#location.files.remove(this.#temporaryPath);
    } catch {
      // The failure that led here is the one to report; the leftover is cleared like a dead writer's.
    }
  }

  #finish(supersedes: readonly RunName[]): RunName {
    const pages = Math.ceil(this.#records.segments / this.#segmentsPerPage);
    for (let page = 0; page < pages; page++) this.#copyRecord("fences", this.#fences, page * FENCE_BYTES);
    const words = this.#filter.words;
    const filter = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    for (let at = 0; at < filter.length; at += SECTION_RECORDS.filter) this.#copyRecord("filter", filter, at);
    for (const name of [...supersedes].sort()) this.#copyRecord("superseded", bytesOfHex(name), 0);
    this.#flushPage();

    const counts = {
      containers: this.#records.containers,
      blocks: this.#records.blocks,
      segments: this.#records.segments,
      filterBlocks: this.#records.filter,
      superseded: this.#records.superseded,
    };
    this.#emit(encodeRunTrailer(counts, (plain) => this.#seal.sealTrailer(plain)));
    this.#flushOutput();
    assert(this.#file.sizeBytes() === this.#written, "a run's file is as long as what was written");
    return this.#hash.digest("hex") as RunName;
  }

  #copyRecord(section: SectionName, from: Uint8Array, at: number): void {
    const place = this.#next(section);
    const length = SECTION_RECORDS[section];
    for (let i = 0; i < length; i++) this.#page[place + i] = from[at + i]!;
  }

  /** Where in the page the section's next record goes. */
  #next(section: SectionName): number {
    const size = SECTION_RECORDS[section];
    if (section !== this.#section) {
      assert(SECTIONS.indexOf(section) > SECTIONS.indexOf(this.#section), "the sections of a run come in their order");
      this.#flushPage();
      this.#section = section;
      this.#sectionPage = 0;
    } else if (this.#pageLength + size > RUN_PAGE_BYTES) {
      this.#flushPage();
    }
    const place = this.#pageLength;
    this.#pageLength = place + size;
    this.#records[section]++;
    return place;
  }

  #flushPage(): void {
    if (this.#pageLength === 0) return;
    const plain = this.#page.subarray(0, this.#pageLength);
    const [ciphertext, tag] = this.#seal.sealPage(sectionNumber(this.#section), this.#sectionPage, plain);
    this.#emit(ciphertext);
    this.#emit(tag);
    this.#sectionPage++;
    this.#pageLength = 0;
  }

  #emit(bytes: Uint8Array): void {
    if (this.#outputLength + bytes.length > OUTPUT_BYTES) this.#flushOutput();
    this.#output.set(bytes, this.#outputLength);
    this.#outputLength += bytes.length;
  }

  #flushOutput(): void {
    const bytes = this.#output.subarray(0, this.#outputLength);
    this.#hash.update(bytes);
    this.#file.write(bytes, this.#written);
    this.#written += bytes.length;
    this.#outputLength = 0;
  }
}

/** Whether the segment record at `a` sorts before the one at `b`. */
function isBelow(page: Uint8Array, a: number, b: number): boolean {
  for (let i = 0; i < 32; i++) {
    const difference = page[a + i]! - page[b + i]!;
    if (difference !== 0) return difference < 0;
  }
  return false;
}
