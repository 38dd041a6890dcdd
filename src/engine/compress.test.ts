import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { test } from "node:test";
import { bytesOfHex, concatBytes, utf8 } from "../base/bytes.ts";
import { hasCode } from "../base/errors.ts";
import { CODEC_STORED, CODEC_ZSTD } from "../formats/block.ts";
import { BlockCompressor, decompressBlock, type CompressionLevel } from "./compress.ts";
import { randomBytes, wordyBytes } from "./testing.ts";
import { webAssembly } from "./wasm.ts";

const levels: readonly CompressionLevel[] = ["off", "fast", "default", "best"];
const MEBIBYTE = 1024 * 1024;

test("blocks of every kind and size come back at every level", () => {
  for (const level of levels) {
    const compressor = new BlockCompressor(level);
    for (const size of [1, 2, 63, 64, 65, 1000, 131_071, 131_072, 300_000]) {
      for (const plain of [new Uint8Array(size), wordyBytes(size, size), randomBytes(size, size)]) {
        const payload = compressor.compress(plain);
        assert.equal(payload.plainLength, size);
        assert.deepEqual(new Uint8Array(decompressBlock(payload)), new Uint8Array(plain), `${level} ${size}`);
      }
    }
  }
});

test("blocks in WASM memory and in shared memory are compressed in place", () => {
  const plain = wordyBytes(1, 100_000);
  for (const buffer of [new webAssembly.Memory({ initial: 5 }).buffer, new SharedArrayBuffer(300_000)]) {
    const view = new Uint8Array(buffer, 77, plain.length);
    view.set(plain);
    const payload = new BlockCompressor("default").compress(view);
    assert.equal(payload.codec, CODEC_ZSTD);
    assert.deepEqual(decompressBlock(payload), plain);
  }
});

test("text is compressed, more at a higher level, and not when compression is off", () => {
  const text = wordyBytes(1, MEBIBYTE);
  const [off, fast, normal, best] = levels.map((level) => new BlockCompressor(level).compress(text));
  assert.ok(off !== undefined && fast !== undefined && normal !== undefined && best !== undefined);
  assert.equal(off.codec, CODEC_STORED);
  assert.equal(off.bytes, text);
  for (const payload of [fast, normal, best]) assert.equal(payload.codec, CODEC_ZSTD);
  assert.ok(fast.bytes.length < text.length / 2);
  assert.ok(normal.bytes.length < fast.bytes.length && best.bytes.length < normal.bytes.length);
});

test("random, compressed and barely compressible data is stored", () => {
  const barely = randomBytes(2, MEBIBYTE);
  barely.fill(0, 0, MEBIBYTE / 100);
  const samples = [randomBytes(1, MEBIBYTE), new Uint8Array(gzipSync(wordyBytes(3, 3 * MEBIBYTE))), randomBytes(4, 5000), barely];
  for (const level of levels) {
    const compressor = new BlockCompressor(level);
    for (const sample of samples) assert.equal(compressor.compress(sample).codec, CODEC_STORED);
  }
});

test("random data with a twentieth of something else is still compressed", () => {
  for (const [level, rest] of [
    ["fast", new Uint8Array(52_429)],
    ["default", wordyBytes(5, 80_000)],
  ] as const) {
    const mixed = randomBytes(6, MEBIBYTE);
    mixed.set(rest, 300_000);
    assert.equal(new BlockCompressor(level).compress(mixed).codec, CODEC_ZSTD, level);
  }
});

test("random data that repeats is compressed", () => {
  const unit = randomBytes(7, 4000);
  const plain = concatBytes(...Array.from({ length: 100 }, () => unit));
  assert.equal(new BlockCompressor("default").compress(plain).codec, CODEC_ZSTD);
});

test("a payload lives until the next one is made", () => {
  const compressor = new BlockCompressor("default");
  const first = compressor.compress(wordyBytes(8, MEBIBYTE)).bytes;
  const copy = first.slice();
  assert.deepEqual(new Uint8Array(first), new Uint8Array(copy));
  const second = compressor.compress(wordyBytes(9, MEBIBYTE));
  assert.equal(first.length, 0, "its memory is gone");
  assert.deepEqual(new Uint8Array(decompressBlock(second)), wordyBytes(9, MEBIBYTE));
});

test("small results, which share memory with others, are not freed from under them", () => {
  const compressor = new BlockCompressor("default");
  const bystanders = Array.from({ length: 50 }, (_, position) => Buffer.allocUnsafe(100).fill(position));
  for (let round = 0; round < 50; round++) compressor.compress(wordyBytes(round, 900));
  bystanders.forEach((bystander, position) => assert.ok(bystander.every((byte) => byte === position)));
});

test("a frame that unfolds to more than declared is refused without unfolding it", () => {
  const bomb = zstdCompressSync(new Uint8Array(64 * MEBIBYTE));
  const before = process.memoryUsage().arrayBuffers;
  assert.throws(() => decompressBlock({ codec: CODEC_ZSTD, plainLength: 100_000, bytes: bomb }), isInvalid);
  assert.ok(process.memoryUsage().arrayBuffers - before < 8 * MEBIBYTE);
});

test("a frame that asks for a window larger than any block is refused, whatever it holds", () => {
  // RFC 8878: magic, descriptor (no size given), window of 2^(10 + exponent), one last raw block of 5 bytes.
  const frameWithWindow = (exponent: number): Uint8Array =>
    concatBytes(bytesOfHex("28b52ffd00"), Uint8Array.of(exponent << 3), bytesOfHex("290000"), utf8("hello"));
  const unfold = (frame: Uint8Array): Uint8Array => decompressBlock({ codec: CODEC_ZSTD, plainLength: 5, bytes: frame });
  assert.deepEqual(new Uint8Array(unfold(frameWithWindow(14))), utf8("hello"));
  assert.throws(() => unfold(frameWithWindow(15)), isInvalid);
});

test("damaged, cut and foreign frames are refused", () => {
  const plain = wordyBytes(1, 5000);
  const { bytes } = new BlockCompressor("default").compress(plain);
  const refused = (frame: Uint8Array, plainLength: number): void =>
    assert.throws(() => decompressBlock({ codec: CODEC_ZSTD, plainLength, bytes: frame }), isInvalid);
  for (let length = 0; length < bytes.length; length += 37) refused(bytes.subarray(0, length), 5000);
  refused(bytes, 4999);
  refused(bytes, 5001);
  refused(plain, 5000);
  refused(concatBytes(bytes, bytes), 5000);
});

test("nothing and too much are refused", () => {
  const compressor = new BlockCompressor("off");
  assert.throws(() => compressor.compress(new Uint8Array(0)), /1 byte/);
  assert.throws(() => compressor.compress(new Uint8Array(16 * MEBIBYTE + 1)), /16 MiB/);
  assert.equal(compressor.compress(new Uint8Array(16 * MEBIBYTE)).plainLength, 16 * MEBIBYTE);
});

function isInvalid(error: unknown): boolean {
  return hasCode(error, "FORMAT_INVALID");
}
