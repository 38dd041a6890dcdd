// Turns valid inputs into invalid ones that look like them: bits, numbers, lengths, ranges, splices. Numbers that say how
// long or how many something is are hit more often than others, because that is where readers trust too much.

import { viewOf } from "../../../src/base/bytes.ts";
import type { Chance } from "../../support/chance.ts";

/** A number in the bytes that says how long, how many or where. Little-endian. */
export interface Field {
  readonly at: number;
  readonly bytes: 1 | 2 | 4 | 8;
}

const MOST_MUTATIONS = 4;
/** Longer inputs would measure the mutator and not the reader. */
const LONGEST_BYTES = 1024 * 1024;

/** One of `seeds`, changed in one to four places. `fieldsOf` finds the length fields of an input, as far as they are known. */
export function mutated(
  chance: Chance,
  seeds: readonly Uint8Array[],
  fieldsOf?: (bytes: Uint8Array) => readonly Field[],
): Uint8Array<ArrayBuffer> {
  let bytes = Uint8Array.from(chance.pick(seeds));
  for (let left = 1 + chance.below(MOST_MUTATIONS); left > 0; left--) {
    const fields = fieldsOf?.(bytes) ?? [];
    bytes = fields.length > 0 && chance.oneIn(3) ? withField(chance, bytes, chance.pick(fields)) : changed(chance, bytes, seeds);
  }
  return bytes.subarray(0, LONGEST_BYTES);
}

function changed(chance: Chance, bytes: Uint8Array<ArrayBuffer>, seeds: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  if (bytes.length === 0) return chance.bytes(chance.size(64));
  const at = chance.below(bytes.length);
  const length = chance.size(Math.min(bytes.length - at, 512));
  switch (chance.below(10)) {
    case 0:
    case 1:
      bytes[at] = (bytes[at] as number) ^ (1 << chance.below(8));
      return bytes;
    case 2:
      bytes[at] = chance.pick([0, 1, 0x7f, 0x80, 0xff, chance.below(256)]);
      return bytes;
    case 3:
      return withField(chance, bytes, { at, bytes: chance.pick([1, 2, 4, 8] as const) });
    case 4:
      return bytes.slice(0, at);
    case 5:
      return joined(bytes, chance.bytes(chance.size(256)));
    case 6:
      return joined(bytes.slice(0, at), bytes.slice(at + length));
    case 7:
      // The same once more, or many times more.
      return joined(
        bytes.slice(0, at),
        ...Array.from({ length: 1 + chance.size(64) }, () => bytes.slice(at, at + length)),
        bytes.slice(at),
      );
    case 8: {
      const other = chance.pick(seeds);
      return joined(bytes.slice(0, at), Uint8Array.from(other.subarray(chance.below(other.length))));
    }
    default:
      bytes.fill(chance.pick([0, 0xff, chance.below(256)]), at, at + length);
      return bytes;
  }
}

/** Extremes, what is just beyond the truth, and what is far beyond it. */
function withField(chance: Chance, bytes: Uint8Array<ArrayBuffer>, field: Field): Uint8Array<ArrayBuffer> {
  if (field.at + field.bytes > bytes.length) return bytes;
  const view = viewOf(bytes);
  const bits = BigInt(field.bytes * 8);
  const present = readField(view, field);
  const most = (1n << bits) - 1n;
  const value = chance.pick([
    0n,
    1n,
    most,
    most >> 1n,
    (most >> 1n) + 1n,
    present + 1n,
    present - 1n,
    present * 2n,
    BigInt(bytes.length),
    BigInt(bytes.length) + 1n,
    1n << 53n,
    BigInt(chance.size(2 ** 30)),
    BigInt(chance.below(256)),
  ]);
  writeField(view, field, BigInt.asUintN(Number(bits), value));
  return bytes;
}

function readField(view: DataView, { at, bytes }: Field): bigint {
  if (bytes === 1) return BigInt(view.getUint8(at));
  if (bytes === 2) return BigInt(view.getUint16(at, true));
  if (bytes === 4) return BigInt(view.getUint32(at, true));
  return view.getBigUint64(at, true);
}

function writeField(view: DataView, { at, bytes }: Field, value: bigint): void {
  if (bytes === 1) view.setUint8(at, Number(value));
  else if (bytes === 2) view.setUint16(at, Number(value), true);
  else if (bytes === 4) view.setUint32(at, Number(value), true);
  else view.setBigUint64(at, value, true);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(Math.min(length, LONGEST_BYTES));
  let at = 0;
  for (const part of parts) {
    const fitting = part.subarray(0, bytes.length - at);
    bytes.set(fitting, at);
    at += fitting.length;
  }
  return bytes;
}
