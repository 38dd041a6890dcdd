// The census: goes through the whole index once, in order of fingerprint, and notes of each segment that images need one
// place where it lies (*the* live copy). So every container is known by how much of it is needed, and later, block by
// block, which segments those are. Beside the mark it takes one bit for each record of the index and a few numbers for
// each block.

import { assert } from "../../base/assert.ts";
import { hexOf } from "../../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import type { ContainerName, VolumeId } from "../../media/media.ts";
import {
  MergedSegments,
  RecordCursor,
  containerKey,
  isFingerprintAt,
  mergedBlocks,
  mergedContainers,
  segmentLength,
  segmentOffset,
} from "../central-index.ts";
import type { BlockNumbers, ContainerSet, RunReader } from "../central-index.ts";
import type { CountedContainer } from "./choose-containers.ts";
import { isInShare } from "./mark.ts";
import type { FingerprintShare, LiveSegments } from "./mark.ts";

export interface CensusContainer extends CountedContainer {
  readonly volumeId: VolumeId;
  readonly container: ContainerName;
  readonly firstBlock: number;
  readonly blockCount: number;
}

/** A position in a container: number of its block, offset in the block's plain bytes. Offsets stay below 16 MiB. */
const OFFSETS = 2 ** 24;
export const blockOfPlace = (place: number): number => Math.floor(place / OFFSETS);
export const offsetOfPlace = (place: number): number => place % OFFSETS;

export class Census {
  readonly #readers: readonly RunReader[];
  readonly #blocks: BlockNumbers;
  readonly #names: Uint8Array[];
  /** Of each block. */
  readonly #containerOf: Uint32Array;
  readonly #stored: Uint32Array;
  readonly #plain: Uint32Array;
  readonly #live: Uint32Array;
  /** A bit for each segment record of each run: whether it is the live copy. */
  readonly #bits: readonly Uint8Array[];
  /** Ones for containers that are not to be counted on: a live copy lies there only when there is no other. */
  readonly #condemned: Uint8Array;
  readonly #signal: AbortSignal | undefined;

  private constructor(readers: readonly RunReader[], tables: Tables, condemned: ContainerSet, signal: AbortSignal | undefined) {
    const { blocks, names } = tables;
    this.#readers = readers;
    this.#blocks = blocks;
    this.#names = names;
    this.#containerOf = Uint32Array.from(tables.containerOf);
    this.#stored = Uint32Array.from(tables.stored);
    this.#plain = Uint32Array.from(tables.plain);
    this.#live = new Uint32Array(blocks.count);
    this.#bits = readers.map(({ counts }) => new Uint8Array(Math.ceil(counts.segments / 8)));
    this.#condemned = Uint8Array.from(names, (name) => (condemned.has(hexOf(name)) ? 1 : 0));
    this.#signal = signal;
  }

  /** Reads the containers and blocks of all runs. */
  static async begin(readers: readonly RunReader[], condemned: ContainerSet = new Set(), signal?: AbortSignal): Promise<Census> {
    const inputs = { readers, signal };
    const names: Uint8Array[] = [];
    const containers = mergedContainers(inputs, (record) => names.push(record.slice()));
    const tables = { names, containerOf: [] as number[], stored: [] as number[], plain: [] as number[] };
    const blocks = await mergedBlocks(inputs, containers, (container, { view, at }) => {
      tables.containerOf.push(container);
      tables.stored.push(view.getUint32(at + 8, true));
      tables.plain.push(view.getUint32(at + 12, true));
    });
    return new Census(readers, { ...tables, blocks }, condemned, signal);
  }

  /** Counts one share. Resolves with how many of its live segments the index does not have: must be 0 before anything is removed. */
  async count(live: LiveSegments, share: FingerprintShare): Promise<number> {
    const starts = this.#readers.map((reader) => firstPageOf(reader, share));
    const merged = new MergedSegments({ readers: this.#readers, signal: this.#signal }, this.#blocks, starts);
    const group = new Uint8Array(FINGERPRINT_BYTES);
    let isGroup = false;
    // Whether the group at hand is wanted still, and the copy to fall back on.
    let wanted = false;
    let fallback: Copy | undefined;
    let found = 0;
    for (let cursor = merged.least; cursor !== undefined; cursor = merged.least) {
      if (merged.isPauseDue) await merged.pause();
      const { bytes, at } = cursor;
      if (!isGroup || !isFingerprintAt(bytes, at, group)) {
        if (fallback !== undefined) this.#note(fallback);
        fallback = undefined;
        if (!isInShare(share, bytes, at)) {
          if (isPast(share, bytes, at)) break;
          wanted = false;
        } else {
          wanted = live.has(bytes, at);
          if (wanted) found++;
        }
        for (let i = 0; i < FINGERPRINT_BYTES; i++) group[i] = bytes[at + i]!;
        isGroup = true;
      }
      if (wanted) {
        const block = merged.blockOf(cursor);
        const copy = { input: cursor.input, ordinal: cursor.ordinal, block, length: segmentLength(cursor) };
        if (this.#condemned[this.#containerOf[block]!] === 1) {
          fallback ??= copy;
        } else {
          this.#note(copy);
          wanted = false;
          fallback = undefined;
        }
      }
      merged.advance();
    }
    if (fallback !== undefined) this.#note(fallback);
    return live.count - found;
  }

  #note({ input, ordinal, block, length }: Copy): void {
    this.#bits[input]![ordinal >>> 3]! |= 1 << (ordinal & 7);
    this.#live[block]! += length;
  }

  #isNoted(input: number, ordinal: number): boolean {
    return (this.#bits[input]![ordinal >>> 3]! & (1 << (ordinal & 7))) !== 0;
  }

  /** Every container of the index, in the order of volume and name. */
  containers(): readonly CensusContainer[] {
    const counted = this.#names.map((name) => ({
      volumeId: hexOf(name.subarray(0, 16)) as VolumeId,
      container: hexOf(name.subarray(16)) as ContainerName,
      firstBlock: 0,
      blockCount: 0,
      storedBytes: 0,
      liveBytes: 0,
    }));
    this.#containerOf.forEach((container, block) => {
      const into = counted[container];
      assert(into !== undefined, "a block lies in a container of the index");
      if (into.blockCount === 0) into.firstBlock = block;
      into.blockCount++;
      into.storedBytes += this.#stored[block]!;
      into.liveBytes += Math.ceil((this.#stored[block]! * this.#live[block]!) / this.#plain[block]!);
    });
    return counted;
  }

  /** The live copies that lie in the chosen containers (ones), in ascending order. */
  placesIn(chosen: Uint8Array): Float64Array {
    let count = 0;
    for (let pass = 0, places = new Float64Array(0); ; pass++) {
      let next = 0;
      for (const [input, reader] of this.#readers.entries()) {
        const cursor = new RecordCursor(reader, "segments", input);
        while (cursor.advance()) {
          if (!this.#isNoted(input, cursor.ordinal)) continue;
          const block = this.#blocks.numbers[input]![cursor.view.getUint32(cursor.at + FINGERPRINT_BYTES, true)]!;
          if (chosen[this.#containerOf[block]!] !== 1) continue;
          if (pass === 1) places[next] = block * OFFSETS + segmentOffset(cursor);
          next++;
        }
      }
      if (pass === 1) return places.sort();
      count = next;
      places = new Float64Array(count);
    }
  }

  /**
   * Whether every live segment lies in a container that is not in `condemned`: in one that was counted, or in one of `added`, runs
   * written since. Resolves with the number of those that do not.
   */
  async countLost(added: readonly RunReader[], condemned: ContainerSet): Promise<number> {
    const readers = [...this.#readers, ...added];
    const inputs = { readers, signal: this.#signal };
    const isCondemned: boolean[] = [];
    const containers = mergedContainers(inputs, (record) => isCondemned.push(condemned.has(hexOf(record))));
    const containerOf: number[] = [];
    const blocks = await mergedBlocks(inputs, containers, (container) => containerOf.push(container));
    const merged = new MergedSegments(inputs, blocks);
    const group = new Uint8Array(FINGERPRINT_BYTES);
    let isGroup = false;
    let isLive = false;
    let isKept = false;
    let lost = 0;
    for (let cursor = merged.least; cursor !== undefined; cursor = merged.least) {
      if (merged.isPauseDue) await merged.pause();
      const { bytes, at, input, ordinal } = cursor;
      if (!isGroup || !isFingerprintAt(bytes, at, group)) {
        if (isLive && !isKept) lost++;
        isLive = false;
        isKept = false;
        isGroup = true;
        for (let i = 0; i < FINGERPRINT_BYTES; i++) group[i] = bytes[at + i]!;
      }
      isLive ||= input < this.#readers.length && this.#isNoted(input, ordinal);
      isKept ||= !isCondemned[containerOf[merged.blockOf(cursor)]!]!;
      merged.advance();
    }
    return isLive && !isKept ? lost + 1 : lost;
  }
}

interface Copy {
  readonly input: number;
  readonly ordinal: number;
  readonly block: number;
  readonly length: number;
}

interface Tables {
  readonly names: Uint8Array[];
  readonly blocks: BlockNumbers;
  readonly containerOf: readonly number[];
  readonly stored: readonly number[];
  readonly plain: readonly number[];
}

export function containerSetOf(
  containers: Iterable<{ readonly volumeId: string; readonly container: string }>,
): ReadonlySet<string> {
  return new Set(Array.from(containers, ({ volumeId, container }) => containerKey(volumeId, container)));
}

/** A page of the run's segments before which nothing of the share stands. */
function firstPageOf(reader: RunReader, share: FingerprintShare): number {
  const section = reader.section("segments");
  let low = 0;
  let high = section.pages;
  // The last page whose first record is below the share.
  while (low < high) {
    const middle = (low + high) >>> 1;
    const page = reader.readPage(section, middle);
    if (!isPast(share, page, 0) && !isInShare(share, page, 0)) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}

function isPast({ to }: FingerprintShare, bytes: Uint8Array, at: number): boolean {
  return isInShare({ from: to, to: 2 ** 32 }, bytes, at);
}
