// What every lookup in a run needs at hand: filter, fences and container table, together in one SharedArrayBuffer so
// that all worker threads use one copy. About 1.5 bytes per segment; the segments themselves stay on the disk.

import { assert } from "../../base/assert.ts";
import { viewOf } from "../../base/bytes.ts";
import { BloomFilter } from "../../formats/bloom-filter.ts";
import { BLOOM_BLOCK_BYTES } from "../../formats/bloom-filter.ts";
import { CONTAINER_RECORD_BYTES, FENCE_BYTES, layoutOfRun } from "../../formats/index-run.ts";
import type { RunCounts, SectionName } from "../../formats/index-run.ts";
import type { RunReader } from "./run-reader.ts";

export class RunTables {
  readonly memory: SharedArrayBuffer;
  readonly filter: BloomFilter;
  /** 48 bytes per container, as in the file. */
  readonly containers: Uint8Array;
  /** Two words per segment page: the first 8 bytes of its first fingerprint, as numbers of 32 bits. */
  readonly #fences: Uint32Array;

  constructor(memory: SharedArrayBuffer, counts: RunCounts) {
    const { filterStart, fencesStart, containersStart, bytes, fences } = placesOf(counts);
    assert(memory.byteLength === bytes, "the tables of a run take exactly what its counts say");
    this.memory = memory;
    this.filter = new BloomFilter(new Uint32Array(memory, filterStart, counts.filterBlocks * (BLOOM_BLOCK_BYTES / 4)));
    this.#fences = new Uint32Array(memory, fencesStart, fences * 2);
    this.containers = new Uint8Array(memory, containersStart, counts.containers * CONTAINER_RECORD_BYTES);
  }

  static load(reader: RunReader): RunTables {
    const { filterStart, fencesStart, containersStart, bytes } = placesOf(reader.counts);
    const memory = new SharedArrayBuffer(bytes);
    copySection(reader, "filter", new Uint8Array(memory, filterStart));
    copySection(reader, "containers", new Uint8Array(memory, containersStart));
    const fences = new Uint32Array(memory, fencesStart);
    let next = 0;
    reader.forEachPage("fences", (plain) => {
      const view = viewOf(plain);
      for (let at = 0; at < plain.length; at += 4) fences[next++] = view.getUint32(at);
    });
    return new RunTables(memory, reader.counts);
  }

  /**
   * The first segment page that can hold a fingerprint beginning with these 8 bytes. It is the last page whose fence is
   * smaller, not the first that is equal: records of the same fingerprint may already stand at the end of that one.
   */
  firstPage(high: number, low: number): number {
    let begin = 0;
    let end = this.#fences.length >>> 1;
    while (begin < end) {
      const middle = (begin + end) >>> 1;
      if (this.#isBelow(middle, high, low)) begin = middle + 1;
      else end = middle;
    }
    return begin === 0 ? 0 : begin - 1;
  }

  /** Whether a page can hold a fingerprint beginning with these 8 bytes, seen from its beginning. */
  mayReachInto(page: number, high: number, low: number): boolean {
    const fenceHigh = this.#fences[page * 2];
    if (fenceHigh === undefined) return false;
    return fenceHigh < high || (fenceHigh === high && this.#fences[page * 2 + 1]! <= low);
  }

  #isBelow(page: number, high: number, low: number): boolean {
    const fenceHigh = this.#fences[page * 2]!;
    return fenceHigh < high || (fenceHigh === high && this.#fences[page * 2 + 1]! < low);
  }
}

function placesOf(counts: RunCounts) {
  const fences = layoutOfRun(counts).sections.segments.pages;
  const fencesStart = counts.filterBlocks * BLOOM_BLOCK_BYTES;
  const containersStart = fencesStart + fences * FENCE_BYTES;
  const bytes = containersStart + counts.containers * CONTAINER_RECORD_BYTES;
  return { filterStart: 0, fencesStart, containersStart, bytes, fences };
}

function copySection(reader: RunReader, section: SectionName, target: Uint8Array): void {
  let at = 0;
  reader.forEachPage(section, (plain) => {
    target.set(plain, at);
    at += plain.length;
  });
}
