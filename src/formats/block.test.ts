import assert from "node:assert/strict";
import { test } from "node:test";
import { workedExample } from "../../test/support/worked-example.ts";
import { concatBytes, textOf } from "../base/bytes.ts";
import { hasCode } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import { CODEC_STORED, CODEC_ZSTD, MAX_BLOCK_PLAIN_BYTES, decodeBlockPayload, encodeBlockHeader } from "./block.ts";
import type { BlockCodec } from "./block.ts";

function payloadOf(codec: BlockCodec, plainLength: number, bytes: Uint8Array): Uint8Array {
  const header = new Uint8Array(8);
  encodeBlockHeader(header, codec, plainLength);
  return concatBytes(header, bytes);
}

function refused(payload: Uint8Array, code: ErrorCode): void {
  assert.throws(
    () => decodeBlockPayload(payload),
    (error) => hasCode(error, code),
    `expected ${code}`,
  );
}

function changed(payload: Uint8Array, offset: number, value: number): Uint8Array {
  return payload.slice().fill(value, offset, offset + 1);
}

test("the worked example of docs/formats/block.md decodes, and encodes to the same bytes", () => {
  const example = workedExample("block.md");
  const { codec, plainLength, bytes } = decodeBlockPayload(example);
  assert.deepEqual([codec, plainLength, textOf(bytes)], [CODEC_STORED, 8, "holdfast"]);
  assert.deepEqual(payloadOf(codec, plainLength, bytes), example);
});

test("a payload of either codec comes back as a view", () => {
  const payload = payloadOf(CODEC_ZSTD, 1000, new Uint8Array(20).fill(7));
  const decoded = decodeBlockPayload(payload);
  assert.deepEqual(decoded, { codec: CODEC_ZSTD, plainLength: 1000, bytes: new Uint8Array(20).fill(7) });
  assert.equal(decoded.bytes.buffer, payload.buffer);
});

test("a header is written over whatever was there", () => {
  const target = new Uint8Array(9).fill(0xff);
  encodeBlockHeader(target, CODEC_STORED, 1);
  assert.deepEqual(target, Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 0xff));
});

test("version, codec, reserved bytes, lengths and truncation are refused each with its own error", () => {
  const payload = payloadOf(CODEC_STORED, 3, new Uint8Array(3));
  refused(changed(payload, 0, 2), "FORMAT_VERSION");
  refused(changed(payload, 0, 0), "FORMAT_VERSION");
  refused(changed(payload, 1, 2), "FORMAT_INVALID");
  refused(changed(payload, 2, 1), "FORMAT_RESERVED");
  refused(changed(payload, 3, 1), "FORMAT_RESERVED");
  refused(changed(payload, 4, 0), "FORMAT_INVALID");
  refused(changed(payload, 4, 2), "FORMAT_INVALID");
  refused(changed(payload, 4, 4), "FORMAT_INVALID");
  for (let length = 0; length < 8; length++) refused(payload.subarray(0, length), "FORMAT_TRUNCATED");
  for (let length = 8; length < 11; length++) refused(payload.subarray(0, length), "FORMAT_INVALID");
});

test("a plain length beyond the limit is refused before anything is made of it", () => {
  refused(changed(payloadOf(CODEC_ZSTD, MAX_BLOCK_PLAIN_BYTES, new Uint8Array(20)), 4, 1), "FORMAT_INVALID");
  refused(changed(payloadOf(CODEC_ZSTD, 1000, new Uint8Array(20)), 7, 0xff), "FORMAT_INVALID");
  assert.throws(() => payloadOf(CODEC_ZSTD, MAX_BLOCK_PLAIN_BYTES + 1, new Uint8Array(20)), /16 MiB/);
  assert.throws(() => payloadOf(CODEC_STORED, 0, new Uint8Array(0)), /1 byte/);
});

test("a frame that is empty or no smaller than what it unfolds to is refused", () => {
  refused(payloadOf(CODEC_ZSTD, 20, new Uint8Array(0)), "FORMAT_INVALID");
  refused(payloadOf(CODEC_ZSTD, 20, new Uint8Array(20)), "FORMAT_INVALID");
  assert.equal(decodeBlockPayload(payloadOf(CODEC_ZSTD, 20, new Uint8Array(19))).bytes.length, 19);
});
