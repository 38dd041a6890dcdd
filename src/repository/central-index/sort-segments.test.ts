import assert from "node:assert/strict";
import { test } from "node:test";
import { compareBytes } from "../../base/bytes.ts";
import { listOf, numberFingerprints, sortFingerprints } from "./sort-segments.ts";
import { seededRandom, testSeed } from "./testing.ts";

const random = seededRandom(`sort ${testSeed}`);

function sortedNaively(lists: readonly Uint8Array[]): number[] {
  const all = lists.flatMap((list) => Array.from({ length: list.length / 32 }, (_, i) => list.subarray(i * 32, i * 32 + 32)));
  const numbers = all.map((_, number) => number);
  return numbers.toSorted((a, b) => compareBytes(all[a]!, all[b]!) || a - b);
}

function check(lists: readonly Uint8Array[]): void {
  assert.deepEqual([...sortFingerprints(numberFingerprints(lists))], sortedNaively(lists));
}

test("random fingerprints in any number of lists come out in order", () => {
  check([]);
  check([new Uint8Array(0)]);
  for (const counts of [[1], [2], [0, 1, 0, 1, 0], [1000, 1, 0, 3000, 17], [20_000]]) {
    check(counts.map((count) => random.bytes(count * 32)));
  }
});

test("equal fingerprints keep their order", () => {
  const list = random.bytes(300 * 32);
  check([list, list, random.bytes(64), list]);
});

test("fingerprints that are not uniform at all come out in order too", () => {
  const alike = new Uint8Array(3000 * 32).fill(7);
  for (let i = 0; i < 3000; i++) alike[i * 32 + 31 - (i % 32)] = (i * 37) % 256;
  check([alike]);
  check([new Uint8Array(3000 * 32)]);
});

test("the list of a number is found past empty lists", () => {
  const { starts } = numberFingerprints([0, 2, 0, 0, 1, 0].map((count) => new Uint8Array(count * 32)));
  assert.deepEqual(
    [0, 1, 2].map((number) => listOf(starts, number)),
    [1, 1, 4],
  );
});
