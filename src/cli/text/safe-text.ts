// Names of files, tags and messages come from anywhere. Shown as they are, they could move the cursor, rename the window,
// or read in another order than they are stored. Whatever the program shows to a person passes through here.

import { isUtf8 } from "node:buffer";
import { textOf } from "../../base/bytes.ts";

// Control characters (also the 8-bit ones, which some terminals obey), separators of lines, marks that turn the
// direction of writing, and halves of surrogate pairs.
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Cs}]/gu;
const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** The text with everything that a terminal might obey shown as an escape. It is one line. */
export function safeText(text: string): string {
  return text.replace(UNSAFE, (character) => NAMED[character] ?? escapeOf(character.codePointAt(0) ?? 0));
}

/** Whether a terminal shows this text as it is. Line ends and tabs are fine. */
export function isShownAsIs(text: string): boolean {
  return text.replace(/[\n\r\t]/g, "").search(UNSAFE) === -1;
}

function escapeOf(codePoint: number): string {
  return codePoint <= 0xff ? byteEscape(codePoint) : `\\u${codePoint.toString(16).padStart(4, "0")}`;
}

function byteEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** A path for a person: bytes that are not UTF-8 are shown as \xNN, so that two such names do not look alike. */
export function safePath(entry: { readonly path: string; readonly pathBytes: Uint8Array }): string {
  if (!entry.path.includes("\ufffd") || isUtf8(entry.pathBytes)) return safeText(entry.path);
  const { pathBytes } = entry;
  let shown = "";
  for (let start = 0; start < pathBytes.length;) {
    const length = sequenceLength(pathBytes, start);
    shown += length === 0 ? byteEscape(pathBytes[start] ?? 0) : safeText(textOf(pathBytes.subarray(start, start + length)));
    start += length === 0 ? 1 : length;
  }
  return shown;
}

/** Bytes of the character that begins at `start`; 0 when none does. */
function sequenceLength(bytes: Uint8Array, start: number): number {
  for (let length = 1; length <= 4 && start + length <= bytes.length; length++) {
    if (isUtf8(bytes.subarray(start, start + length))) return length;
  }
  return 0;
}
