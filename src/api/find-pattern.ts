// What to look for: a glob over names or, with a "/" in it, over paths.
//
//   *.pst             entries of that name at any depth
//   /home/*/mail      exactly that absolute path; "*" stays within a name, "**" spans directories
//   mail/*.pst        a path that ends so, at any depth
//   mail/             directories only

import { isUtf8 } from "node:buffer";
import { textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { nameStartOf } from "../model/path-order.ts";
import { PatternList } from "../sources/files/files.ts";

export class FindPattern {
  /** Everything that matches is this or lies below it; the root when the pattern does not say. */
  readonly directory: Uint8Array;
  readonly #list: PatternList;
  readonly #ignoreCase: boolean;

  /** USAGE for a pattern that nothing can match. */
  constructor(pattern: string, { ignoreCase = false }: { readonly ignoreCase?: boolean | undefined } = {}) {
    this.#ignoreCase = ignoreCase;
    this.#list = new PatternList([utf8(asExclude(ignoreCase ? foldPattern(pattern) : pattern))]);
    if (this.#list.count === 0) {
      throw new HoldfastError("USAGE", {
        message: `Nothing can match the pattern "${pattern}"`,
        hint: 'Close every "[" with "]"; write "\\\\[" for the character itself.',
      });
    }
    this.directory = ignoreCase ? new Uint8Array(0) : utf8(literalDirectory(pattern));
  }

  /** Only the first `length` bytes count. */
  matches(path: Uint8Array, length: number, isDirectory: boolean): boolean {
    if (!this.#ignoreCase) return this.#list.matches(path, length, nameStartOf(path, length), 0, isDirectory);
    const folded = foldPath(path.subarray(0, length));
    return this.#list.matches(folded, folded.length, nameStartOf(folded, folded.length), 0, isDirectory);
  }
}

/** In the language of exclude patterns, where "!" takes back and a path without "/" in front hangs on what was selected. */
function asExclude(pattern: string): string {
  if (pattern.startsWith("!")) return `\\${pattern}`;
  const isPath = pattern.slice(0, -1).includes("/");
  return isPath && !pattern.startsWith("/") ? `/**/${pattern.replace(/^(?:\.\/)+/, "")}` : pattern;
}

/** The components before the first one that is more than a plain name, of a pattern that begins at the root. */
function literalDirectory(pattern: string): string {
  if (!pattern.startsWith("/")) return "";
  const components = pattern.slice(1).split("/");
  const special = components.findIndex((component) => component === "" || /[*?[\\]/.test(component));
  return (special < 0 ? components : components.slice(0, special)).join("/");
}

/** A range from a letter of one case to one of the other ends up empty, as in the C library. */
function foldPattern(pattern: string): string {
  return pattern.replaceAll(/\[:(?:upper|lower):\]/g, "[:alpha:]").toLowerCase();
}

/** Names that are UTF-8 in all scripts, others in ASCII only. */
function foldPath(path: Uint8Array): Uint8Array {
  if (isUtf8(path)) return utf8(textOf(path).toLowerCase());
  return path.map((byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte));
}
