// One shell-like pattern over bytes, as gitignore(5) defines it. Names need not be UTF-8: "?" and a character class
// stand for one byte, so a letter outside ASCII is two or more of them ("*" does not mind).
//
// A pattern becomes a list of operations: 0 … 255 is that very byte, the rest are below. Matching walks operations and
// text side by side and remembers the last "*" and the last "**/" to return to, so time grows with the product of the
// lengths and not exponentially, whatever a hostile pattern file holds.

import { PATH_SEPARATOR } from "../../model/path-order.ts";

/** "?": any byte but "/". */
export const ANY = 256;
/** "*": any bytes but "/". */
export const STAR = 257;
/** A "**" component and the slash after it: any number of whole components, none included. */
export const DIRECTORIES = 258;
/** A trailing "/**": everything that is left. */
export const REST = 259;
/** CLASS + n: one byte of the n-th character class, never "/". */
const CLASS = 512;

const STAR_BYTE = 0x2a;
const QUESTION_BYTE = 0x3f;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COLON = 0x3a;
const HYPHEN = 0x2d;
const EXCLAMATION = 0x21;
const CARET = 0x5e;

/** Which bytes a character class holds, by byte. */
type ByteSet = Uint8Array;

export interface CompiledGlob {
  readonly operations: readonly number[];
  readonly classes: readonly ByteSet[];
}

/**
 * Compiles `pattern`. With `pathname`, "**" between slashes spans components; without, the text is a single name.
 * Undefined when the pattern can never match: an unclosed bracket, an unknown class name, a backslash at the end.
 */
export function compileGlob(pattern: Uint8Array, pathname: boolean): CompiledGlob | undefined {
  const operations: number[] = [];
  const classes: ByteSet[] = [];
  let at = 0;
  while (at < pattern.length) {
    const byte = pattern[at]!;
    if (byte === STAR_BYTE) {
      let after = at + 1;
      while (pattern[after] === STAR_BYTE) after++;
      const atComponentStart = at === 0 || pattern[at - 1] === PATH_SEPARATOR;
      if (pathname && after > at + 1 && atComponentStart && after === pattern.length) {
        operations.push(REST);
      } else if (pathname && after > at + 1 && atComponentStart && pattern[after] === PATH_SEPARATOR) {
        operations.push(DIRECTORIES);
        after++;
      } else {
        operations.push(STAR);
      }
      at = after;
    } else if (byte === QUESTION_BYTE) {
      operations.push(ANY);
      at++;
    } else if (byte === OPEN_BRACKET) {
      const set = new Uint8Array(256);
      const after = compileClass(pattern, at + 1, set);
      if (after === undefined) return undefined;
      operations.push(CLASS + classes.length);
      classes.push(set);
      at = after;
    } else if (byte === BACKSLASH) {
      if (at + 1 === pattern.length) return undefined;
      operations.push(pattern[at + 1]!);
      at += 2;
    } else {
      operations.push(byte);
      at++;
    }
  }
  return { operations, classes };
}

/** Reads a character class that begins at `start`, after its bracket, into `set`. Returns where the pattern goes on. */
function compileClass(pattern: Uint8Array, start: number, set: ByteSet): number | undefined {
  let at = start;
  const negated = pattern[at] === EXCLAMATION || pattern[at] === CARET;
  if (negated) at++;
  let rangeStart = -1;
  // A "]" that comes first is a member.
  for (let first = true; first || pattern[at] !== CLOSE_BRACKET; first = false) {
    if (at >= pattern.length) return undefined;
    const byte = pattern[at]!;
    if (byte === OPEN_BRACKET && pattern[at + 1] === COLON) {
      const close = pattern.indexOf(CLOSE_BRACKET, at + 2);
      if (close < 0) return undefined;
      if (close >= at + 3 && pattern[close - 1] === COLON) {
        if (!addNamedClass(String.fromCharCode(...pattern.subarray(at + 2, close - 1)), set)) return undefined;
        rangeStart = -1;
        at = close + 1;
        continue;
      }
      // No ":]" after all: an ordinary bracket.
    }
    if (byte === HYPHEN && rangeStart >= 0 && at + 1 < pattern.length && pattern[at + 1] !== CLOSE_BRACKET) {
      at++;
      if (pattern[at] === BACKSLASH) at++;
      if (at >= pattern.length) return undefined;
      set.fill(1, rangeStart, pattern[at]! + 1);
      rangeStart = -1;
      at++;
      continue;
    }
    if (byte === BACKSLASH) at++;
    if (at >= pattern.length) return undefined;
    rangeStart = pattern[at]!;
    set[rangeStart] = 1;
    at++;
  }
  if (negated) {
    for (let byte = 0; byte < 256; byte++) set[byte] = 1 - set[byte]!;
  }
  set[PATH_SEPARATOR] = 0;
  return at + 1;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;
const isUpper = (byte: number): boolean => byte >= 0x41 && byte <= 0x5a;
const isLower = (byte: number): boolean => byte >= 0x61 && byte <= 0x7a;
const isAlpha = (byte: number): boolean => isUpper(byte) || isLower(byte);
const isGraph = (byte: number): boolean => byte > 0x20 && byte < 0x7f;

/** The classes of POSIX in its own locale: ASCII only, so that a pattern means the same on every machine. */
const namedClasses: ReadonlyMap<string, (byte: number) => boolean> = new Map([
  ["alnum", (byte: number) => isAlpha(byte) || isDigit(byte)],
  ["alpha", isAlpha],
  ["blank", (byte: number) => byte === 0x20 || byte === 0x09],
  ["cntrl", (byte: number) => byte < 0x20 || byte === 0x7f],
  ["digit", isDigit],
  ["graph", isGraph],
  ["lower", isLower],
  ["print", (byte: number) => isGraph(byte) || byte === 0x20],
  ["punct", (byte: number) => isGraph(byte) && !isAlpha(byte) && !isDigit(byte)],
  ["space", (byte: number) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d)],
  ["upper", isUpper],
  ["xdigit", (byte: number) => isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)],
]);

function addNamedClass(name: string, set: ByteSet): boolean {
  const holds = namedClasses.get(name);
  if (holds === undefined) return false;
  for (let byte = 0; byte < 256; byte++) {
    if (holds(byte)) set[byte] = 1;
  }
  return true;
}

/** Whether the whole of `text` from `start` to `end` matches. */
export function matchGlob(glob: CompiledGlob, text: Uint8Array, start: number, end: number): boolean {
  const { operations, classes } = glob;
  const count = operations.length;
  let operation = 0;
  let at = start;
  let starOperation = -1;
  let starAt = 0;
  let directoriesOperation = -1;
  let directoriesAt = 0;
  for (;;) {
    if (operation < count) {
      const wanted = operations[operation]!;
      if (wanted === STAR) {
        starOperation = ++operation;
        starAt = at;
        continue;
      }
      if (wanted === DIRECTORIES) {
        directoriesOperation = ++operation;
        directoriesAt = at;
        starOperation = -1;
        continue;
      }
      if (wanted === REST) return true;
      if (at < end) {
        const byte = text[at]!;
        const fits =
          wanted < 256 ? byte === wanted : wanted === ANY ? byte !== PATH_SEPARATOR : classes[wanted - CLASS]![byte] === 1;
        if (fits) {
          operation++;
          at++;
          continue;
        }
      }
    } else if (at === end) {
      return true;
    }
    // It does not fit. Let the last "*" take one byte more; when that would cross a slash, let the last "**/" take one
    // component more. Earlier ones need no second try: what they could still take, the last one can.
    if (starOperation >= 0 && starAt < end && text[starAt] !== PATH_SEPARATOR) {
      at = ++starAt;
      operation = starOperation;
      continue;
    }
    if (directoriesOperation < 0) return false;
    let slash = directoriesAt;
    while (slash < end && text[slash] !== PATH_SEPARATOR) slash++;
    if (slash === end) return false;
    at = directoriesAt = slash + 1;
    operation = directoriesOperation;
    starOperation = -1;
  }
}
