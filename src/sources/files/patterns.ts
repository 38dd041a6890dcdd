// Patterns that leave files out of a backup, with the meaning of gitignore(5):
//
//   name        an entry of that name at any depth          dir/name   that path, from each selected path
//   *.ext       by shell-like wildcards                     ./name     the same for a single name
//   name/       directories only                            /dir/name  that absolute path, whatever was selected
//   **/a/b      at any depth                                dir/**     everything inside
//   !pattern    takes back what an earlier one left out     \# \! \*   the character itself
//
// The last pattern that matches decides. A directory that is left out is not entered, so nothing inside it can be taken
// back. Two things differ from a .gitignore file because there is no repository here: a leading "/" means the root of
// the file system, and "./" means each selected path (docs/design/sources.md says why).
//
// The same patterns choose files for other purposes (fixed segments), hence the neutral name of the list.

import { PATH_SEPARATOR } from "../../model/path-order.ts";
import { compileGlob, DIRECTORIES, matchGlob, STAR, type CompiledGlob } from "./glob.ts";

/** What the pattern is held against: the name, the absolute path, or the path below the selected one. */
type Scope = "name" | "absolute" | "selected";
type Shape = "literal" | "suffix" | "prefix" | "glob";

interface Rule {
  readonly scope: Scope;
  readonly shape: Shape;
  readonly negated: boolean;
  readonly directoriesOnly: boolean;
  readonly bytes: Uint8Array;
  readonly glob: CompiledGlob;
}

const BACKSLASH = 0x5c;
const EXCLAMATION = 0x21;
const HASH = 0x23;
const SPACE = 0x20;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const DOT = 0x2e;

/** Patterns compiled together; their order decides. */
export class PatternList {
  /**
   * The rules that a text ending in a given byte can match, last rule first. Most patterns end in a plain byte, so
   * an entry is held against a few of them only.
   */
  readonly #byLastByte: readonly (readonly Rule[])[];
  /** How many patterns were given that can match at all. */
  readonly count: number;

  constructor(patterns: readonly Uint8Array[]) {
    const rules: Rule[] = [];
    for (const pattern of patterns) {
      const rule = compileRule(pattern);
      if (rule !== undefined) rules.unshift(rule);
    }
    this.count = rules.length;
    this.#byLastByte = Array.from({ length: 256 }, (_, byte) => rules.filter((rule) => canEndIn(rule, byte)));
  }

  /**
   * Whether the patterns choose the entry at `path` (its first `pathLength` bytes), whose last component begins at
   * `nameStart` and which was reached through the selected path of length `selectedLength`. Parents are not looked at:
   * the caller does not enter what was chosen.
   */
  matches(path: Uint8Array, pathLength: number, nameStart: number, selectedLength: number, isDirectory: boolean): boolean {
    if (pathLength === 0) return false;
    const rules = this.#byLastByte[path[pathLength - 1]!]!;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!;
      if (rule.directoriesOnly && !isDirectory) continue;
      let start = nameStart;
      if (rule.scope === "absolute") start = 0;
      else if (rule.scope === "selected") {
        start = selectedLength === 0 ? 0 : selectedLength + 1;
        if (start > pathLength) continue;
      }
      if (matchRule(rule, path, start, pathLength)) return !rule.negated;
    }
    return false;
  }
}

/** Chooses nothing. */
export const noPatterns: PatternList = new PatternList([]);

function matchRule(rule: Rule, path: Uint8Array, start: number, end: number): boolean {
  const { bytes, shape } = rule;
  const length = bytes.length;
  if (shape === "glob") return matchGlob(rule.glob, path, start, end);
  if (end - start < length) return false;
  if (shape === "literal" && end - start !== length) return false;
  const from = shape === "suffix" ? end - length : start;
  for (let i = 0; i < length; i++) {
    if (path[from + i] !== bytes[i]) return false;
  }
  return true;
}

function canEndIn(rule: Rule, byte: number): boolean {
  const last = rule.glob.operations.at(-1);
  return last === undefined || last > 255 || last === byte;
}

/** Undefined for a pattern that matches nothing. */
function compileRule(source: Uint8Array): Rule | undefined {
  let pattern = source;
  const negated = pattern[0] === EXCLAMATION;
  if (negated) pattern = pattern.subarray(1);
  const directoriesOnly = pattern.at(-1) === PATH_SEPARATOR;
  if (directoriesOnly) pattern = pattern.subarray(0, -1);
  let scope: Scope = pattern.includes(PATH_SEPARATOR) ? "selected" : "name";
  if (pattern[0] === PATH_SEPARATOR) {
    scope = "absolute";
    pattern = pattern.subarray(1);
  } else if (pattern[0] === DOT && pattern[1] === PATH_SEPARATOR) {
    pattern = pattern.subarray(2);
  }
  if (pattern.length === 0) return undefined;

  let glob = compileGlob(pattern, scope !== "name");
  if (glob === undefined) return undefined;
  const rest = glob.operations.slice(1);
  if (scope !== "name" && glob.operations[0] === DIRECTORIES && rest.every(staysInName)) {
    // "**/name" is "name".
    scope = "name";
    glob = { operations: rest, classes: glob.classes };
  }
  return { scope, ...shapeOf(glob, scope), negated, directoriesOnly, glob };
}

/** One component's worth: literal bytes, "?", "*" and classes, but no slash and nothing that spans components. */
function staysInName(operation: number): boolean {
  return operation !== PATH_SEPARATOR && (operation <= STAR || operation >= 512);
}

/** The cheapest way to match. The "*" of a path stops at slashes, so prefix and suffix are for names. */
function shapeOf({ operations }: CompiledGlob, scope: Scope): { readonly shape: Shape; readonly bytes: Uint8Array } {
  const isPlain = (parts: readonly number[]): boolean => parts.every((operation) => operation < 256);
  if (isPlain(operations)) return { shape: "literal", bytes: Uint8Array.from(operations) };
  if (scope === "name" && operations[0] === STAR && isPlain(operations.slice(1))) {
    return { shape: "suffix", bytes: Uint8Array.from(operations.slice(1)) };
  }
  if (scope === "name" && operations.at(-1) === STAR && isPlain(operations.slice(0, -1))) {
    return { shape: "prefix", bytes: Uint8Array.from(operations.slice(0, -1)) };
  }
  return { shape: "glob", bytes: new Uint8Array(0) };
}

/**
 * The patterns of an exclude file: one per line, without comments ("#" first) and blank lines, without spaces at the
 * end unless a backslash stands before them. Windows line ends and a byte order mark are tolerated.
 */
export function parsePatternFile(file: Uint8Array): readonly Uint8Array[] {
  const patterns: Uint8Array[] = [];
  let start = file[0] === 0xef && file[1] === 0xbb && file[2] === 0xbf ? 3 : 0;
  while (start < file.length) {
    const newline = file.indexOf(NEWLINE, start);
    const lineEnd = newline < 0 ? file.length : newline;
    const end = lineEnd > start && file[lineEnd - 1] === RETURN ? lineEnd - 1 : lineEnd;
    const line = withoutTrailingSpaces(file.subarray(start, end));
    if (line.length > 0 && line[0] !== HASH) patterns.push(line);
    start = lineEnd + 1;
  }
  return patterns;
}

function withoutTrailingSpaces(line: Uint8Array): Uint8Array {
  let end = 0;
  for (let at = 0; at < line.length; at++) {
    if (line[at] === BACKSLASH) at++;
    else if (line[at] === SPACE) continue;
    end = at + 1;
  }
  return line.subarray(0, Math.min(end, line.length));
}

/** A pattern for exactly this absolute path (with or without its leading "/"), whatever characters it holds. */
export function literalPattern(path: Uint8Array): Uint8Array {
  const escaped: number[] = [PATH_SEPARATOR];
  for (const byte of path[0] === PATH_SEPARATOR ? path.subarray(1) : path) {
    if (byte === BACKSLASH || byte === 0x2a || byte === 0x3f || byte === 0x5b) escaped.push(BACKSLASH);
    escaped.push(byte);
  }
  return Uint8Array.from(escaped);
}
