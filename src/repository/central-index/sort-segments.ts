// Puts millions of fingerprints in order without an object for any of them: a permutation in a Uint32Array. First a
// counting sort by the leading bits into buckets of about eight, then within each bucket by the 32 bits that follow,
// and by the whole fingerprint only where those are equal. Takes 8.5 bytes per segment beside the fingerprints.

import { assert } from "../../base/assert.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";

/** Fingerprints in several packed arrays, numbered through. */
export interface FingerprintLists {
  readonly lists: readonly Uint8Array[];
  /** How many fingerprints stand before each list, and at the end how many there are. */
  readonly starts: readonly number[];
}

/** Beyond this a bucket is not what uniform fingerprints give, and sorting by insertion would become quadratic. */
const LARGE_BUCKET = 64;

export function numberFingerprints(lists: readonly Uint8Array[]): FingerprintLists {
  const starts = [0];
  let count = 0;
  for (const list of lists) starts.push((count += list.length / FINGERPRINT_BYTES));
  return { lists, starts };
}

/** Which list holds the fingerprint of this number. */
export function listOf(starts: readonly number[], number: number): number {
  let low = 0;
  let high = starts.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (starts[middle]! <= number) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The numbers of all fingerprints in ascending order of fingerprint; those of equal ones in ascending order. */
export function sortFingerprints(fingerprints: FingerprintLists): Uint32Array {
  const { lists, starts } = fingerprints;
  const total = starts.at(-1)!;
  assert(total < 2 ** 32, "a permutation holds 32-bit numbers");
  const bits = Math.min(24, Math.max(4, Math.ceil(Math.log2(total / 8 + 1))));
  const shift = 32 - bits;

  // First how many fall into each bucket, then where each ends, then (counted down while filling) where it begins.
  const edges = new Uint32Array(2 ** bits + 1);
  for (const list of lists) {
    for (let at = 0; at < list.length; at += FINGERPRINT_BYTES) edges[wordAt(list, at) >>> shift]!++;
  }
  let sum = 0;
  for (let bucket = 0; bucket < edges.length; bucket++) edges[bucket] = sum += edges[bucket]!;

  const order = new Uint32Array(total);
  const keys = new Uint32Array(total);
  let number = total;
  for (let i = lists.length - 1; i >= 0; i--) {
    const list = lists[i]!;
    for (let at = list.length - FINGERPRINT_BYTES; at >= 0; at -= FINGERPRINT_BYTES) {
      const first = wordAt(list, at);
      const place = --edges[first >>> shift]!;
      order[place] = --number;
      keys[place] = (first << bits) | (wordAt(list, at + 4) >>> shift);
    }
  }

  for (let bucket = 0; bucket < edges.length - 1; bucket++) {
    const begin = edges[bucket]!;
    const end = edges[bucket + 1]!;
    if (end - begin > LARGE_BUCKET) order.subarray(begin, end).sort((a, b) => compareNumbered(fingerprints, a, b));
    else if (end - begin > 1) insertionSort(fingerprints, order, keys, begin, end);
  }
  return order;
}

function insertionSort(fingerprints: FingerprintLists, order: Uint32Array, keys: Uint32Array, begin: number, end: number): void {
  for (let i = begin + 1; i < end; i++) {
    const number = order[i]!;
    const key = keys[i]!;
    let place = i;
    for (; place > begin; place--) {
      const otherKey = keys[place - 1]!;
      if (otherKey < key) break;
      if (otherKey === key && compareNumbered(fingerprints, order[place - 1]!, number) < 0) break;
      keys[place] = otherKey;
      order[place] = order[place - 1]!;
    }
    keys[place] = key;
    order[place] = number;
  }
}

function compareNumbered({ lists, starts }: FingerprintLists, a: number, b: number): number {
  const aList = listOf(starts, a);
  const bList = listOf(starts, b);
  const aBytes = lists[aList]!;
  const bBytes = lists[bList]!;
  const aAt = (a - starts[aList]!) * FINGERPRINT_BYTES;
  const bAt = (b - starts[bList]!) * FINGERPRINT_BYTES;
  for (let i = 0; i < FINGERPRINT_BYTES; i++) {
    const difference = aBytes[aAt + i]! - bBytes[bAt + i]!;
    if (difference !== 0) return difference;
  }
  return a - b;
}

function wordAt(list: Uint8Array, at: number): number {
  return ((list[at]! << 24) | (list[at + 1]! << 16) | (list[at + 2]! << 8) | list[at + 3]!) >>> 0;
}
