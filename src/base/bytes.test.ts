import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteArena, ByteReader, ByteWriter } from "./bytes.ts";

test("copies from an arena stay as they were made, short and long ones alike", () => {
  const arena = new ByteArena();
  const source = new Uint8Array(100_000);
  const copies = Array.from({ length: 3000 }, (_, i) => {
    source.fill(i);
    return arena.copy(source, i % 500 === 0 ? source.length : i % 200);
  });
  for (const [i, copy] of copies.entries()) {
    assert.equal(copy.length, i % 500 === 0 ? source.length : i % 200);
    assert.ok(copy.every((byte) => byte === (i & 0xff)));
  }
});

test("whole numbers of 64 bits come back up to the last that is exact, and larger ones are refused", () => {
  const safe = [0, 1, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER];
  const writer = new ByteWriter();
  for (const value of safe) writer.u64(value).i64(-value).i64(value);
  const reader = new ByteReader(writer.take(), "numbers");
  for (const value of safe) {
    assert.equal(reader.size(), value);
    assert.equal(reader.safeInteger(), 0 - value);
    assert.equal(reader.safeInteger(), value);
  }
  reader.end();
  for (const beyond of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    const bytes = new ByteWriter().u64(BigInt.asIntN(64, beyond)).take();
    assert.throws(() => new ByteReader(bytes, "a size").size(), { code: "FORMAT_INVALID", message: new RegExp(String(beyond)) });
  }
  for (const beyond of [2n ** 53n, -(2n ** 53n), -(2n ** 63n)]) {
    const bytes = new ByteWriter().i64(beyond).take();
    assert.throws(() => new ByteReader(bytes, "a time").safeInteger(), { code: "FORMAT_INVALID" });
  }
});

test("reserved bytes must be zero, and all of them must be there", () => {
  new ByteReader(new Uint8Array(3), "zeros").reservedZeros(3);
  assert.throws(() => new ByteReader(Uint8Array.of(0, 0, 1), "zeros").reservedZeros(3), { code: "FORMAT_RESERVED" });
  assert.throws(() => new ByteReader(new Uint8Array(2), "zeros").reservedZeros(3), { code: "FORMAT_TRUNCATED" });
});
