// What the cutting key decides (docs/design/cutting.md). Every client of a deduplication domain derives the same
// tables from the same key, and so cuts the same bytes in the same places. Changing anything here makes all data
// new to every repository: the derivation carries a version in its name.
//
//   okm = HKDF-SHA-256(ikm = cutting key, salt = empty, info = "holdfast cutter 1" ‖ attempt u8, 121 bytes)
//   offset  size  use
//        0    16  table of the low nibble
//       16    16  table of the high nibble
//       32    16  order that decides which 8 entries of the low table are odd
//       48     1  where the search for the magic value starts
//       49    32  four 64-bit keys
//       81    32  four 64-bit factors, made odd
//      113     8  final factor, made odd

import { hkdfSync } from "node:crypto";
import { assert } from "../base/assert.ts";
import { concatBytes, utf8, viewOf } from "../base/bytes.ts";

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
  for (let attempt = 0; attempt < 256; attempt++) {
    const info = concatBytes(utf8("holdfast cutter 1"), Uint8Array.of(attempt));
    const okm = new Uint8Array(hkdfSync("sha256", key, new Uint8Array(0), info, 121));
    const tableLow = withHalfOdd(okm.subarray(0, 16), okm.subarray(32, 48));
    const tableHigh = okm.slice(16, 32);
    const magic = magicOf(tableLow, tableHigh, okm[48] as number);
    if (magic === undefined) continue;
    const words = viewOf(okm);
    return {
      tableLow,
      tableHigh,
      magic,
      keys: BigUint64Array.from({ length: 4 }, (_, position) => words.getBigUint64(49 + position * 8, true)),
      factors: BigUint64Array.from({ length: 4 }, (_, position) => words.getBigUint64(81 + position * 8, true) | 1n),
      finalFactor: words.getBigUint64(113, true) | 1n,
      // One byte in 256 passes the first stage, so 256/(4 normal) and 256/(normal/4) of those must pass the second.
      limitBefore: 2n ** 70n / BigInt(sizes.normal),
      limitAfter: 2n ** 74n / BigInt(sizes.normal),
    };
  }
  // Two tables leave no value free only when their 256 sums are all different: 256 times in a row is not chance.
  throw new Error("Broken invariant: a cutting key yields usable tables");
}

/**
 * Sets the lowest bit in the 8 entries that come first in `order`, and clears it in the others. With exactly half of the
 * sums odd, the first stage hits random data exactly once in 256 bytes, whatever the rest of the tables.
 */
function withHalfOdd(table: Uint8Array, order: Uint8Array): Uint8Array {
  const positions = Array.from(order.keys()).sort((a, b) => (order[a] as number) - (order[b] as number) || a - b);
  const odd = new Set(positions.slice(0, 8));
  return table.map((entry, position) => (odd.has(position) ? entry | 1 : entry & 0xfe));
}

/** The first value from `start` on that no run of equal bytes has as its hash: such a run gives -gear of its byte. */
function magicOf(tableLow: Uint8Array, tableHigh: Uint8Array, start: number): number | undefined {
  const taken = new Set<number>();
  for (const low of tableLow) for (const high of tableHigh) taken.add(-(low + high) & 0xff);
  for (let step = 0; step < 256; step++) {
    const value = (start + step) & 0xff;
    if (!taken.has(value)) return value;
  }
  return undefined;
}

function requireSizes({ minimum, normal, maximum }: CutSizes): void {
  const whole = [minimum, normal, maximum].every(Number.isSafeInteger);
  assert(whole && minimum >= 2 * LOOK_BACK_BYTES && minimum < normal && normal < maximum, "64 <= minimum < normal < maximum");
  // Below this even the first stage alone would be too rare for the frequency wanted after the normal length.
  assert(normal >= 2048, "the normal length of a segment is at least 2 KiB");
}
