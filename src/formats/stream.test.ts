import assert from "node:assert/strict";
import { test } from "node:test";
import { workedExample } from "../../test/support/worked-example.ts";
import { ByteWriter, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import {
  decodeReply,
  encodeReply,
  readClientMessages,
  writeBaseOffer,
  writeCheckpoint,
  writeClaim,
  writeCommit,
  writeContentEnd,
  writeEntry,
  writePackedContent,
} from "./stream.ts";
import type { ClientMessage, ServerReply } from "./stream.ts";
import { SEGMENT_REFERENCE_BYTES, writeSegmentReference } from "./segment-reference.ts";

const aa = new Uint8Array(32).fill(0xaa) as Uint8Array as Fingerprint;

const examples: readonly ClientMessage[] = [
  { type: "claim", claim: { base: 0, first: 0, count: 5, fingerprint: aa } },
  { type: "entry", path: utf8("a"), body: new Uint8Array(56).fill(1), contentFollows: false },
  { type: "commit", record: utf8("{}") },
];

test("the worked example of docs/formats/stream.md decodes, and encodes to the same bytes", () => {
  const example = workedExample("stream.md");
  assert.deepEqual([...readClientMessages(example)], examples);
  const writer = new ByteWriter();
  writeClaim(writer, { base: 0, first: 0, count: 5, fingerprint: aa });
  writeEntry(writer, { path: utf8("a"), body: new Uint8Array(56).fill(1), contentFollows: false });
  writeCommit(writer, utf8("{}"));
  assert.deepEqual(writer.take(), example);
});

test("content of any length is sent in messages below the limit and arrives whole", () => {
  const references = new ByteWriter();
  for (let i = 0; i < 10_000; i++) writeSegmentReference(references, { kind: "data", length: i + 1, fingerprint: aa });
  const writer = new ByteWriter();
  writePackedContent(writer, references.peek());
  writeContentEnd(writer);
  const messages = [...readClientMessages(writer.take())];
  assert.deepEqual(messages.at(-1), { type: "content-end" });
  const lengths = messages.flatMap((message) =>
    message.type === "content" ? message.segments.map((segment) => segment.length) : [],
  );
  assert.deepEqual(
    lengths,
    Array.from({ length: 10_000 }, (_, i) => i + 1),
  );
  assert.equal(references.length, 10_000 * SEGMENT_REFERENCE_BYTES);
});

test("every reply is read as it was written", () => {
  const replies: readonly ServerReply[] = [
    { type: "base-accepted" },
    { type: "base-refused", reason: "no such image" },
    { type: "claim-accepted" },
    { type: "need", first: 7, count: 2 ** 40 },
    { type: "checkpointed" },
    { type: "committed", imageId: "ab".repeat(32) },
  ];
  assert.deepEqual(
    replies.map((reply) => decodeReply(encodeReply(reply))),
    replies,
  );
});

test("truncated, oversized and unknown messages are refused with a format error", () => {
  const writer = new ByteWriter();
  writeBaseOffer(writer, "ab".repeat(32));
  writeCheckpoint(writer);
  writeClaim(writer, { base: 0, first: 0, count: 5, fingerprint: aa });
  const batch = writer.take();
  const boundaries = new Set([0, 72, 80, batch.length]);
  for (let length = 0; length < batch.length; length++) {
    if (boundaries.has(length)) continue;
    assert.throws(() => [...readClientMessages(batch.subarray(0, length))], HoldfastError, `length ${length}`);
  }
  assert.throws(() => [...readClientMessages(Uint8Array.of(99, 0, 0, 0, 0, 0, 0, 0))], { code: "FORMAT_INVALID" });
  assert.throws(() => [...readClientMessages(Uint8Array.of(1, 0, 0, 0, 1, 0, 0x10, 0))], { code: "FORMAT_INVALID" });
  const entry = new ByteWriter();
  writeEntry(entry, { path: utf8("a"), body: new Uint8Array(56), contentFollows: false });
  for (const lie of [64, 66]) {
    const bytes = entry.peek().slice();
    bytes[4] = lie;
    assert.throws(() => [...readClientMessages(bytes)], HoldfastError, `an entry of 65 bytes that says ${lie}`);
  }
  assert.throws(() => [...readClientMessages(Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0))], { code: "FORMAT_RESERVED" });
});
