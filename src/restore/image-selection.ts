// Which entries of an image are meant: everything, or some paths with what lies below them, and the directories on the
// way to those.

import { textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { PATH_SEPARATOR, comparePaths, isWithin } from "../model/path-order.ts";
import { isEntryPath } from "./entry-path.ts";

/** One thing to look for in the order of entries: a subtree, or a single directory on the way to one. */
export interface WantedPath {
  readonly path: Uint8Array;
  readonly isSubtree: boolean;
}

const ROOT: readonly Uint8Array[] = [new Uint8Array(0)];

/**
 * The path of an entry for an absolute path as a person gives it: without the slashes at its ends, repeated ones
 * made single. USAGE when it is not absolute or goes through "." or "..".
 */
export function entryPathOf(absolute: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(absolute.length);
  let length = 0;
  for (const byte of absolute) {
    if (byte === PATH_SEPARATOR && (length === 0 || bytes[length - 1] === PATH_SEPARATOR)) continue;
    bytes[length++] = byte;
  }
  if (bytes[length - 1] === PATH_SEPARATOR) length--;
  const path = bytes.subarray(0, length);
  if (absolute[0] !== PATH_SEPARATOR || !isEntryPath(path, length)) {
    throw new HoldfastError("USAGE", {
      message: `Not a path in an image: "${textOf(absolute)}" (absolute paths without "." and ".." are)`,
      hint: "`holdfast ls IMAGE` shows the paths of an image.",
    });
  }
  return path;
}

/** Sorted, each once, without those that lie within another; the root when none are given. */
export function outermostPaths(paths: readonly Uint8Array[] | undefined): readonly Uint8Array[] {
  if (paths === undefined) return ROOT;
  const sorted = paths.toSorted((a, b) => comparePaths(a, a.length, b, b.length));
  const outermost: Uint8Array[] = [];
  for (const path of sorted) {
    const last = outermost.at(-1);
    if (last === undefined || !isWithin(path, path.length, last, last.length)) outermost.push(path);
  }
  return outermost;
}

/** What lies in one of `a` and in one of `b`: the inner ones of each pair. */
export function commonPaths(a: readonly Uint8Array[], b: readonly Uint8Array[]): readonly Uint8Array[] {
  const common: Uint8Array[] = [];
  for (const x of a) {
    for (const y of b) {
      if (isWithin(x, x.length, y, y.length)) common.push(x);
      else if (isWithin(y, y.length, x, x.length)) common.push(y);
    }
  }
  return outermostPaths(common);
}

/** The selected paths, which are outermost ones, and the directories on the way to them, in the order of entries. */
export function wantedPaths(selected: readonly Uint8Array[]): readonly WantedPath[] {
  const wanted: WantedPath[] = [];
  let previous: Uint8Array | undefined;
  for (const path of selected) {
    for (let end = 0; end < path.length; end++) {
      if (end > 0 && path[end] !== PATH_SEPARATOR) continue;
      // Those shared with the path before have been listed with it.
      if (previous !== undefined && isWithin(previous, previous.length, path, end)) continue;
      wanted.push({ path: path.subarray(0, end), isSubtree: false });
    }
    wanted.push({ path, isSubtree: true });
    previous = path;
  }
  return wanted;
}
