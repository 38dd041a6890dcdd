// Block payload, version 1 (docs/formats/block.md): what a sealed block holds once it is opened. Little-endian.
//   offset  size  field
//        0     1  version, 1
//        1     1  codec: 0 stored, 1 zstd
//        2     2  reserved, zero
//        4     4  length of the plain bytes
//        8     …  the plain bytes, or one zstd frame of them
// No magic and no checksum: the payload is only ever read after its seal was found whole.

import { assert } from "../base/assert.ts";
import type { Brand } from "../base/brand.ts";
import { HoldfastError } from "../base/errors.ts";
import { ByteReader, viewOf } from "../base/bytes.ts";

/** Content of files and other items. */
export const BLOCK_DATA = 1;
/** Entry pages and segment lists. */
export const BLOCK_METADATA = 2;
/** The directory of a container; one a container, at its end. */
export const BLOCK_DIRECTORY = 3;
export type BlockKind = typeof BLOCK_DATA | typeof BLOCK_METADATA | typeof BLOCK_DIRECTORY;

export const CODEC_STORED = 0;
export const CODEC_ZSTD = 1;
export type BlockCodec = typeof CODEC_STORED | typeof CODEC_ZSTD;

/** 16 bytes that say which block is meant: derived from its segments, or random for a directory. */
export type BlockIdentity = Brand<Uint8Array, "BlockIdentity">;
export const BLOCK_IDENTITY_BYTES = 16;

export const BLOCK_HEADER_BYTES = 8;

/** Bytes a seal adds around a payload: salt 32, commitment 32, tag 16. */
export const SEAL_OVERHEAD_BYTES = 80;

/** A larger plain length would let one damaged or hostile block take that much memory before a byte of it is checked. */
export const MAX_BLOCK_PLAIN_BYTES = 16 * 1024 * 1024;
/** A sealed block never exceeds its plain bytes by more than its wrapping; a larger one would make readers fetch and hold it for nothing. */
export const MAX_BLOCK_STORED_BYTES = MAX_BLOCK_PLAIN_BYTES + BLOCK_HEADER_BYTES + SEAL_OVERHEAD_BYTES;
/** The least a block can be: an empty zstd frame or one stored byte; anything smaller is not a block. */
export const MIN_BLOCK_STORED_BYTES = SEAL_OVERHEAD_BYTES + BLOCK_HEADER_BYTES + 1;

/** A block's payload before it is sealed and after it is opened. `bytes` may be a view that is valid for a short time only. */
export interface BlockPayload {
  readonly codec: BlockCodec;
  readonly plainLength: number;
  /** The plain bytes, or the zstd frame. */
  readonly bytes: Uint8Array;
}

const PAYLOAD_VERSION = 1;

/** Writes the 8 bytes of the header to the beginning of `target`. */
export function encodeBlockHeader(target: Uint8Array, codec: BlockCodec, plainLength: number): void {
  assert(isPlainLength(plainLength), "a block has 1 byte to 16 MiB");
  target[0] = PAYLOAD_VERSION;
  target[1] = codec;
  target[2] = 0;
  target[3] = 0;
  viewOf(target).setUint32(4, plainLength, true);
}

/** Reads an opened payload; `bytes` of the result is a view of `payload`. */
export function decodeBlockPayload(payload: Uint8Array): BlockPayload {
  const reader = new ByteReader(payload, "a block");
  const version = reader.u8();
  if (version !== PAYLOAD_VERSION) {
    throw new HoldfastError("FORMAT_VERSION", {
      message: `Cannot read a block: its version is ${version}, this program knows ${PAYLOAD_VERSION}`,
      context: { version, known: PAYLOAD_VERSION },
      hint: "Use a newer version of Holdfast.",
    });
  }
  const codec = reader.u8();
  if (codec !== CODEC_STORED && codec !== CODEC_ZSTD)
    return reader.invalid(`its codec is ${codec}, known are 0 (stored) and 1 (zstd)`);
  reader.reservedZeros(2);
  const plainLength = reader.u32();
  if (!isPlainLength(plainLength))
    reader.invalid(`its plain length is ${plainLength}, allowed are 1 to ${MAX_BLOCK_PLAIN_BYTES}`);
  const bytes = reader.bytes(reader.remaining);
  if (codec === CODEC_STORED && bytes.length !== plainLength)
    reader.invalid(`it stores ${bytes.length} bytes and declares ${plainLength}`);
  // A frame that is not smaller would have been stored: whoever wrote it does not follow this format.
  if (codec === CODEC_ZSTD && (bytes.length === 0 || bytes.length >= plainLength)) {
    reader.invalid(`it holds a frame of ${bytes.length} bytes for ${plainLength} plain bytes`);
  }
  return { codec, plainLength, bytes };
}

function isPlainLength(plainLength: number): boolean {
  return plainLength >= 1 && plainLength <= MAX_BLOCK_PLAIN_BYTES;
}
