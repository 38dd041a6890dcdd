// The backup stream: what the two halves of a backup say to each other, in one process or over a network
// (docs/formats/stream.md). Every message: u8 type, u8 reserved zero, u16 reserved zero, u32 payload length,
// payload. Little-endian. Messages about entries come in path order.

import { ByteReader, ByteWriter, textOf, utf8 } from "../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { SEALED_RECORD_LIMIT } from "./sealed-record.ts";
import { SEGMENT_REFERENCE_BYTES, readSegmentReference } from "./segment-reference.ts";
import type { SegmentReference } from "./segment-reference.ts";

export const MESSAGE_HEADER_BYTES = 8;
const ENTRY_HEADER_BYTES = 8;
/** Nothing larger is accepted: an entry with the longest path and body fits twice. */
export const MESSAGE_LIMIT = 1024 * 1024;
/** But for a commit: as much as a record may hold. */
export const COMMIT_LIMIT = SEALED_RECORD_LIMIT;

/** A batch of messages: what a sender gathers before it sends, and a commit behind it. */
export const BATCH_LIMIT: number = COMMIT_LIMIT + 2 * MESSAGE_LIMIT;

/** From client to server. */
export const MESSAGE_BASE_OFFER = 1;
export const MESSAGE_CLAIM = 2;
export const MESSAGE_ENTRY = 3;
export const MESSAGE_CONTENT = 4;
export const MESSAGE_CONTENT_END = 5;
export const MESSAGE_CHECKPOINT = 6;
export const MESSAGE_COMMIT = 7;

/** From server to client. */
export const REPLY_BASE_ACCEPTED = 65;
export const REPLY_BASE_REFUSED = 66;
export const REPLY_CLAIM_ACCEPTED = 67;
export const REPLY_NEED = 68;
export const REPLY_CHECKPOINTED = 69;
export const REPLY_COMMITTED = 70;

/**
 * A metadata header: "entries first … first+count-1 of base number `base` are unchanged". The fingerprint is that of the range
 * (range digest in docs/formats/stream.md), so that the server can check the claim against its own pages.
 */
export interface Claim {
  /** Which of the accepted bases, in the order they were accepted. */
  readonly base: number;
  readonly first: number;
  readonly count: number;
  readonly fingerprint: Fingerprint;
}

/** A data header: one new or changed entry. Content that does not fit its body follows in content messages. */
export interface EntryMessage {
  readonly path: Uint8Array;
  readonly body: Uint8Array;
  readonly contentFollows: boolean;
}

export type ClientMessage =
  | { readonly type: "base-offer"; readonly imageId: string }
  | { readonly type: "claim"; readonly claim: Claim }
  | ({ readonly type: "entry" } & EntryMessage)
  | { readonly type: "content"; readonly segments: readonly SegmentReference[] }
  | { readonly type: "content-end" }
  | { readonly type: "checkpoint" }
  | { readonly type: "commit"; readonly record: Uint8Array };

export type ServerReply =
  | { readonly type: "base-accepted" }
  | { readonly type: "base-refused"; readonly reason: string }
  | { readonly type: "claim-accepted" }
  | { readonly type: "need"; readonly first: number; readonly count: number }
  | { readonly type: "checkpointed" }
  | { readonly type: "committed"; readonly imageId: string };

function begin(writer: ByteWriter, type: number): number {
  writer.u8(type).u8(0).u16(0).u32(0);
  return writer.length;
}

function finish(writer: ByteWriter, start: number): void {
  writer.patchU32(start - 4, writer.length - start);
}

export function writeClaim(writer: ByteWriter, claim: Claim): void {
  const start = begin(writer, MESSAGE_CLAIM);
  writer.u32(claim.base).u64(claim.first).u64(claim.count).bytes(claim.fingerprint);
  finish(writer, start);
}

export function writeEntry(writer: ByteWriter, entry: EntryMessage): void {
  const start = begin(writer, MESSAGE_ENTRY);
  writer
    .u8(entry.contentFollows ? 1 : 0)
    .u8(0)
    .u16(entry.path.length)
    .u16(entry.body.length)
    .u16(0);
  writer.bytes(entry.path).bytes(entry.body);
  finish(writer, start);
}

/** References as they are stored, 36 bytes each; as many messages as the limit asks for. */
export function writePackedContent(writer: ByteWriter, references: Uint8Array): void {
  for (let from = 0; from < references.length; from += CONTENT_BYTES) {
    const start = begin(writer, MESSAGE_CONTENT);
    writer.bytes(references.subarray(from, from + CONTENT_BYTES));
    finish(writer, start);
  }
}

/** A content message carries at most this much: whole references, far below the limit. */
const CONTENT_BYTES = SEGMENT_REFERENCE_BYTES * 4096;

export function writeContentEnd(writer: ByteWriter): void {
  finish(writer, begin(writer, MESSAGE_CONTENT_END));
}

export function writeBaseOffer(writer: ByteWriter, imageId: string): void {
  const start = begin(writer, MESSAGE_BASE_OFFER);
  writer.bytes(utf8(imageId));
  finish(writer, start);
}

export function writeCheckpoint(writer: ByteWriter): void {
  finish(writer, begin(writer, MESSAGE_CHECKPOINT));
}

/** `record` is the client's part of the image record, as `encodeSentPart` makes it. */
export function writeCommit(writer: ByteWriter, record: Uint8Array): void {
  const start = begin(writer, MESSAGE_COMMIT);
  writer.bytes(record);
  finish(writer, start);
}

export function encodeReply(reply: ServerReply): Uint8Array {
  const writer = new ByteWriter(64);
  const type = REPLY_TYPES[reply.type];
  const start = begin(writer, type);
  if (reply.type === "base-refused") writer.bytes(utf8(reply.reason));
  if (reply.type === "need") writer.u64(reply.first).u64(reply.count);
  if (reply.type === "committed") writer.bytes(utf8(reply.imageId));
  finish(writer, start);
  return writer.take();
}

const REPLY_TYPES: Readonly<Record<ServerReply["type"], number>> = {
  "base-accepted": REPLY_BASE_ACCEPTED,
  "base-refused": REPLY_BASE_REFUSED,
  "claim-accepted": REPLY_CLAIM_ACCEPTED,
  need: REPLY_NEED,
  checkpointed: REPLY_CHECKPOINTED,
  committed: REPLY_COMMITTED,
};

/** All messages of a batch, in order. Byte fields are views into `batch`. */
export function* readClientMessages(batch: Uint8Array): Generator<ClientMessage> {
  const reader = new ByteReader(batch, "a backup stream");
  while (reader.remaining > 0) {
    const { type, length } = readFrameHeader(reader);
    yield type === MESSAGE_ENTRY ? readEntryMessage(reader, length) : decodeClientMessage(type, reader.bytes(length));
  }
}

export function decodeReply(bytes: Uint8Array): ServerReply {
  const frameReader = new ByteReader(bytes, "a reply of the backup stream");
  const { type, length } = readFrameHeader(frameReader);
  const payload = frameReader.bytes(length);
  frameReader.end();
  const reader = new ByteReader(payload, "a reply of the backup stream");
  switch (type) {
    case REPLY_BASE_ACCEPTED:
      reader.end();
      return { type: "base-accepted" };
    case REPLY_BASE_REFUSED:
      return { type: "base-refused", reason: textOf(payload) };
    case REPLY_CLAIM_ACCEPTED:
      reader.end();
      return { type: "claim-accepted" };
    case REPLY_NEED: {
      const need = { type: "need", first: reader.size(), count: reader.size() } as const;
      reader.end();
      return need;
    }
    case REPLY_CHECKPOINTED:
      reader.end();
      return { type: "checkpointed" };
    case REPLY_COMMITTED:
      return { type: "committed", imageId: textOf(payload) };
    default:
      return frameReader.invalid(`the unknown reply type ${type}`);
  }
}

function readFrameHeader(reader: ByteReader): { type: number; length: number } {
  const type = reader.u8();
  reader.reservedZeros(3);
  const length = reader.u32();
  const limit = type === MESSAGE_COMMIT ? COMMIT_LIMIT : MESSAGE_LIMIT;
  if (length > limit) reader.invalid(`a message of ${length} bytes, the limit is ${limit}`);
  return { type, length };
}

/** Nearly all messages are entries, so they are read where they lie. */
function readEntryMessage(reader: ByteReader, length: number): ClientMessage {
  const contentFollows = reader.u8();
  if (contentFollows > 1) reader.invalid(`the content flag ${contentFollows}`);
  reader.reservedZeros(1);
  const pathLength = reader.u16();
  const bodyLength = reader.u16();
  reader.reservedZeros(2);
  const wanted = ENTRY_HEADER_BYTES + pathLength + bodyLength;
  if (length !== wanted) reader.invalid(`an entry of ${wanted} bytes in a message of ${length}`);
  return { type: "entry", path: reader.bytes(pathLength), body: reader.bytes(bodyLength), contentFollows: contentFollows === 1 };
}

function decodeClientMessage(type: number, payload: Uint8Array): ClientMessage {
  const reader = new ByteReader(payload, "a message of the backup stream");
  switch (type) {
    case MESSAGE_BASE_OFFER:
      return { type: "base-offer", imageId: textOf(payload) };
    case MESSAGE_CLAIM: {
      const base = reader.u32();
      const first = reader.size();
      const count = reader.size();
      const fingerprint = reader.bytes(FINGERPRINT_BYTES) as Fingerprint;
      reader.end();
      if (count === 0) reader.invalid("a claim of no entries");
      return { type: "claim", claim: { base, first, count, fingerprint } };
    }
    case MESSAGE_CONTENT: {
      const segments: SegmentReference[] = [];
      while (reader.remaining > 0) segments.push(readSegmentReference(reader));
      return { type: "content", segments };
    }
    case MESSAGE_CONTENT_END:
      reader.end();
      return { type: "content-end" };
    case MESSAGE_CHECKPOINT:
      reader.end();
      return { type: "checkpoint" };
    case MESSAGE_COMMIT:
      return { type: "commit", record: payload };
    default:
      return reader.invalid(`the unknown type ${type}`);
  }
}
