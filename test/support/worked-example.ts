// For tests: the hexadecimal examples in docs/formats, so that page and codec cannot drift apart.

import { readFileSync } from "node:fs";
import { bytesOfHex } from "../../src/base/bytes.ts";

/** The `number`-th block fenced as ```hex of docs/formats/<page>, from 0. */
export function workedExample(page: string, number = 0): Uint8Array {
  const text = readFileSync(new URL(`../../docs/formats/${page}`, import.meta.url), "utf8");
  const blocks = [...text.matchAll(/```hex\n([\s\S]*?)```/g)];
  const block = blocks[number]?.[1];
  if (block === undefined) throw new Error(`docs/formats/${page} has no hex example number ${number}`);
  return bytesOfHex(block.replaceAll(/\s/g, ""));
}
