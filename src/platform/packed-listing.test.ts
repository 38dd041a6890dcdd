import assert from "node:assert/strict";
import { test } from "node:test";
import { compareBytes, concatBytes, utf8 } from "../base/bytes.ts";
import { kindOfType } from "./entry-kinds.ts";
import { KIND_DIRECTORY, KIND_FILE, type DirectoryListing, type EntryKind } from "./file-tree.ts";
import { ListingBuilder } from "./packed-listing.ts";

test("names of every length and likeness are sorted bytewise, with their kinds", () => {
  const seed = 20_260_731;
  const next = generator(seed);
  const builder = new ListingBuilder();
  for (let round = 0; round < 60; round++) {
    const names = randomNames(next, 1 + (next() % 400));
    builder.begin();
    for (const name of names) builder.add(name, kindFor(name));
    const sorted = names.toSorted(compareBytes);
    assert.deepEqual(
      contentOf(builder.finish()),
      sorted.map((name) => [name, kindFor(name)]),
      `seed ${seed}, round ${round}`,
    );
  }
});

test("100,000 names outgrow the builder's memory and leave it ready for the next directory", () => {
  const builder = new ListingBuilder();
  builder.begin();
  const names = Array.from({ length: 100_000 }, (_, i) => utf8(`message-${String((i * 77_773) % 100_000).padStart(7, "0")}.eml`));
  for (const name of names) builder.add(name, KIND_FILE);
  const large = builder.finish();
  builder.begin();
  builder.add(utf8("b"), KIND_FILE);
  builder.add(utf8("a"), KIND_DIRECTORY);
  assert.deepEqual(contentOf(builder.finish()), [
    [utf8("a"), KIND_DIRECTORY],
    [utf8("b"), KIND_FILE],
  ]);
  assert.deepEqual(
    contentOf(large),
    names.toSorted(compareBytes).map((name) => [name, KIND_FILE]),
  );
});

test("a name given twice appears once", () => {
  const builder = new ListingBuilder();
  builder.begin();
  const repeated = Array.from({ length: 50 }, (_, i) => utf8(`same${"e".repeat(i % 5)}`));
  for (const name of repeated) builder.add(name, KIND_FILE);
  const found = contentOf(builder.finish()).map(([name]) => name);
  assert.deepEqual(found, ["same", "samee", "sameee", "sameeee", "sameeeee"].map(utf8));
});

test('directory entries of the kernel are taken in without "." and ".."', () => {
  const builder = new ListingBuilder();
  builder.begin();
  const first = concatBytes(record(".", 4), record("..", 4), record("zebra", 8));
  const second = concatBytes(record("...", 4), record(".hidden", 10), record("a-name-of-some-length", 0));
  for (const records of [first, second]) {
    builder.space(records.length).set(records);
    builder.addRecords(records.length, kindOfType);
  }
  assert.deepEqual(contentOf(builder.finish()), [
    [utf8("..."), 1],
    [utf8(".hidden"), 3],
    [utf8("a-name-of-some-length"), 0],
    [utf8("zebra"), 2],
  ]);
});

test("a position outside of the listing is refused", () => {
  const listing = new ListingBuilder().finish();
  assert.equal(listing.count, 0);
  assert.throws(() => listing.name(0), RangeError);
  assert.throws(() => listing.kind(0), RangeError);
});

function contentOf(listing: DirectoryListing): [Uint8Array, EntryKind][] {
  return Array.from({ length: listing.count }, (_, i) => [Uint8Array.from(listing.name(i)), listing.kind(i)]);
}

function kindFor(name: Uint8Array): EntryKind {
  return ((name.length % 7) + 1) as EntryKind;
}

/** Names with long common beginnings and few different bytes, 0xff and 0x01 among them; each once. */
function randomNames(next: () => number, count: number): Uint8Array[] {
  const names = new Map<string, Uint8Array>();
  const alphabet = [0x01, 0x2e, 0x61, 0x62, 0x7f, 0x80, 0xfe, 0xff];
  while (names.size < count) {
    const length = next() % 8 === 0 ? 200 + (next() % 56) : 1 + (next() % 20);
    const alike = next() % length;
    const name = Uint8Array.from({ length }, (_, i) => (i < alike ? 0x61 : (alphabet[next() % 8] ?? 0)));
    names.set(name.join(), name);
  }
  return [...names.values()];
}

function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 8;
  };
}

/** struct linux_dirent64 */
function record(name: string, type: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((19 + name.length + 1) / 8) * 8).fill(0xee, 0, 16);
  bytes[16] = bytes.length;
  bytes[18] = type;
  bytes.set(utf8(name), 19);
  return bytes;
}
