// Segments on their way to the receiving half of a backup over a network (docs/formats/exchange.md): fingerprints are offered, what
// is wanted is sent in blocks, and of what is stored already possession is proved.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import { HoldfastError } from "../base/errors.ts";
import { BLOCK_HEADER_BYTES, MAX_BLOCK_PLAIN_BYTES, decodeBlockPayload, encodeBlockHeader } from "./block.ts";
import type { BlockPayload } from "./block.ts";

/** Of one offer, one block, and one set of proofs. */
export const TRANSFER_SEGMENTS_LIMIT = 8192;
/** Bytes of the number that proofs are made with; the receiving half draws one for each backup. */
export const CHALLENGE_BYTES = 32;
export const PROOF_BYTES = 32;

const SEGMENT_BYTES = FINGERPRINT_BYTES + 4;
/** The longest message there is. */
export const TRANSFER_BYTES_LIMIT: number =
  8 + TRANSFER_SEGMENTS_LIMIT * SEGMENT_BYTES + BLOCK_HEADER_BYTES + MAX_BLOCK_PLAIN_BYTES;

/** The segment is there, and this backup has stored it or proved that it has it. */
export const SEGMENT_HELD = 0;
export const SEGMENT_WANTED = 1;
/** It is there, and counts when it is proved that the sender has it too. */
export const SEGMENT_TO_PROVE = 2;

/** How many fingerprints, one after another, an offer holds. FORMAT_INVALID. */
export function readOffer(bytes: Uint8Array): number {
  return countOf(bytes, FINGERPRINT_BYTES, "an offer of segments");
}

/** One of the constants for each fingerprint that was offered. FORMAT_INVALID when there are more or fewer, or others. */
export function readAnswer(bytes: Uint8Array, count: number): Uint8Array {
  if (bytes.length === count && bytes.every((state) => state <= SEGMENT_TO_PROVE)) return bytes;
  throw invalid("the answer to an offer of segments", `it has ${bytes.length} bytes for ${count} segments, or unknown ones`);
}

/** A fingerprint and the proof, for each segment. */
export const PROVED_SEGMENT_BYTES: number = FINGERPRINT_BYTES + PROOF_BYTES;

/** How many there are. FORMAT_INVALID. */
export function readProofs(bytes: Uint8Array): number {
  return countOf(bytes, PROVED_SEGMENT_BYTES, "proofs of possession");
}

export interface SegmentBlock {
  /** 32 bytes for each segment. */
  readonly fingerprints: Uint8Array;
  readonly lengths: Uint32Array;
  readonly count: number;
  /** The segments one after another, compressed or not. */
  readonly payload: BlockPayload;
}

/** In memory of its own. */
export function encodeSegmentBlock({ fingerprints, lengths, count, payload }: SegmentBlock): Uint8Array {
  const writer = new ByteWriter(8 + count * SEGMENT_BYTES + BLOCK_HEADER_BYTES + payload.bytes.length);
  writer
    .u32(count)
    .u32(0)
    .bytes(fingerprints.subarray(0, count * FINGERPRINT_BYTES));
  for (let i = 0; i < count; i++) writer.u32(lengths[i] as number);
  const header = new Uint8Array(BLOCK_HEADER_BYTES);
  encodeBlockHeader(header, payload.codec, payload.plainLength);
  writer.bytes(header).bytes(payload.bytes);
  return writer.take();
}

/** Byte fields are views into `bytes`. The lengths make up the plain length. FORMAT_INVALID and what `decodeBlockPayload` throws. */
export function decodeSegmentBlock(bytes: Uint8Array): SegmentBlock {
  const reader = new ByteReader(bytes, "a block of segments");
  const count = reader.u32();
  reader.reservedZeros(4);
  if (count === 0 || count > TRANSFER_SEGMENTS_LIMIT)
    reader.invalid(`it has ${count} segments, allowed are 1 to ${TRANSFER_SEGMENTS_LIMIT}`);
  const fingerprints = reader.bytes(count * FINGERPRINT_BYTES);
  const lengths = Uint32Array.from({ length: count }, () => reader.u32());
  const payload = decodeBlockPayload(reader.bytes(reader.remaining));
  let sum = 0;
  for (const length of lengths) {
    if (length === 0) reader.invalid("a segment of no bytes");
    sum += length;
  }
  if (sum !== payload.plainLength) reader.invalid(`its segments have ${sum} bytes, the block has ${payload.plainLength}`);
  return { fingerprints, lengths, count, payload };
}

function countOf(bytes: Uint8Array, size: number, what: string): number {
  const count = bytes.length / size;
  if (Number.isInteger(count) && count >= 1 && count <= TRANSFER_SEGMENTS_LIMIT) return count;
  throw invalid(what, `it has ${bytes.length} bytes; ${size} for each of 1 to ${TRANSFER_SEGMENTS_LIMIT} segments were expected`);
}

function invalid(what: string, problem: string): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", {
    message: `Cannot read ${what}: ${problem}`,
    hint: "The other half is faulty or of another version.",
  });
}
