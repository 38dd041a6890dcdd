// Compression of blocks: one zstd frame, or the plain bytes where compression does not pay. The buffer of the previous
// block is freed before the next (release.ts).

import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { CODEC_STORED, CODEC_ZSTD, MAX_BLOCK_PLAIN_BYTES, type BlockPayload } from "../formats/block.ts";
import { releaseNow } from "./release.ts";
import { compressFrame, decompressFrame } from "./zstd-frame.ts";
import type { ZstdSettings } from "./zstd-frame.ts";

export type CompressionLevel = "off" | "fast" | "default" | "best";

// Measured on 1 MiB blocks of text and of programs, MB/s per core and ratio:
//   1: 470, 4.92 and 3.14   3: 370, 5.58 and 3.42   6: 120, 6.28 and 3.61   9: 82, 6.44 and 3.65   12: 57, 6.51 and 3.68
// Behind 9 a block costs half as much again for one per cent. Level 3 has tables of 768 KiB, which do not fit the second
// cache of most processors together with the data; with 384 KiB it is 6 to 10 % (text) and 11 to 16 % (programs) faster, and
// its output 0.4 % and 1.1 % larger.
const ZSTD_SETTINGS: Readonly<Record<Exclude<CompressionLevel, "off">, ZstdSettings>> = {
  fast: { level: 1 },
  default: { level: 3, hashLog: 16, chainLog: 15 },
  best: { level: 9 },
};

/** A frame must be at least this much smaller than the plain bytes: less is not worth decompressing at every restore. */
const LEAST_GAIN = 0.02;

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
    const frame = compressFrame(plain, ZSTD_SETTINGS[this.level]);
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
  const plain = decompressFrame(bytes, plainLength, "a block");
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
