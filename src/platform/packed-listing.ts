// The names of one directory, packed: one byte array with kind, name and a terminating zero for each
// entry, and one array of where the names start, sorted by name. A million names of 25 bytes take 31 MB
// and no object each.

import { KIND_UNKNOWN, type DirectoryListing, type EntryKind } from "./file-tree.ts";

const INITIAL_BYTES = 256 * 1024;
/** Above this the builder gives its own memory to the listing instead of copying it, and starts anew. */
const HAND_OVER_BYTES = 1024 * 1024;
/** Small listings share memory: most directories hold a few names, and an allocation for each would cost more than reading it. */
const SHARED_BYTES = 256 * 1024;
const SHARING_LIMIT_BYTES = SHARED_BYTES / 8;

class PackedListing implements DirectoryListing {
  readonly count: number;
  readonly #bytes: Uint8Array;
  /** Our positions are starts[first … first + count). */
  readonly #starts: Uint32Array;
  readonly #first: number;

  constructor(bytes: Uint8Array, starts: Uint32Array, first: number, count: number) {
    this.#bytes = bytes;
    this.#starts = starts;
    this.#first = first;
    this.count = count;
  }

  name(position: number): Uint8Array {
    const bytes = this.#bytes;
    const start = this.#start(position);
    let end = start;
    while (bytes[end] !== 0) end++;
    return bytes.subarray(start, end);
  }

  kind(position: number): EntryKind {
    return (this.#bytes[this.#start(position) - 1] ?? KIND_UNKNOWN) as EntryKind;
  }

  #start(position: number): number {
    if (!(position >= 0 && position < this.count)) throw new RangeError(`No entry ${position} in a listing of ${this.count}`);
    return this.#starts[this.#first + position] as number;
  }
}

/** Collects the names of one directory after the other; its memory is used again for the next. */
export class ListingBuilder {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #used = 0;
  #starts = new Uint32Array(4096);
  #count = 0;
  #shared = new Uint8Array(SHARED_BYTES);
  #sharedStarts = new Uint32Array(this.#shared.buffer);
  #sharedUsed = 0;

  begin(): void {
    this.#used = 0;
    this.#count = 0;
  }

  add(name: Uint8Array, kind: EntryKind): void {
    this.#grow(name.length + 2);
    const start = this.#entry(kind);
    this.#bytes.set(name, start);
    this.#bytes[start + name.length] = 0;
    this.#used = start + name.length + 1;
  }

  /** Where directory entries of the kernel can be read into, at least `minimum` bytes. */
  space(minimum: number): Uint8Array {
    this.#grow(minimum);
    return this.#bytes.subarray(this.#used);
  }

  /**
   * Takes in `length` bytes that were read into `space`: struct linux_dirent64 records.
   *   offset  size  field
   *        0     8  inode
   *        8     8  position in the directory
   *       16     2  length of this record
   *       18     1  type
   *       19        name, terminated by zero
   * Names move down over the headers: what is written never overtakes what is read.
   */
  addRecords(length: number, kindOfType: Uint8Array): void {
    const bytes = this.#bytes;
    let record = this.#used;
    const end = record + length;
    while (record < end) {
      const next = record + ((bytes[record + 16] as number) | ((bytes[record + 17] as number) << 8));
      const kind = kindOfType[bytes[record + 18] as number] as EntryKind;
      let from = record + 19;
      record = next;
      if (bytes[from] === 46 && (bytes[from + 1] === 0 || (bytes[from + 1] === 46 && bytes[from + 2] === 0))) continue;
      let to = this.#entry(kind);
      for (let byte = bytes[from] as number; byte !== 0; byte = bytes[++from] as number) bytes[to++] = byte;
      bytes[to] = 0;
      this.#used = to + 1;
    }
  }

  /** The listing so far, sorted; a name that was given twice (the directory changed while it was read) appears once. */
  finish(): DirectoryListing {
    const starts = this.#starts;
    sortStarts(this.#bytes, starts, this.#count);
    const count = dropRepeated(this.#bytes, starts, this.#count);
    if (this.#used + count * 4 <= SHARING_LIMIT_BYTES) return this.#share(count);
    if (this.#used <= HAND_OVER_BYTES)
      return new PackedListing(this.#bytes.slice(0, this.#used), starts.slice(0, count), 0, count);
    const listing = new PackedListing(this.#bytes, starts, 0, count);
    this.#bytes = new Uint8Array(INITIAL_BYTES);
    this.#starts = new Uint32Array(4096);
    return listing;
  }

  /** Copies names and starts to where earlier listings lie; used-up memory lives as long as the listings in it. */
  #share(count: number): DirectoryListing {
    const length = this.#used;
    if (this.#sharedUsed + length + 3 + count * 4 > SHARED_BYTES) {
      this.#shared = new Uint8Array(SHARED_BYTES);
      this.#sharedStarts = new Uint32Array(this.#shared.buffer);
      this.#sharedUsed = 0;
    }
    const base = this.#sharedUsed;
    this.#shared.set(this.#bytes.subarray(0, length), base);
    const first = (base + length + 3) >>> 2;
    for (let i = 0; i < count; i++) this.#sharedStarts[first + i] = (this.#starts[i] as number) + base;
    this.#sharedUsed = (first + count) * 4;
    return new PackedListing(this.#shared, this.#sharedStarts, first, count);
  }

  /** Notes an entry at the end; returns where its name goes. */
  #entry(kind: EntryKind): number {
    this.#bytes[this.#used] = kind;
    const start = this.#used + 1;
    if (this.#count === this.#starts.length) this.#starts = new Uint32Array(this.#starts.buffer.transfer(this.#count * 8));
    this.#starts[this.#count++] = start;
    return start;
  }

  #grow(minimum: number): void {
    const needed = this.#used + minimum;
    if (needed <= this.#bytes.length) return;
    // `transfer` frees the old memory at once instead of leaving it to the garbage collector.
    this.#bytes = new Uint8Array(this.#bytes.buffer.transfer(Math.max(needed, this.#bytes.length * 2)));
  }
}

const INSERTION_LIMIT = 12;
let keys = new Float64Array(4096);
let unsorted = new Uint32Array(4096);

/** Sorts the first `count` starts by the zero-terminated names they point to. */
function sortStarts(bytes: Uint8Array, starts: Uint32Array, count: number): void {
  if (count > INSERTION_LIMIT && keys.length < count) {
    keys = new Float64Array(count);
    unsorted = new Uint32Array(count);
  }
  sortRange(bytes, starts, 0, count, 0);
  if (keys.length > 1 << 16) {
    keys = new Float64Array(4096);
    unsorted = new Uint32Array(4096);
  }
}

/**
 * Sorts starts[low … high), whose names agree in their first `depth` bytes. The next bytes of each name
 * and its position in the range together make one exact number, so the platform's own sort of numbers
 * does the work, which has no bad inputs; ranges that still agree are sorted further in.
 */
function sortRange(bytes: Uint8Array, starts: Uint32Array, low: number, high: number, depth: number): void {
  const count = high - low;
  if (count <= INSERTION_LIMIT) {
    insertionSort(bytes, starts, low, high, depth);
    return;
  }
  // 53 bits: four bytes of name and 21 of position, or three and 29.
  const width = count <= 1 << 21 ? 4 : 3;
  const scale = width === 4 ? 1 << 21 : 1 << 29;
  for (let position = low; position < high; position++) {
    const start = starts[position] as number;
    unsorted[position] = start;
    keys[position] = keyAt(bytes, start + depth, width) * scale + (position - low);
  }
  keys.subarray(low, high).sort();
  for (let position = low; position < high; position++) {
    starts[position] = unsorted[low + ((keys[position] as number) % scale)] as number;
  }
  let groupStart = low;
  while (groupStart < high) {
    const key = Math.floor((keys[groupStart] as number) / scale);
    let groupEnd = groupStart + 1;
    while (groupEnd < high && Math.floor((keys[groupEnd] as number) / scale) === key) groupEnd++;
    // A key ending in zero has passed the end of its name: the whole group is one name.
    if (groupEnd - groupStart > 1 && key % 256 !== 0) sortRange(bytes, starts, groupStart, groupEnd, depth + width);
    groupStart = groupEnd;
  }
}

/** The next `width` bytes as a big-endian number, zeros after the end of the name. */
function keyAt(bytes: Uint8Array, start: number, width: number): number {
  let key = 0;
  let at = start;
  for (let i = 0; i < width; i++) {
    const byte = bytes[at] as number;
    key = key * 256 + byte;
    if (byte !== 0) at++;
  }
  return key;
}

function insertionSort(bytes: Uint8Array, starts: Uint32Array, low: number, high: number, depth: number): void {
  for (let i = low + 1; i < high; i++) {
    const start = starts[i] as number;
    let j = i;
    while (j > low) {
      const before = starts[j - 1] as number;
      let a = before + depth;
      let b = start + depth;
      while (bytes[a] === bytes[b] && bytes[a] !== 0) {
        a++;
        b++;
      }
      if ((bytes[a] as number) <= (bytes[b] as number)) break;
      starts[j] = before;
      j--;
    }
    starts[j] = start;
  }
}

/** Keeps one of each run of equal names in sorted starts; returns how many are left. */
function dropRepeated(bytes: Uint8Array, starts: Uint32Array, count: number): number {
  let kept = 0;
  for (let position = 0; position < count; position++) {
    const start = starts[position] as number;
    if (kept > 0) {
      let a = starts[kept - 1] as number;
      let b = start;
      while (bytes[a] === bytes[b] && bytes[a] !== 0) {
        a++;
        b++;
      }
      if (bytes[a] === bytes[b]) continue;
    }
    starts[kept++] = start;
  }
  return kept;
}
