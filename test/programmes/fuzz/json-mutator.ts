// JSON that is changed as JSON: values of other types, missing and additional fields, numbers and texts at their extremes,
// lists and objects that are long or deep.

import { utf8 } from "../../../src/base/bytes.ts";
import type { Chance } from "../../support/chance.ts";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** The JSON text of one of `seeds` with one to four values changed. */
export function mutatedJson(chance: Chance, seeds: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let value = JSON.parse(Buffer.from(chance.pick(seeds)).toString()) as Json;
  for (let left = 1 + chance.below(4); left > 0; left--) value = changed(chance, value, 0);
  return Uint8Array.from(utf8(JSON.stringify(value)));
}

/** Several changes may multiply: what is larger than this is not repeated again. */
const REPEATED_CHARACTERS = 400_000;

/** The value, or something inside of it, is another. */
function changed(chance: Chance, value: Json, depth: number): Json {
  if (depth > 0 && chance.oneIn(4)) return anyValue(chance);
  if (Array.isArray(value)) return changedList(chance, value, depth);
  if (typeof value === "object" && value !== null) return changedObject(chance, value, depth);
  if (typeof value === "string" && chance.oneIn(2)) return changedText(chance, value);
  if (typeof value === "number" && chance.oneIn(2))
    return chance.pick([-value, value + 0.5, value + 1, value * 1e9, value * 1e300]);
  return depth === 0 ? value : anyValue(chance);
}

function changedList(chance: Chance, list: Json[], depth: number): Json {
  const at = chance.below(list.length);
  if (list.length === 0 || chance.oneIn(4)) return [...list, anyValue(chance)];
  if (chance.oneIn(4)) return list.toSpliced(at, 1);
  if (chance.oneIn(8)) return repeated(list[at] as Json, 1 + chance.size(20_000));
  return list.with(at, changed(chance, list[at] as Json, depth + 1));
}

function repeated(value: Json, count: number): Json {
  const most = Math.floor(REPEATED_CHARACTERS / (JSON.stringify(value).length + 1));
  return Array.from({ length: Math.min(count, Math.max(1, most)) }, () => value);
}

function changedObject(chance: Chance, object: { [name: string]: Json }, depth: number): Json {
  const names = Object.keys(object);
  if (names.length === 0 || chance.oneIn(6)) return { ...object, [anyName(chance)]: anyValue(chance) };
  const name = chance.pick(names);
  if (chance.oneIn(8))
    return Object.fromEntries(names.filter((other) => other !== name).map((other) => [other, object[other] as Json]));
  if (chance.oneIn(12)) return { ...object, mustUnderstand: [anyName(chance)] };
  return { ...object, [name]: changed(chance, object[name] as Json, depth + 1) };
}

function changedText(chance: Chance, text: string): string {
  const at = chance.below(text.length + 1);
  return chance.pick([
    "",
    text.slice(0, at),
    text + text,
    text.slice(0, at) + chance.pick(["\u0000", "\ud800", "é", "/", "\n", '"']) + text.slice(at),
    text.toUpperCase(),
    "x".repeat(chance.size(100_000)),
  ]);
}

function anyName(chance: Chance): string {
  return chance.pick([
    "__proto__",
    "constructor",
    "toString",
    "",
    "0",
    "4294967296",
    "mustUnderstand",
    "a".repeat(chance.size(5_000)),
    "x",
  ]);
}

function anyValue(chance: Chance): Json {
  switch (chance.below(10)) {
    case 0:
      return null;
    case 1:
      return chance.oneIn(2);
    case 2:
      return chance.pick([0, -1, 0.5, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, -1e308, Number.MAX_SAFE_INTEGER]);
    case 3:
      return changedText(chance, "text");
    case 4:
      return [];
    case 5:
      return {};
    case 6:
      return nested(chance.size(5_000), chance.oneIn(2));
    case 7:
      return Array.from({ length: chance.size(20_000) }, (_, position) => position);
    case 8:
      return Object.fromEntries(Array.from({ length: chance.size(20_000) }, (_, position) => [`${position}`, `${position}`]));
    default:
      return { [anyName(chance)]: 1 };
  }
}

function nested(depth: number, asLists: boolean): Json {
  let value: Json = 1;
  for (let level = 0; level < depth; level++) value = asLists ? [value] : { x: value };
  return value;
}
