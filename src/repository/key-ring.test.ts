import assert from "node:assert/strict";
import { test } from "node:test";
import { hexOf } from "../base/bytes.ts";
import { KeyRing } from "./key-ring.ts";

const MASTER = Uint8Array.from({ length: 32 }, (_, position) => position);
const REPOSITORY = Uint8Array.from({ length: 16 }, (_, position) => 0xa0 + position);

test("every purpose has a key of its own", () => {
  const { repositoryId: _id, ...keys } = KeyRing.derive(MASTER, REPOSITORY).toData();
  const values = Object.values(keys).map(hexOf);
  assert.equal(values.length, 9);
  assert.equal(new Set(values).size, 9);
  for (const value of values) assert.match(value, /^[0-9a-f]{64}$/);
});

// Changing any of these would make every existing repository unreadable.
test("the keys of a given master key never change", () => {
  const ring = KeyRing.derive(MASTER, REPOSITORY);
  assert.deepEqual(
    { block: hexOf(ring.block), record: hexOf(ring.record), page: hexOf(ring.fingerprint("page")) },
    {
      block: "9267a6811ea9b9be862dca1cac4d3a5214709b9cb48273135c52937bb7e09369",
      record: "d915475d8319d449683d0304ff57deac79f17b1fff04eba357105204cd7cf919",
      page: "3f5d749387e0bfb317281b410e5061f7e91ab8fd6e68c403768a4f3d9f87d06b",
    },
  );
});

test("fingerprints and cuts differ between deduplication domains, the other keys do not", () => {
  const ring = KeyRing.derive(MASTER, REPOSITORY);
  const other = KeyRing.derive(MASTER, REPOSITORY, "other");
  assert.deepEqual(ring.block, other.block);
  assert.deepEqual(ring.identity, other.identity);
  for (const kind of ["data", "page", "list"] as const) assert.notDeepEqual(ring.fingerprint(kind), other.fingerprint(kind));
  assert.notDeepEqual(ring.cut, other.cut);
});

test("keys differ between repositories with one master key", () => {
  const other = KeyRing.derive(MASTER, new Uint8Array(16));
  assert.notDeepEqual(KeyRing.derive(MASTER, REPOSITORY).block, other.block);
});

test("a ring that was posted to another thread is the same ring", () => {
  const ring = KeyRing.derive(MASTER, REPOSITORY);
  const posted = new KeyRing(structuredClone(ring.toData()));
  assert.deepEqual(posted.toData(), ring.toData());
  assert.deepEqual(posted.fingerprint("list"), ring.fingerprint("list"));
});
