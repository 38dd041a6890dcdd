// What the cutting key decides (docs/design/cutting.md). Every client of a deduplication domain derives the same
// tables from the same key, and so cuts the same bytes in the same places. Changing anything here makes all data
// new to every repository: the derivation carries a version in its name.
//
//   okm = HKDF-SHA-256(ikm = cutting key, salt = empty, info = "holdfast cutter 1", 105 bytes)
//   offset  size  use
//        0    16  table of the low nibble
//       16    16  table of the high nibble
//       32     1  magic value, its nibbles made different
//       33    32  four 64-bit keys
//       65    32  four 64-bit factors, made odd
//       97     8  final factor, made odd

import { hkdfSync } from "node:crypto";
import { assert } from "../base/assert.ts";
import { utf8, viewOf } from "../base/bytes.ts";

export const CUTTING_KEY_BYTES = 32;

/** Lengths of segments in bytes. */
export interface CutSizes {
  /** No shorter segment but the last of its data; nothing before it is even looked at. */
  readonly minimum: number;
  /** Below it a cut is four times rarer than 1/normal, from it on four times more frequent. */
  readonly normal: number;
  /** No longer segment. */
  readonly maximum: number;
}

export const DEFAULT_CUT_SIZES: CutSizes = { minimum: 512 * 1024, normal: 1024 * 1024, maximum: 4 * 1024 * 1024 };

/** For files that are too large to be stored anew for every edit and too small for segments of the default sizes. */
export const FINE_CUT_SIZES: CutSizes = { minimum: 8 * 1024, normal: 16 * 1024, maximum: 64 * 1024 };

/** The decision about a boundary looks this far back. */
export const LOOK_BACK_BYTES = 32;

export interface CutterParameters {
  readonly tableLow: Uint8Array;
  readonly tableHigh: Uint8Array;
  readonly magic: number;
  readonly keys: BigUint64Array;
  /** Odd. */
  readonly factors: BigUint64Array;
  /** Odd. */
  readonly finalFactor: bigint;
  /** A candidate shorter than normal is a boundary when its mix lies below this. */
  readonly limitBefore: bigint;
  readonly limitAfter: bigint;
}

export function deriveCutterParameters(key: Uint8Array, sizes: CutSizes): CutterParameters {
  assert(key.length === CUTTING_KEY_BYTES, "a cutting key has 32 bytes");
  requireSizes(sizes);
  const okm = new Uint8Array(hkdfSync("sha256", key, new Uint8Array(0), utf8("holdfast cutter 1"), 105));
  const words = viewOf(okm);
  return {
    tableLow: okm.slice(0, 16),
    tableHigh: okm.slice(16, 32),
    magic: withDifferentNibbles(okm[32] as number),
    keys: BigUint64Array.from({ length: 4 }, (_, position) => words.getBigUint64(33 + position * 8, true)),
    factors: BigUint64Array.from({ length: 4 }, (_, position) => words.getBigUint64(65 + position * 8, true) | 1n),
    finalFactor: words.getBigUint64(97, true) | 1n,
    // One byte in 256 passes the first stage, so 256/(4 normal) and 256/(normal/4) of those must pass the second.
    limitBefore: 2n ** 70n / BigInt(sizes.normal),
    limitAfter: 2n ** 74n / BigInt(sizes.normal),
  };
}

/**
 * Eight bytes that repeat after one, two or four give a hash of two equal nibbles, so data of that kind (zeros, patterns of
 * 16 or 32 bits) never passes the first stage: it costs nothing more and is cut at the maximum length.
 */
function withDifferentNibbles(byte: number): number {
  const [high, low] = [byte >> 4, byte & 15];
  return (high << 4) | (high === low ? (low + 1) & 15 : low);
}

function requireSizes({ minimum, normal, maximum }: CutSizes): void {
  const whole = [minimum, normal, maximum].every(Number.isSafeInteger);
  assert(whole && minimum >= 2 * LOOK_BACK_BYTES && minimum < normal && normal < maximum, "64 <= minimum < normal < maximum");
  // Below this even the first stage alone would be too rare for the frequency wanted after the normal length.
  assert(normal >= 2048, "the normal length of a segment is at least 2 KiB");
}
