// One zstd frame (RFC 8878) from bytes and back.
//
// The one-shot calls of node:zlib are used with an output buffer that always suffices, so that zstd writes straight into
// it and nothing is copied or grown.

import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { HoldfastError } from "../base/errors.ts";
import { OWN_MEMORY_BYTES } from "./release.ts";

/** Larger frames than any of ours cannot ask a reader for more memory than this (2^24 bytes). */
const WINDOW_LOG_LIMIT = 24;

export interface ZstdSettings {
  /** One of zstd's, 1 to 22. */
  readonly level: number;
  /** Sizes of its tables as powers of two, where they are not to be those of the level. */
  readonly hashLog?: number;
  readonly chainLog?: number;
}

/** The result has its memory for itself, which may be larger than it. */
export function compressFrame(plain: Uint8Array, { level, hashLog = 0, chainLog = 0 }: ZstdSettings): Uint8Array {
  return zstdCompressSync(plain, {
    chunkSize: frameBound(plain.length),
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      // Zero stands for what the level says.
      [constants.ZSTD_c_hashLog]: hashLog,
      [constants.ZSTD_c_chainLog]: chainLog,
    },
  });
}

/**
 * The plain bytes of a frame, at most `limitBytes`: more is never produced, so a frame that would unfold to more costs nothing
 * (FORMAT_INVALID, which names `what`). So much memory is taken at once; where the limit is far away, `likelyBytes` says how much.
 */
export function decompressFrame(frame: Uint8Array, limitBytes: number, what: string, likelyBytes = limitBytes): Uint8Array {
  try {
    return zstdDecompressSync(frame, {
      // One more than needed: zlib takes a buffer filled to the brim for a sign that more will come, and gets another.
      chunkSize: Math.max(likelyBytes + 1, constants.Z_MIN_CHUNK),
      maxOutputLength: limitBytes,
      params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG_LIMIT },
    });
  } catch (cause) {
    throw new HoldfastError("FORMAT_INVALID", {
      message: `Cannot decompress ${what}: its ${frame.length} bytes are not a zstd frame of at most ${limitBytes} plain bytes`,
      context: { plainLength: limitBytes, frameLength: frame.length },
      cause,
    });
  }
}

/**
 * ZSTD_compressBound, which lets zstd compress into the buffer in one step, and one more for the reason above; at least so
 * much that the buffer is not cut from Node's pool and can be freed.
 */
function frameBound(length: number): number {
  const small = length < 131_072 ? (131_072 - length) >> 11 : 0;
  return Math.max(length + (length >> 8) + small + 1, OWN_MEMORY_BYTES);
}
