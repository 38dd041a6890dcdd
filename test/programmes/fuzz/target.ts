// What the fuzzer needs to know of a decoder.

import type { ErrorCode } from "../../../src/base/errors.ts";
import type { Chance } from "../../support/chance.ts";
import type { Field } from "./mutator.ts";

export interface FuzzTarget {
  readonly name: string;
  /** Valid inputs, made by the encoders. */
  readonly seeds: readonly Uint8Array[];
  /** Where an input has its lengths and counts. */
  readonly fieldsOf?: (bytes: Uint8Array) => readonly Field[];
  /** In place of the usual changes. */
  readonly mutate?: (chance: Chance, seeds: readonly Uint8Array[]) => Uint8Array<ArrayBuffer>;
  /** Makes checksums right again, in place, so that what lies behind them is reached. */
  readonly repair?: (bytes: Uint8Array) => void;
  /**
   * Reads the input wholly. Returns, or throws a HoldfastError of FORMAT_…, SEAL_… or `codes`; anything else is a violation, and so is
   * what this finds wrong with the result, as a plain Error.
   */
  readonly read: (bytes: Uint8Array) => unknown;
  readonly codes?: readonly ErrorCode[];
  /** What errors must name. */
  readonly names: RegExp;
  /** What one call may allocate: so many bytes, and so many more for each of the input. */
  readonly memory: { readonly base: number; readonly perByte: number };
}

export const MIB = 1024 * 1024;
/** Small enough to find a length that is believed, large enough for what the engine itself allocates now and then. */
export const SMALL_MEMORY = { base: 4 * MIB, perByte: 64 };

/** For decoders of formats in which there is one way to write a thing. */
export function expectSameBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(found, expected) === 0) return;
  throw new Error(`${what} was read from bytes that no writer makes of it: a second writing for one meaning`);
}
