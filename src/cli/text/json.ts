import { hexOf } from "../../base/bytes.ts";

// JSON.stringify leaves these alone, and some terminals obey them.
const UNSAFE_IN_JSON = /[\u007f-\u009f\u2028\u2029\p{Bidi_Control}]/gu;

/**
 * JSON on one line, or indented. Values that were not found out are null, big numbers decimal text, bytes hexadecimal text.
 * Nothing in it can be taken for a command by a terminal.
 */
export function jsonText(value: unknown, indent = 0): string {
  const text = JSON.stringify(value, plain, indent) ?? "null";
  return text.replace(UNSAFE_IN_JSON, (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}

function plain(this: Readonly<Record<string, unknown>>, key: string, part: unknown): unknown {
  // Asked of the holder: a Buffer arrives here as what its own toJSON made of it.
  const original = this[key];
  if (original instanceof Uint8Array) return hexOf(original);
  if (part === undefined) return null;
  if (typeof part === "bigint") return String(part);
  if (part instanceof Map) return Object.fromEntries(part);
  return part;
}
