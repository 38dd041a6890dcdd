// Compression of blocks: one zstd frame, or the plain bytes where compression does not pay.
//
// The one-shot call of node:zlib is used with an output buffer that always suffices, so that zstd writes straight into
// it and nothing is copied or grown; the buffer of the previous block is freed before the next (release.ts).

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { CODEC_STORED, CODEC_ZSTD, MAX_BLOCK_PLAIN_BYTES, type BlockPayload } from "../formats/block.ts";
import { OWN_MEMORY_BYTES, releaseNow } from "./release.ts";

export type CompressionLevel = "off" | "fast" | "default" | "best";

// Measured on 1 MiB blocks of text and of programs, MB/s per core and ratio:
//   1: 470, 4.92 and 3.14   3: 370, 5.58 and 3.42   6: 120, 6.28 and 3.61   9: 82, 6.44 and 3.65   12: 57, 6.51 and 3.68
// Behind 9 a block costs half as much again for one per cent.
const ZSTD_LEVELS: Readonly<Record<Exclude<CompressionLevel, "off">, number>> = { fast: 1, default: 3, best: 9 };

/** A frame must be at least this much smaller than the plain bytes: less is not worth decompressing at every restore. */
const LEAST_GAIN = 0.02;

/** Larger frames than any block cannot ask a reader for more memory than this (2^24 bytes). */
const WINDOW_LOG_LIMIT = 24;

const SAMPLES = 64;
const SAMPLE_BYTES = 256;
/** Below this a block is compressed without asking: asking would cost as much. */
const PROBE_FROM_BYTES = 2 * SAMPLES * SAMPLE_BYTES;
/**
 * Chi-square of the sample against evenly spread bytes, below which it counts as random. Random bytes give 255 ± 23, files
 * made by gzip, zstd and brotli 250 to 390; random bytes of which one in twenty is text give 800.
 */
const CHI_SQUARE_LIMIT = 400;

/** A payload and what it was made of. */
export interface CompressedBlock extends BlockPayload {
  readonly plain: Uint8Array;
}

/** Compresses one block after the other. Belongs to one thread. */
export class BlockCompressor {
  readonly level: CompressionLevel;
  readonly #histogram = new Uint32Array(256);
  #previous: Uint8Array | undefined;

  constructor(level: CompressionLevel) {
    this.level = level;
  }

  /**
   * The payload for `plain`, of 1 byte to 16 MiB. Its bytes are valid until the next call, and may be `plain` itself.
   */
  compress(plain: Uint8Array): CompressedBlock {
    assert(plain.length >= 1 && plain.length <= MAX_BLOCK_PLAIN_BYTES, "a block has 1 byte to 16 MiB");
    this.release();
    const stored: CompressedBlock = { codec: CODEC_STORED, plainLength: plain.length, bytes: plain, plain };
    if (this.level === "off") return stored;
    // Who wants the best is not served by a guess, and does not notice its cost.
    if (this.level !== "best" && this.#looksRandom(plain)) return stored;
    const frame = zstdCompressSync(plain, {
      chunkSize: frameBound(plain.length),
      params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVELS[this.level] },
    });
    if (frame.length > plain.length * (1 - LEAST_GAIN)) {
      releaseNow(frame);
      return stored;
    }
    this.#previous = frame;
    return { codec: CODEC_ZSTD, plainLength: plain.length, bytes: bytesOf(frame), plain };
  }

  /** Frees the memory of the last payload, which ends its life. */
  release(): void {
    if (this.#previous !== undefined) releaseNow(this.#previous);
    this.#previous = undefined;
  }

  /**
   * Whether 16 KiB from all over `plain` are spread over the 256 byte values as evenly as random bytes are. Such data has
   * nothing for an entropy coder, and it is nearly always compressed or encrypted already; 15 µs here save 200 to 400 µs in
   * zstd. Repetition shows too, unless it is farther apart than the samples.
   */
  #looksRandom(plain: Uint8Array): boolean {
    if (plain.length < PROBE_FROM_BYTES) return false;
    const histogram = this.#histogram.fill(0);
    const stride = (plain.length - SAMPLE_BYTES) / (SAMPLES - 1);
    for (let sample = 0; sample < SAMPLES; sample++) {
      const from = Math.floor(sample * stride);
      for (let offset = from; offset < from + SAMPLE_BYTES; offset++) {
        const byte = plain[offset] as number;
        histogram[byte] = (histogram[byte] as number) + 1;
      }
    }
    const sampled = SAMPLES * SAMPLE_BYTES;
    let squares = 0;
    for (const count of histogram) squares += count * count;
    const chiSquare = (squares * 256) / sampled - sampled;
    return chiSquare < CHI_SQUARE_LIMIT;
  }
}

/**
 * The plain bytes of a payload: a view of it when they are stored. At most the declared length is ever produced, so a frame
 * that would unfold to more costs nothing.
 */
export function decompressBlock(payload: BlockPayload): Uint8Array {
  const { codec, plainLength, bytes } = payload;
  if (codec === CODEC_STORED) return bytes;
  let plain: Uint8Array;
  try {
    plain = zstdDecompressSync(bytes, {
      // One more than needed: zlib takes a buffer filled to the brim for a sign that more will come, and gets another.
      chunkSize: Math.max(plainLength + 1, constants.Z_MIN_CHUNK),
      maxOutputLength: plainLength,
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_LIMIT },
    });
  } catch (cause) {
    throw new HoldfastError("FORMAT_INVALID", {
      message: `Cannot decompress a block: its frame is not one of ${plainLength} plain bytes`,
      context: { plainLength, frameLength: bytes.length },
      cause,
    });
  }
  if (plain.length !== plainLength) {
    throw new HoldfastError("FORMAT_INVALID", {
      message: `Cannot decompress a block: its frame gives ${plain.length} bytes, declared are ${plainLength}`,
      context: { plainLength, found: plain.length },
    });
  }
  return bytesOf(plain);
}

/** The same memory as a plain Uint8Array: `slice` of a Buffer makes a view where everybody expects a copy. */
function bytesOf(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

/**
 * ZSTD_compressBound, which lets zstd compress into the buffer in one step, and one more for the reason above; at least so
 * much that the buffer is not cut from Node's pool and can be freed.
 */
function frameBound(length: number): number {
  const small = length < 131_072 ? (131_072 - length) >> 11 : 0;
  return Math.max(length + (length >> 8) + small + 1, OWN_MEMORY_BYTES);
}
