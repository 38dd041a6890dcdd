import assert from "node:assert/strict";
import { test } from "node:test";
import { workedExample } from "../../test/support/worked-example.ts";
import { ByteWriter, concatBytes, utf8, viewOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { CODEC_STORED, CODEC_ZSTD, MAX_BLOCK_PLAIN_BYTES } from "./block.ts";
import {
  PROVED_SEGMENT_BYTES,
  SEGMENT_HELD,
  SEGMENT_TO_PROVE,
  SEGMENT_WANTED,
  TRANSFER_BYTES_LIMIT,
  TRANSFER_SEGMENTS_LIMIT,
  decodeSegmentBlock,
  encodeSegmentBlock,
  readAnswer,
  readOffer,
  readProofs,
} from "./segment-transfer.ts";
import type { SegmentBlock } from "./segment-transfer.ts";
import { decodeReply, encodeReply, readClientMessages, writeCheckpoint } from "./stream.ts";

const PAGE = "exchange.md";
const fingerprint = (value: number): Uint8Array => new Uint8Array(32).fill(value);

const EXAMPLE: SegmentBlock = {
  fingerprints: concatBytes(fingerprint(0xaa), fingerprint(0xbb)),
  lengths: Uint32Array.of(5, 5),
  count: 2,
  payload: { codec: CODEC_STORED, plainLength: 10, bytes: utf8("hello, you") },
};

// --- the examples --------------------------------------------------------------------------------

test("the batch of docs/formats/exchange.md and its reply are read and written again to the same bytes", () => {
  const batch = workedExample(PAGE, 3);
  assert.deepEqual([...readClientMessages(batch)], [{ type: "checkpoint" }]);
  const writer = new ByteWriter();
  writeCheckpoint(writer);
  assert.deepEqual(writer.take(), batch);
  const reply = workedExample(PAGE, 4);
  assert.deepEqual(decodeReply(reply), { type: "checkpointed" });
  assert.deepEqual(encodeReply({ type: "checkpointed" }), reply);
});

test("the offer of docs/formats/exchange.md has two fingerprints, and its answer is that one is to be proved and one wanted", () => {
  const offer = workedExample(PAGE, 5);
  assert.deepEqual(offer, EXAMPLE.fingerprints);
  assert.equal(readOffer(offer), 2);
  const answer = workedExample(PAGE, 6);
  assert.deepEqual(answer, Uint8Array.of(SEGMENT_TO_PROVE, SEGMENT_WANTED));
  assert.deepEqual(readAnswer(answer, 2), answer);
});

test("the proof of docs/formats/exchange.md is one of one segment, and is believed", () => {
  const proofs = workedExample(PAGE, 7);
  assert.deepEqual(proofs, concatBytes(fingerprint(0xaa), fingerprint(0x99)));
  assert.equal(readProofs(proofs), 1);
  assert.deepEqual(workedExample(PAGE, 8), Uint8Array.of(1));
});

test("the block of docs/formats/exchange.md is read, and written again to the same bytes", () => {
  const block = workedExample(PAGE, 9);
  assert.deepEqual(decodeSegmentBlock(block), EXAMPLE);
  assert.deepEqual(encodeSegmentBlock(EXAMPLE), block);
});

// --- offers and proofs ---------------------------------------------------------------------------

test("offers and proofs have 1 to 8192 segments and no part of one", () => {
  for (const [read, size] of [
    [readOffer, 32],
    [readProofs, PROVED_SEGMENT_BYTES],
  ] as const) {
    assert.equal(read(new Uint8Array(TRANSFER_SEGMENTS_LIMIT * size)), TRANSFER_SEGMENTS_LIMIT);
    for (const length of [0, 1, size - 1, size + 1, (TRANSFER_SEGMENTS_LIMIT + 1) * size]) {
      assert.throws(() => read(new Uint8Array(length)), { code: "FORMAT_INVALID" }, `${length} bytes`);
    }
  }
});

test("an answer to an offer has one known state for each fingerprint", () => {
  assert.deepEqual(readAnswer(Uint8Array.of(SEGMENT_HELD, 1, 2), 3), Uint8Array.of(0, 1, 2));
  for (const bytes of [[], [0], [0, 1], [0, 1, 2, 0], [0, 1, 3], [255, 0, 0]]) {
    assert.throws(() => readAnswer(Uint8Array.from(bytes), 3), { code: "FORMAT_INVALID" }, bytes.join(" "));
  }
});

// --- blocks --------------------------------------------------------------------------------------

test("a block takes as many segments as there may be, and those of the buffers behind them are not sent", () => {
  const count = TRANSFER_SEGMENTS_LIMIT;
  const block: SegmentBlock = {
    fingerprints: new Uint8Array((count + 5) * 32).fill(7),
    lengths: new Uint32Array(count + 5).fill(3),
    count,
    payload: { codec: CODEC_ZSTD, plainLength: count * 3, bytes: new Uint8Array(100) },
  };
  const { fingerprints, lengths, payload } = decodeSegmentBlock(encodeSegmentBlock(block));
  assert.deepEqual([fingerprints.length, lengths.length], [count * 32, count]);
  assert.deepEqual(payload, block.payload);
});

test("the longest block there is has the longest length there is", () => {
  const count = TRANSFER_SEGMENTS_LIMIT;
  const lengths = new Uint32Array(count).fill(MAX_BLOCK_PLAIN_BYTES / count);
  const bytes = new Uint8Array(MAX_BLOCK_PLAIN_BYTES);
  const payload = { codec: CODEC_STORED, plainLength: bytes.length, bytes } as const;
  const block = encodeSegmentBlock({ fingerprints: new Uint8Array(count * 32), lengths, count, payload });
  assert.equal(block.length, TRANSFER_BYTES_LIMIT);
  assert.equal(decodeSegmentBlock(block).count, count);
});

test("every length of a block but the whole is refused, and so is a byte behind it", () => {
  const bytes = encodeSegmentBlock(EXAMPLE);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeSegmentBlock(bytes.subarray(0, length)), isFormatError, `${length} bytes`);
  }
  assert.throws(() => decodeSegmentBlock(concatBytes(bytes, Uint8Array.of(0))), { code: "FORMAT_INVALID" });
});

function isFormatError(error: unknown): boolean {
  return error instanceof HoldfastError && /^FORMAT_(TRUNCATED|INVALID)$/.test(error.code);
}

test("a count of none, of too many, or that nothing stands behind is refused before memory is taken for it", () => {
  for (const count of [0, TRANSFER_SEGMENTS_LIMIT, TRANSFER_SEGMENTS_LIMIT + 1, 0xffff_ffff]) {
    const bytes = encodeSegmentBlock(EXAMPLE);
    viewOf(bytes).setUint32(0, count, true);
    const before = process.memoryUsage();
    assert.throws(() => decodeSegmentBlock(bytes), isFormatError, String(count));
    const { heapUsed, external } = process.memoryUsage();
    assert.ok(heapUsed + external - before.heapUsed - before.external < 512 * 1024, String(count));
  }
});

test("lengths of zero, and lengths that do not make up the block, are refused", () => {
  const withLengths = (...lengths: readonly number[]): Uint8Array =>
    encodeSegmentBlock({ ...EXAMPLE, lengths: Uint32Array.from(lengths) });
  for (const lengths of [
    [0, 10],
    [10, 0],
    [5, 4],
    [6, 5],
    [0xffff_ffff, 11],
  ]) {
    assert.throws(() => decodeSegmentBlock(withLengths(...lengths)), { code: "FORMAT_INVALID" }, lengths.join(", "));
  }
});

test("reserved bytes, another version and an unknown codec are told apart", () => {
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = encodeSegmentBlock(EXAMPLE);
    bytes[at] = value;
    return bytes;
  };
  const payload = 8 + 2 * 36;
  assert.throws(() => decodeSegmentBlock(changed(4, 1)), { code: "FORMAT_RESERVED" });
  assert.throws(() => decodeSegmentBlock(changed(payload, 2)), { code: "FORMAT_VERSION" });
  assert.throws(() => decodeSegmentBlock(changed(payload + 1, 2)), { code: "FORMAT_INVALID" });
  assert.throws(() => decodeSegmentBlock(changed(payload + 7, 1)), { code: "FORMAT_INVALID" });
});
