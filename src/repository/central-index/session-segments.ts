// The segments this backup session has stored so far, which no index run knows yet: one table in shared memory for
// all worker threads, so that each new segment is stored by exactly one of them.
//
// A chain of hash tables, each twice the size of the one before, in one growable SharedArrayBuffer: growing it only
// adds zeroed memory at the end and moves nothing, so no thread ever has to stop for it, and address space that is
// reserved but not grown into costs nothing. A slot is a state word and the first 16 bytes of a fingerprint; slots are only ever
// filled, never emptied or moved. Open addressing, next slot on a collision.
//
// Why exactly one thread wins a fingerprint:
// - Within a table all threads that insert it walk the same slots, and only one can turn the first empty one from
//   "empty" to "writing". The others wait there until it is "ready" and then see their own fingerprint.
// - An insertion first reserves one of a table's places. When they are used up the table takes no more, and a thread
//   goes on to the next table only when all reserved insertions here are completed and it has looked once more.

import { HoldfastError } from "../../base/errors.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";

export interface SessionSegmentsOptions {
  /** How many new segments are expected; the first table gets room for them. Memory grows beyond it as needed. */
  readonly expected?: number;
  /** How many are recorded at most. Address space for them (up to 150 bytes each) is reserved at once, memory is not. */
  readonly maximum?: number;
}

const DEFAULT_MAXIMUM = 2 ** 24;
const MIN_SLOTS = 2 ** 14;
/**
 * Of each fingerprint its first 16 bytes are kept, and 30 more bits in the state word. Fingerprints are keyed, so nobody can look for
 * two that agree in those 158 bits, and chance needs 2^79 of them.
 */
const KEPT_WORDS = 4;
const SLOT_BYTES = 4 + 4 * KEPT_WORDS;

// A state word: 0 for an empty slot, else 30 bits of the fingerprint and what is going on. The bits let a search pass
// other fingerprints' slots, finished or not, without looking at their 16 bytes.
const EMPTY = 0;
const WRITING = 1;
const READY = 2;
const TAG_MASK = ~3;

// The head of the buffer, in words of 32 bits; counters that threads contend for lie on cache lines of their own.
const HEAD_BYTES = 4096;
const HEAD_FIRST_SLOTS = 0;
const HEAD_TABLES = 1;
const HEAD_UNRECORDED = 16;
const HEAD_COUNTERS = 32;
const COUNTERS_PER_TABLE = 32;
const COMPLETED = 16;
const MAX_TABLES = 28;

/** A thread writes 16 bytes between "writing" and "ready". One that takes this long is dead. */
const PATIENCE_MS = 60_000;
const SPINS = 1000;

interface Table {
  readonly states: Int32Array;
  readonly fingerprints: Uint32Array;
  readonly mask: number;
  /** Places; three quarters of the slots, so that searches stay short. */
  readonly places: number;
  /** Where its counter of reserved places is in the head; the completed ones are counted `COMPLETED` words on. */
  readonly counter: number;
}

export class SessionSegments {
  readonly #buffer: SharedArrayBuffer;
  readonly #head: Int32Array;
  readonly #tables: Table[] = [];
  readonly #maximumTables: number;
  readonly #firstSlots: number;
  /** The fingerprint at hand, as eight words. */
  readonly #wanted = new Uint32Array(FINGERPRINT_BYTES / 4);
  readonly #wantedBytes = new Uint8Array(this.#wanted.buffer);

  private constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
    this.#head = new Int32Array(buffer, 0, HEAD_BYTES / 4);
    this.#firstSlots = this.#head[HEAD_FIRST_SLOTS]!;
    this.#maximumTables = this.#head[HEAD_TABLES]!;
  }

  static create({ expected = 0, maximum = DEFAULT_MAXIMUM }: SessionSegmentsOptions = {}): SessionSegments {
    let firstSlots = MIN_SLOTS;
    while (placesOf(firstSlots) < Math.min(expected, maximum)) firstSlots *= 2;
    let tables = 1;
    for (let places = placesOf(firstSlots); places < maximum && tables < MAX_TABLES; tables++) {
      places += placesOf(firstSlots * 2 ** tables);
    }
    const buffer = reserve(firstSlots, tables);
    const head = new Int32Array(buffer, 0, HEAD_BYTES / 4);
    head[HEAD_FIRST_SLOTS] = firstSlots;
    head[HEAD_TABLES] = tablesWithin(buffer.maxByteLength, firstSlots);
    return new SessionSegments(buffer);
  }

  /** The same table in another thread. */
  static fromShared(buffer: SharedArrayBuffer): SessionSegments {
    return new SessionSegments(buffer);
  }

  /** Goes to a worker thread by postMessage or workerData. */
  share(): SharedArrayBuffer {
    return this.#buffer;
  }

  /**
   * True when the fingerprint is new: the caller, and no other thread, is to store the segment. When the table can take
   * no more, every unknown fingerprint is "new" each time and is not recorded: a segment may then be stored twice in
   * one session, which costs space and harms nothing.
   */
  insert(fingerprint: Uint8Array, at = 0): boolean {
    this.#take(fingerprint, at);
    for (let number = 0; number < this.#maximumTables; number++) {
      const table = this.#table(number);
      if (table === undefined) break;
      const isFull = this.#isComplete(table);
      if (this.#contains(table)) return false;
      if (isFull) continue;
      if (Atomics.add(this.#head, table.counter, 1) < table.places) {
        const isNew = this.#claim(table);
        Atomics.add(this.#head, table.counter + COMPLETED, 1);
        return isNew;
      }
      this.#waitUntilComplete(table);
      if (this.#contains(table)) return false;
    }
    Atomics.add(this.#head, HEAD_UNRECORDED, 1);
    return true;
  }

  /** Whether it was inserted before; one that another thread is inserting right now may go either way. */
  has(fingerprint: Uint8Array, at = 0): boolean {
    this.#take(fingerprint, at);
    for (let number = 0; number < this.#maximumTables && this.#buffer.byteLength >= this.#endOf(number); number++) {
      if (this.#contains(this.#table(number)!)) return true;
    }
    return false;
  }

  /** Segments recorded. While other threads insert it may be a few too high. */
  get size(): number {
    let size = 0;
    for (let number = 0; number < this.#maximumTables && this.#buffer.byteLength >= this.#endOf(number); number++) {
      size += Atomics.load(this.#head, HEAD_COUNTERS + number * COUNTERS_PER_TABLE + COMPLETED);
    }
    return size;
  }

  /** How often `insert` answered "new" without recording it. */
  get unrecorded(): number {
    return Atomics.load(this.#head, HEAD_UNRECORDED);
  }

  get memoryBytes(): number {
    return this.#buffer.byteLength;
  }

  #take(fingerprint: Uint8Array, at: number): void {
    const bytes = this.#wantedBytes;
    for (let i = 0; i < FINGERPRINT_BYTES; i++) bytes[i] = fingerprint[at + i]!;
  }

  #endOf(number: number): number {
    return endOfTable(this.#firstSlots, number);
  }

  /** The table of this number, after growing the memory for it if need be; undefined when there is no more memory. */
  #table(number: number): Table | undefined {
    const known = this.#tables[number];
    if (known !== undefined) return known;
    const end = this.#endOf(number);
    if (this.#buffer.byteLength < end) {
      try {
        this.#buffer.grow(end);
      } catch {
        // Another thread may have grown it further meanwhile, which is a RangeError here. If not, memory is short.
        if (this.#buffer.byteLength < end) return undefined;
      }
    }
    const slots = this.#firstSlots * 2 ** number;
    const start = end - slots * SLOT_BYTES;
    const table: Table = {
      states: new Int32Array(this.#buffer, start, slots),
      fingerprints: new Uint32Array(this.#buffer, start + slots * 4, slots * KEPT_WORDS),
      mask: slots - 1,
      places: placesOf(slots),
      counter: HEAD_COUNTERS + number * COUNTERS_PER_TABLE,
    };
    this.#tables.push(table);
    return table;
  }

  #isComplete(table: Table): boolean {
    return Atomics.load(this.#head, table.counter + COMPLETED) >= table.places;
  }

  /** Whether the table holds the wanted fingerprint. */
  #contains(table: Table): boolean {
    const { states, mask } = table;
    const tag = this.#wanted[5]! & TAG_MASK;
    for (let slot = this.#wanted[4]! & mask; ; slot = (slot + 1) & mask) {
      const state = Atomics.load(states, slot);
      if (state === EMPTY) return false;
      if ((state & TAG_MASK) === tag && this.#isWanted(table, slot, state)) return true;
    }
  }

  /** Puts the wanted fingerprint into a place that was reserved for it; false when another thread was faster. */
  #claim(table: Table): boolean {
    const { states, fingerprints, mask } = table;
    const wanted = this.#wanted;
    const tag = wanted[5]! & TAG_MASK;
    for (let slot = wanted[4]! & mask; ; slot = (slot + 1) & mask) {
      const state = Atomics.compareExchange(states, slot, EMPTY, tag | WRITING);
      if (state === EMPTY) {
        for (let i = 0; i < KEPT_WORDS; i++) fingerprints[slot * KEPT_WORDS + i] = wanted[i]!;
        // Whoever reads READY sees the bytes written before it: the store is a release, the load an acquire.
        Atomics.store(states, slot, tag | READY);
        return true;
      }
      if ((state & TAG_MASK) === tag && this.#isWanted(table, slot, state)) return false;
    }
  }

  /** Compares a slot whose tag fits, once its bytes are there. */
  #isWanted(table: Table, slot: number, state: number): boolean {
    if ((state & ~TAG_MASK) === WRITING) waitWhile(table.states, slot, (now) => (now & ~TAG_MASK) === WRITING);
    const wanted = this.#wanted;
    const start = slot * KEPT_WORDS;
    for (let i = 0; i < KEPT_WORDS; i++) if (table.fingerprints[start + i] !== wanted[i]) return false;
    return true;
  }

  #waitUntilComplete(table: Table): void {
    waitWhile(this.#head, table.counter + COMPLETED, (completed) => completed < table.places);
  }
}

function placesOf(slots: number): number {
  return (slots / 4) * 3;
}

function endOfTable(firstSlots: number, number: number): number {
  return HEAD_BYTES + firstSlots * (2 ** (number + 1) - 1) * SLOT_BYTES;
}

function tablesWithin(bytes: number, firstSlots: number): number {
  let tables = 0;
  while (endOfTable(firstSlots, tables) <= bytes) tables++;
  return tables;
}

/** Where address space is limited (`ulimit -v`) a smaller table is better than none. */
function reserve(firstSlots: number, tables: number): SharedArrayBuffer {
  for (let number = tables - 1; ; number--) {
    try {
      return new SharedArrayBuffer(endOfTable(firstSlots, 0), { maxByteLength: endOfTable(firstSlots, number) });
    } catch (error) {
      if (number === 0) throw error;
    }
  }
}

function waitWhile(words: Int32Array, index: number, isBusy: (value: number) => boolean): void {
  for (let spin = 0; spin < SPINS; spin++) if (!isBusy(Atomics.load(words, index))) return;
  for (let waited = 0; waited < PATIENCE_MS; waited++) {
    const value = Atomics.load(words, index);
    if (!isBusy(value)) return;
    // Nobody notifies; this only sleeps a millisecond, or less if the value changes before.
    Atomics.wait(words, index, value, 1);
  }
  throw new HoldfastError("WORKER_FAILED", {
    message: "Cannot record a stored segment: another thread stopped while it was recording one",
    hint: "Run the backup again; what was stored is used.",
  });
}
