// For tests: the examples in docs/formats, so that page and codec cannot drift apart.

import { readFileSync } from "node:fs";
import { bytesOfHex } from "../../src/base/bytes.ts";

/** The `number`-th block fenced as ```hex of docs/formats/<page>, from 0. */
export function workedExample(page: string, number = 0): Uint8Array {
  return bytesOfHex(fenced(page, "hex", number).replaceAll(/\s/g, ""));
}

/** The `number`-th block fenced as ```json, as a value. */
export function workedJson(page: string, number = 0): unknown {
  return JSON.parse(fenced(page, "json", number));
}

function fenced(page: string, language: "hex" | "json", number: number): string {
  const text = readFileSync(new URL(`../../docs/formats/${page}`, import.meta.url), "utf8");
  const block = [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))][number]?.[1];
  if (block === undefined) throw new Error(`docs/formats/${page} has no ${language} example number ${number}`);
  return block;
}
