// What the person chose to back up: absolute paths, sorted in the order of entries, without duplicates and without
// paths that lie inside another chosen one. Packed, because a list of paths may name a million files.

import { HoldfastError } from "../../base/errors.ts";
import { textOf } from "../../base/bytes.ts";
import { comparePaths, isWithin, PATH_SEPARATOR } from "../../model/path-order.ts";

const DOT = 0x2e;
const NEWLINE = 0x0a;

export interface Selection {
  /** Chosen paths that are left after merging. */
  readonly count: number;
  /** A view: absolute, without the leading "/"; the root directory is empty. */
  path(position: number): Uint8Array;
  /** Written with a "/" at its end: when it is a symbolic link, what it leads to is meant. */
  followsLink(position: number): boolean;
  /** Paths that must exist, merged ones included: those of the command line, but not those of lists. */
  readonly required: readonly Uint8Array[];
}

/** Paths of a list are separated by newlines, or by zero bytes so that names may hold newlines. */
export type ListSeparator = "newline" | "zero";

/**
 * Collects paths. Relative ones are taken from `workingDirectory` (absolute). Paths are cleaned as text: "." and empty
 * components go, and ".." takes back the component before it, also where that is a symbolic link.
 */
export class SelectionBuilder {
  readonly #workingDirectory: Uint8Array;
  readonly #required: Uint8Array[] = [];
  #bytes = new Uint8Array(4096);
  #used = 0;
  /** Where each path starts, with the end of the last. */
  #starts = new Uint32Array(64);
  #follows = new Uint8Array(64);
  #count = 0;

  constructor(workingDirectory: Uint8Array) {
    this.#workingDirectory = workingDirectory;
  }

  /** A path of the command line; it must exist when the walk begins. */
  addPath(path: Uint8Array): void {
    const start = this.#used;
    this.#add(path);
    this.#required.push(this.#bytes.slice(start, this.#used));
  }

  /**
   * The paths of a list, as they stand: no patterns, no comments, no trimming; empty ones are skipped. A file that a
   * list names may be gone by now, so a missing one is reported by the walk and does not stop it.
   */
  addList(list: Uint8Array, separator: ListSeparator): void {
    const end = separator === "zero" ? 0 : NEWLINE;
    let start = 0;
    while (start < list.length) {
      const found = list.indexOf(end, start);
      const stop = found < 0 ? list.length : found;
      if (stop > start) this.#add(list.subarray(start, stop));
      start = stop + 1;
    }
  }

  build(): Selection {
    const bytes = this.#bytes;
    const starts = this.#starts;
    const order = new Uint32Array(this.#count);
    for (let i = 0; i < order.length; i++) order[i] = i;
    const path = (index: number): Uint8Array => bytes.subarray(starts[index], starts[index + 1]);
    order.sort((x, y) => {
      const a = path(x);
      const b = path(y);
      return comparePaths(a, a.length, b, b.length);
    });

    let kept = 0;
    for (const index of order) {
      const last = order[kept - 1];
      if (last !== undefined) {
        const candidate = path(index);
        const around = path(last);
        if (isWithin(candidate, candidate.length, around, around.length)) {
          // Whoever names something inside it means the directory, even if the name is that of a link.
          if (this.#follows[index] === 1 || candidate.length > around.length) this.#follows[last] = 1;
          continue;
        }
      }
      order[kept++] = index;
    }
    return new PackedSelection(bytes, starts, this.#follows, order.slice(0, kept), this.#required);
  }

  #add(path: Uint8Array): void {
    if (path.length === 0 || path.includes(0)) {
      throw new HoldfastError("USAGE", {
        message:
          path.length === 0
            ? "Cannot back up a path that is empty"
            : `Cannot back up "${textOf(path)}": a path holds no zero byte`,
        hint: "If a list separates its paths by zero bytes, say so.",
      });
    }
    const index = this.#count++;
    if (index + 1 >= this.#starts.length) {
      this.#starts = grown(this.#starts, new Uint32Array(this.#starts.length * 2));
      this.#follows = grown(this.#follows, new Uint8Array(this.#follows.length * 2));
    }
    const needed = this.#used + this.#workingDirectory.length + path.length + 2;
    if (needed > this.#bytes.length) this.#bytes = grown(this.#bytes, new Uint8Array(Math.max(needed, this.#bytes.length * 2)));
    const start = this.#used;
    if (path[0] !== PATH_SEPARATOR) this.#append(this.#workingDirectory, start);
    this.#append(path, start);
    this.#starts[index + 1] = this.#used;
    this.#follows[index] = endsInDirectory(path) ? 1 : 0;
  }

  /** Appends the components of `path` to the path that began at `start`. */
  #append(path: Uint8Array, start: number): void {
    const bytes = this.#bytes;
    let used = this.#used;
    let from = 0;
    while (from < path.length) {
      let to = from;
      while (to < path.length && path[to] !== PATH_SEPARATOR) to++;
      if (to - from === 2 && path[from] === DOT && path[from + 1] === DOT) {
        while (used > start && bytes[used - 1] !== PATH_SEPARATOR) used--;
        if (used > start) used--;
      } else if (to > from && !(to - from === 1 && path[from] === DOT)) {
        if (used > start) bytes[used++] = PATH_SEPARATOR;
        bytes.set(path.subarray(from, to), used);
        used += to - from;
      }
      from = to + 1;
    }
    this.#used = used;
  }
}

/** "x/", "x/.", "." and "..": paths that cannot name a link. */
function endsInDirectory(path: Uint8Array): boolean {
  let end = path.length;
  if (path[end - 1] === DOT) end--;
  if (end > 0 && path[end - 1] === DOT) end--;
  return end === 0 || path[end - 1] === PATH_SEPARATOR;
}

function grown<T extends Uint8Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

class PackedSelection implements Selection {
  readonly count: number;
  readonly required: readonly Uint8Array[];
  readonly #bytes: Uint8Array;
  readonly #starts: Uint32Array;
  readonly #follows: Uint8Array;
  readonly #order: Uint32Array;

  constructor(bytes: Uint8Array, starts: Uint32Array, follows: Uint8Array, order: Uint32Array, required: readonly Uint8Array[]) {
    this.#bytes = bytes;
    this.#starts = starts;
    this.#follows = follows;
    this.#order = order;
    this.count = order.length;
    this.required = required;
  }

  path(position: number): Uint8Array {
    const index = this.#order[position]!;
    return this.#bytes.subarray(this.#starts[index], this.#starts[index + 1]);
  }

  followsLink(position: number): boolean {
    return this.#follows[this.#order[position]!] === 1;
  }
}
