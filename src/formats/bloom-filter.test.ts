import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { BLOOM_BITS_PER_KEY, BLOOM_BLOCK_BYTES, BloomFilter, bloomBlocksFor } from "./bloom-filter.ts";

/** Uniform and the same in every run of the test. */
function fingerprints(label: string, count: number): Uint8Array {
  const bytes = new Uint8Array(count * 32);
  for (let i = 0; i < count; i++) bytes.set(createHash("sha256").update(`${label} ${i}`).digest(), i * 32);
  return bytes;
}

test("a filter never denies a key that was inserted", () => {
  const keys = fingerprints("present", 50_000);
  const filter = BloomFilter.forKeys(50_000);
  for (let at = 0; at < keys.length; at += 32) filter.insert(keys, at);
  for (let at = 0; at < keys.length; at += 32) assert.ok(filter.mayContain(keys, at));
});

test("a filter of the usual density passes fewer than one absent key in a hundred", (context) => {
  const keys = fingerprints("present", 100_000);
  const filter = BloomFilter.forKeys(100_000);
  for (let at = 0; at < keys.length; at += 32) filter.insert(keys, at);
  const absent = fingerprints("absent", 100_000);
  let passed = 0;
  for (let at = 0; at < absent.length; at += 32) if (filter.mayContain(absent, at)) passed++;
  context.diagnostic(`${BLOOM_BITS_PER_KEY} bits per key: ${(passed / 1000).toFixed(2)} % false positives`);
  assert.ok(passed < 1000, `${passed} of 100000 absent keys passed`);
  assert.ok(passed > 100, "so few would mean that the filter is far larger than intended");
});

test("the bits are those of the Parquet specification", () => {
  // The specification in BigInt, as written there: block_check and filter_insert.
  const salts = [0x47b6137bn, 0x44974d91n, 0x8824ad5bn, 0xa2b7289dn, 0x705495c7n, 0x2df1424bn, 0x9efc4947n, 0x5c6bfb31n];
  for (const blocks of [1, 2, 7, 1000, 3_000_017]) {
    const filter = new BloomFilter(new Uint32Array(blocks * 8));
    const keys = fingerprints(`blocks ${blocks}`, 200);
    keys.set(new Uint8Array(32).fill(0xff), 0);
    keys.set(new Uint8Array(32), 32);
    const expected = new Map<number, number>();
    for (let at = 0; at < keys.length; at += 32) {
      filter.insert(keys, at);
      const hash = new DataView(keys.buffer).getBigUint64(at + 8, true);
      const block = Number(((hash >> 32n) * BigInt(blocks)) >> 32n);
      salts.forEach((salt, word) => {
        const bit = Number((((hash & 0xffffffffn) * salt) & 0xffffffffn) >> 27n);
        const index = block * 8 + word;
        expected.set(index, ((expected.get(index) ?? 0) | (1 << bit)) >>> 0);
      });
    }
    const set = new Map<number, number>();
    filter.words.forEach((word, index) => {
      if (word !== 0) set.set(index, word);
    });
    assert.deepEqual(set, expected);
  }
});

test("a filter works over shared memory, and an empty one denies everything", () => {
  const words = new Uint32Array(new SharedArrayBuffer(bloomBlocksFor(10) * BLOOM_BLOCK_BYTES));
  const keys = fingerprints("shared", 11);
  assert.ok(!new BloomFilter(words).mayContain(keys));
  for (let i = 0; i < 10; i++) new BloomFilter(words).insert(keys, i * 32);
  for (let i = 0; i < 10; i++) assert.ok(new BloomFilter(words).mayContain(keys, i * 32));
  assert.ok(!new BloomFilter(new Uint32Array(8)).mayContain(keys));
});

test("the number of blocks follows the number of keys", () => {
  assert.deepEqual([0, 1, 21, 22, 1_000_000].map(bloomBlocksFor), [1, 1, 1, 2, 46_875]);
});
