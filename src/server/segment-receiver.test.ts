import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { BlockCompressor, createFingerprinter } from "../engine/engine.ts";
import { randomBytes } from "../engine/testing.ts";
import { CODEC_STORED, CODEC_ZSTD, MAX_BLOCK_PLAIN_BYTES } from "../formats/block.ts";
import type { BlockPayload } from "../formats/block.ts";
import { encodeSegmentBlock } from "../formats/segment-transfer.ts";
import { SegmentReceiver } from "./segment-receiver.ts";

const fingerprinter = createFingerprinter(new Uint8Array(32).fill(3));
const SEGMENTS = [utf8("hello "), randomBytes(1, 5_000), utf8("text ".repeat(4_000))];

type Writer = ConstructorParameters<typeof SegmentReceiver>[0];

/** Keeps what it is given, as it is at that moment: its memory may be gone afterwards. */
function recordingWriter(overrides: Partial<Writer> = {}): Writer & { readonly calls: string[]; readonly blocks: unknown[] } {
  const calls: string[] = [];
  const blocks: unknown[] = [];
  return {
    calls,
    blocks,
    putBlock: ({ fingerprints, lengths, count }, { codec, plainLength, bytes, plain }) => {
      calls.push("put");
      blocks.push({ fingerprints: fingerprints.slice(), lengths: [...lengths], count, codec, plainLength });
      blocks.push(bytes.slice(), plain.slice());
    },
    settle: async () => void calls.push("settle"),
    flush: async () => void calls.push("flush"),
    ...overrides,
  };
}

function message(segments: readonly Uint8Array[], payload: BlockPayload): Uint8Array {
  return encodeSegmentBlock({
    fingerprints: concatBytes(...segments.map((segment) => fingerprinter.of(segment))),
    lengths: Uint32Array.from(segments, ({ length }) => length),
    count: segments.length,
    payload,
  });
}

const storedOf = (plain: Uint8Array): BlockPayload => ({ codec: CODEC_STORED, plainLength: plain.length, bytes: plain });
const compressed = (plain: Uint8Array): BlockPayload => new BlockCompressor("default").compress(plain);

test("a block is stored as it came, compressed or not, with its segments and their plain bytes", async () => {
  const plain = concatBytes(...SEGMENTS);
  for (const payload of [storedOf(plain), compressed(plain)]) {
    const writer = recordingWriter();
    const reply = await new SegmentReceiver(writer, fingerprinter).serve(message(SEGMENTS, payload));
    assert.equal(reply.length, 0);
    const [segments, bytes, unfolded] = writer.blocks;
    assert.deepEqual(segments, {
      fingerprints: concatBytes(...SEGMENTS.map((segment) => fingerprinter.of(segment))),
      lengths: SEGMENTS.map(({ length }) => length),
      count: 3,
      codec: payload.codec,
      plainLength: plain.length,
    });
    assert.deepEqual([bytes, unfolded], [payload.bytes.slice(), plain]);
    assert.deepEqual(writer.calls, ["put", "settle"]);
  }
  assert.equal(compressed(plain).codec, CODEC_ZSTD);
});

test("if one segment of a block is not what its fingerprint says, nothing of the block is stored", async () => {
  for (let position = 0; position < SEGMENTS.length; position++) {
    const others = SEGMENTS.map((segment, i) =>
      i === position ? segment.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) : segment,
    );
    for (const payload of [storedOf(concatBytes(...others)), compressed(concatBytes(...others))]) {
      const writer = recordingWriter();
      const served = new SegmentReceiver(writer, fingerprinter).serve(message(SEGMENTS, payload));
      await assert.rejects(served, { code: "FORMAT_INVALID", message: /fingerprint/ });
      assert.deepEqual(writer.calls, []);
    }
  }
});

test("segments that are right but in another order than their fingerprints are refused", async () => {
  const [a, b] = [utf8("aaaa"), utf8("bbbb")];
  const writer = recordingWriter();
  const served = new SegmentReceiver(writer, fingerprinter).serve(message([a, b], storedOf(concatBytes(b, a))));
  await assert.rejects(served, { code: "FORMAT_INVALID" });
  assert.deepEqual(writer.calls, []);
});

test("a fingerprint made with another key is none", async () => {
  const writer = recordingWriter();
  const receiver = new SegmentReceiver(writer, createFingerprinter(new Uint8Array(32).fill(4)));
  await assert.rejects(receiver.serve(message(SEGMENTS, storedOf(concatBytes(...SEGMENTS)))), { code: "FORMAT_INVALID" });
  assert.deepEqual(writer.calls, []);
});

test("a frame that unfolds to more or to less than the block says is refused, and takes no memory beyond that", async () => {
  const zeros = new Uint8Array(MAX_BLOCK_PLAIN_BYTES);
  const { bytes } = compressed(zeros);
  const frame = bytes.slice();
  for (const plainLength of [frame.length + 1, 100_000, MAX_BLOCK_PLAIN_BYTES - 1]) {
    const writer = recordingWriter();
    const payload = { codec: CODEC_ZSTD, plainLength, bytes: frame } as const;
    const served = new SegmentReceiver(writer, fingerprinter).serve(message([zeros.subarray(0, plainLength)], payload));
    await assert.rejects(served, { code: "FORMAT_INVALID" });
    assert.deepEqual(writer.calls, []);
  }
  const short = compressed(zeros.subarray(0, 5_000)).bytes.slice();
  const payload = { codec: CODEC_ZSTD, plainLength: 5_001, bytes: short } as const;
  const served = new SegmentReceiver(recordingWriter(), fingerprinter).serve(message([zeros.subarray(0, 5_001)], payload));
  await assert.rejects(served, { code: "FORMAT_INVALID" });
});

test("what is no block is refused by its format", async () => {
  const receiver = new SegmentReceiver(recordingWriter(), fingerprinter);
  const whole = message(SEGMENTS, storedOf(concatBytes(...SEGMENTS)));
  for (const bytes of [new Uint8Array(0), whole.subarray(0, 40), whole.subarray(0, whole.length - 1), randomBytes(5, 300)]) {
    const isFormatError = (error: unknown): boolean => error instanceof HoldfastError && error.code.startsWith("FORMAT_");
    await assert.rejects(receiver.serve(bytes), isFormatError);
  }
});

test("a block is answered when there is room for more, and with what storing failed with", async () => {
  const room = Promise.withResolvers<void>();
  const receiver = new SegmentReceiver(recordingWriter({ settle: () => room.promise }), fingerprinter);
  let isAnswered = false;
  const answered = receiver.serve(message(SEGMENTS, storedOf(concatBytes(...SEGMENTS)))).then(() => (isAnswered = true));
  await new Promise(setImmediate);
  assert.equal(isAnswered, false);
  room.resolve();
  await answered;
  const full = new HoldfastError("REPOSITORY_WRITE_FAILED", { message: "the disk is full" });
  const failing = new SegmentReceiver(recordingWriter({ settle: () => Promise.reject(full) }), fingerprinter);
  await assert.rejects(failing.serve(message(SEGMENTS, storedOf(concatBytes(...SEGMENTS)))), full);
});

test("a flush is the writer's", async () => {
  const writer = recordingWriter();
  await new SegmentReceiver(writer, fingerprinter).flush();
  assert.deepEqual(writer.calls, ["flush"]);
});
