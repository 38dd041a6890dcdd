// A window of planned entries: enough of them that files of one block, and blocks of one container, come together; few
// enough that memory does not grow with the image. What lies in it is packed already, so that making tasks of it is sorting
// and copying.

import { ByteWriter } from "../base/bytes.ts";
import { BLOCK_IDENTITY_BYTES } from "../formats/block.ts";
import type { BlockIdentity } from "../formats/block.ts";
import type { SegmentLocation } from "../repository/repository.ts";
import type { SegmentPlace, SegmentPlaces } from "./segment-places.ts";
import { TASK_FILES, writeBlock, writeDirectory, writeEntryRecord } from "./tasks.ts";

export interface PlannedEntry {
  readonly path: Uint8Array;
  readonly pathLength: number;
  readonly nameStart: number;
  readonly body: Uint8Array;
  /** Where it stands in the image. */
  readonly position: number;
  readonly attributes: readonly SegmentLocation[];
}

/** Where the record of an entry lies among the packed ones. */
interface Packed {
  readonly start: number;
  readonly end: number;
  readonly directory: number;
  readonly contentBytes: number;
}

/** Work that is not divided: the files of one block, or one file of several. */
interface Unit {
  /** In the order of containers, and of blocks within. */
  readonly key: number;
  readonly place: SegmentPlace | undefined;
  readonly entries: Packed[];
}

export interface WindowLimits {
  readonly entries: number;
  readonly contentBytes: number;
}

/** A task of small files is a hundredth of a second of work: long enough to hide its own cost, short enough that none waits long at the end. */
const TASK_ENTRIES = 192;
const TASK_BYTES = 4 * 1024 * 1024;
const BLOCK_KEY = 0x1_0000_0000;

export class PlanWindow {
  /** What is planned for the second time is part of the plan already. */
  isCounted = true;
  readonly #places: SegmentPlaces;
  readonly #records = new ByteWriter(1024 * 1024);
  readonly #directories: Uint8Array[] = [];
  #units = new Map<number, Unit>();
  #wholes: Unit[] = [];
  #bare: Packed[] = [];
  #blocksOfWholes = new Set<number>();
  #entries = 0;
  #contentBytes = 0;
  #storedBytes = 0;

  constructor(places: SegmentPlaces) {
    this.#places = places;
  }

  get isEmpty(): boolean {
    return this.#entries === 0;
  }

  isFull(limits: WindowLimits): boolean {
    return this.#entries >= limits.entries || this.#contentBytes >= limits.contentBytes;
  }

  /** Stored bytes of the distinct blocks that are to be read; counted anew after `take`. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /** An entry without content that is stored: empty or all hole, or no file at all. */
  addBare(entry: PlannedEntry): void {
    this.#bare.push(this.#pack(entry, undefined, undefined, 0));
  }

  /** A file of one segment. `place` is copied. */
  addSmall(entry: PlannedEntry, place: SegmentPlace): void {
    const packed = this.#pack(entry, place.offset, undefined, place.length);
    const key = place.container * BLOCK_KEY + place.blockOffset;
    const unit = this.#units.get(key);
    if (unit !== undefined) {
      unit.entries.push(packed);
      return;
    }
    const identity = new Uint8Array(BLOCK_IDENTITY_BYTES) as Uint8Array as BlockIdentity;
    identity.set(place.identity);
    this.#units.set(key, { key, place: { ...place, identity }, entries: [packed] });
    if (this.isCounted) this.#countBlock(place);
  }

  /** A file of several pieces, packed one after the other; `first` is the place of the first of them. */
  addWhole(entry: PlannedEntry, pieces: Uint8Array, first: SegmentPlace, contentBytes: number): void {
    const packed = this.#pack(entry, undefined, pieces, contentBytes);
    this.#wholes.push({ key: first.container * BLOCK_KEY + first.blockOffset, place: undefined, entries: [packed] });
  }

  /** Tells of a block that a whole file needs, for the count of what is read. */
  noteBlock(place: SegmentPlace): void {
    const key = place.container * BLOCK_KEY + place.blockOffset;
    if (this.#blocksOfWholes.has(key)) return;
    this.#blocksOfWholes.add(key);
    if (this.isCounted) this.#countBlock(place);
  }

  #countBlock({ container, storedLength }: SegmentPlace): void {
    this.#storedBytes += storedLength;
    this.#places.noteNeeded(container);
  }

  /** The tasks, in the order of containers; the window is empty afterwards. */
  take(): Uint8Array<ArrayBuffer>[] {
    const packed = this.#records.peek();
    const units = [...this.#units.values(), ...this.#wholes].sort((a, b) => a.key - b.key);
    const bare = chunksOf(this.#bare, TASK_ENTRIES).map((entries) => ({ key: 0, place: undefined, entries }));
    const tasks: Uint8Array<ArrayBuffer>[] = [];
    const task = new TaskBuilder(packed, this.#directories, this.#places);
    for (const unit of [...bare, ...units]) {
      task.add(unit);
      if (task.entries >= TASK_ENTRIES || task.contentBytes >= TASK_BYTES) tasks.push(task.take());
    }
    if (task.entries > 0) tasks.push(task.take());
    this.#clear();
    return tasks;
  }

  #clear(): void {
    this.#records.clear();
    this.#directories.length = 0;
    this.#units = new Map();
    this.#wholes = [];
    this.#bare = [];
    this.#blocksOfWholes = new Set();
    this.#entries = 0;
    this.#contentBytes = 0;
    this.#storedBytes = 0;
  }

  #pack(entry: PlannedEntry, offsetInBlock: number | undefined, pieces: Uint8Array | undefined, contentBytes: number): Packed {
    const { path, pathLength, nameStart, body, position, attributes } = entry;
    const start = this.#records.length;
    const name = path.subarray(nameStart, pathLength);
    writeEntryRecord(this.#records, { position, name, body, offsetInBlock, pieces, attributes });
    this.#entries++;
    this.#contentBytes += contentBytes;
    return { start, end: this.#records.length, directory: this.#directoryOf(path, nameStart), contentBytes };
  }

  /** Neighbours nearly always lie in the same directory. */
  #directoryOf(path: Uint8Array, nameStart: number): number {
    const directory = path.subarray(0, Math.max(0, nameStart - 1));
    const last = this.#directories.at(-1);
    if (last === undefined || Buffer.compare(last, directory) !== 0) this.#directories.push(directory.slice());
    return this.#directories.length - 1;
  }
}

class TaskBuilder {
  entries = 0;
  contentBytes = 0;
  readonly #packed: Uint8Array;
  readonly #directories: readonly Uint8Array[];
  readonly #places: SegmentPlaces;
  readonly #writer = new ByteWriter(64 * 1024);
  #directory = -1;

  constructor(packed: Uint8Array, directories: readonly Uint8Array[], places: SegmentPlaces) {
    this.#packed = packed;
    this.#directories = directories;
    this.#places = places;
  }

  add(unit: Unit): void {
    const writer = this.#writer;
    if (writer.length === 0) writer.u8(TASK_FILES);
    if (unit.place !== undefined) writeBlock(writer, this.#places, unit.place);
    for (const { start, end, directory, contentBytes } of unit.entries) {
      if (directory !== this.#directory) {
        writeDirectory(writer, this.#directories[directory] as Uint8Array);
        this.#directory = directory;
      }
      writer.bytes(this.#packed.subarray(start, end));
      this.entries++;
      this.contentBytes += contentBytes;
    }
  }

  take(): Uint8Array<ArrayBuffer> {
    this.#directory = -1;
    this.entries = 0;
    this.contentBytes = 0;
    return this.#writer.take();
  }
}

function chunksOf(entries: readonly Packed[], size: number): Packed[][] {
  const chunks: Packed[][] = [];
  for (let from = 0; from < entries.length; from += size) chunks.push(entries.slice(from, from + size));
  return chunks;
}
