// The cutter said plainly and slowly, for tests only: docs/design/cutting.md in TypeScript. No step is shared with the
// WebAssembly but the parameters.

import { deriveCutterParameters, type CutSizes, type CutterParameters } from "./cutter-parameters.ts";

/** The end of the segment that begins at `start`, when `bytes` is all the data there is. */
export function referenceCut(parameters: CutterParameters, sizes: CutSizes, bytes: Uint8Array, start: number): number {
  const longest = Math.min(sizes.maximum, bytes.length - start);
  for (let length = sizes.minimum; length < longest; length++) {
    const limit = length < sizes.normal ? parameters.limitBefore : parameters.limitAfter;
    const last = start + length - 1;
    if (firstStage(parameters, bytes, last) === parameters.magic && secondStage(parameters, bytes, last) < limit) return last + 1;
  }
  return start + longest;
}

/** All segment ends of `bytes`. */
export function referenceCuts(key: Uint8Array, sizes: CutSizes, bytes: Uint8Array): number[] {
  const parameters = deriveCutterParameters(key, sizes);
  const ends: number[] = [];
  for (let start = 0; start < bytes.length;) {
    start = referenceCut(parameters, sizes, bytes, start);
    ends.push(start);
  }
  return ends;
}

/** 8 bits of the last 8 bytes: the gear of the byte k places back is rotated by k. */
export function firstStage(parameters: CutterParameters, bytes: Uint8Array, last: number): number {
  let hash = 0;
  for (let back = 0; back < 8; back++) {
    const byte = bytes[last - back] as number;
    const gear = (parameters.tableLow[byte & 15] as number) ^ (parameters.tableHigh[byte >> 4] as number);
    hash ^= (gear << back) | (gear >> (8 - back));
  }
  return hash & 0xff;
}

/** 64 bits of the last 32 bytes. */
function secondStage(parameters: CutterParameters, bytes: Uint8Array, last: number): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset + last - 31, 32);
  let sum = 0n;
  for (let word = 0; word < 4; word++) {
    sum += (view.getBigUint64(word * 8, true) ^ (parameters.keys[word] as bigint)) * (parameters.factors[word] as bigint);
  }
  let mixed = BigInt.asUintN(64, sum);
  mixed ^= mixed >> 32n;
  mixed = BigInt.asUintN(64, mixed * parameters.finalFactor);
  return mixed ^ (mixed >> 29n);
}
