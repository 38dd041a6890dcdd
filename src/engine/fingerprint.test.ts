import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { hexOf, utf8 } from "../base/bytes.ts";
import { createFingerprinter, type BlakeModule } from "./fingerprint.ts";
import { webAssembly } from "./wasm.ts";

const officialKey = utf8("whats the Elvish word for friend");

/** The input of the official BLAKE3 test vectors: 0, 1, … 250, 0, 1, … */
function officialInput(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, position) => position % 251);
}

/** First 32 bytes of "keyed_hash" in BLAKE3's test_vectors.json, around its chunk and tree boundaries. */
const officialVectors: readonly (readonly [number, string])[] = [
  [0, "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"],
  [1, "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b"],
  [1023, "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e"],
  [1024, "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4"],
  [1025, "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69"],
  [2048, "879cf1fa2ea0e79126cb1063617a05b6ad9d0b696d0d757cf053439f60a99dd1"],
  [3073, "68dede9bef00ba89e43f31a6825f4cf433389fedae75c04ee9f0cf16a427c95a"],
  [4097, "00df940cd36bb9fa7cbbc3556744e0dbc8191401afe70520ba292ee3ca80abbc"],
  [7169, "ed9b1a922c046fdb3d423ae34e143b05ca1bf28b710432857bf738bcedbfa511"],
];

test("fingerprints are the keyed hashes of the official BLAKE3 test vectors", () => {
  const fingerprinter = createFingerprinter(officialKey);
  for (const [length, expected] of officialVectors) {
    assert.equal(hexOf(fingerprinter.of(officialInput(length))), expected, `${length} bytes`);
  }
});

test("a reused hasher keeps its key and forgets earlier input", () => {
  const reused = createFingerprinter(officialKey);
  for (let length = 0; length < 6000; length = length * 2 + 13) {
    const input = officialInput(length);
    reused.of(officialInput(length + 777));
    assert.deepEqual(reused.of(input), createFingerprinter(officialKey).of(input), `${length} bytes`);
  }
});

test("another key gives another fingerprint", () => {
  const input = officialInput(100);
  assert.notDeepEqual(createFingerprinter(new Uint8Array(32)).of(input), createFingerprinter(officialKey).of(input));
});

test("WASM memory, shared memory and views at an offset are fingerprinted in place", () => {
  const fingerprinter = createFingerprinter(officialKey);
  const input = officialInput(70_000);
  const expected = fingerprinter.of(input);
  for (const buffer of [new webAssembly.Memory({ initial: 2 }).buffer, new SharedArrayBuffer(80_000), new ArrayBuffer(80_000)]) {
    const view = new Uint8Array(buffer, 123, input.length);
    view.set(input);
    assert.deepEqual(fingerprinter.of(view), expected);
    const target = new Uint8Array(buffer);
    fingerprinter.into(view, target, 71_000);
    assert.deepEqual(new Uint8Array(target.subarray(71_000, 71_032)), new Uint8Array(expected));
  }
});

test("fingerprints given out stay as they are", () => {
  const fingerprinter = createFingerprinter(officialKey);
  const first = fingerprinter.of(officialInput(1));
  fingerprinter.of(officialInput(2));
  assert.equal(hexOf(first), officialVectors[1]?.[1]);
  assert.equal(first.byteLength, 32);
  assert.equal(first.buffer.byteLength, 32);
});

test("matches compares with a fingerprint inside a table", () => {
  const fingerprinter = createFingerprinter(officialKey);
  const table = new Uint8Array(96);
  fingerprinter.into(officialInput(10), table, 32);
  assert.equal(fingerprinter.matches(officialInput(10), table, 32), true);
  assert.equal(fingerprinter.matches(officialInput(10), table, 33), false);
  assert.equal(fingerprinter.matches(officialInput(11), table, 32), false);
});

test("a key of a wrong length is refused before the native library aborts the process", () => {
  assert.throws(() => createFingerprinter(new Uint8Array(31)), /32 bytes/);
});

test("the library can come from a loader of the caller's", () => {
  let loaded = 0;
  const fingerprinter = createFingerprinter(officialKey, () => {
    loaded++;
    return createRequire(import.meta.url)("@napi-rs/blake-hash") as BlakeModule;
  });
  assert.equal(loaded, 1);
  assert.equal(hexOf(fingerprinter.of(new Uint8Array(0))), officialVectors[0]?.[1]);
});
