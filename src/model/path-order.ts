// The order of entries, everywhere: in pages, in the track log, in the walk, in a diff.
//
// A path is a byte string: absolute, without the leading "/", components separated by "/"; the root directory is
// the empty path. Paths compare bytewise with "/" below every other byte. A directory is therefore followed by all
// that lies in it before any sibling ("a", "a/z", "a-b"), and siblings stand in the bytewise order of their names,
// which is the order in which a directory is listed. Names hold neither "/" nor a zero byte, so nothing else ties.

export const PATH_SEPARATOR = 0x2f;

/**
 * Negative when `a` comes first, positive when `b` does, 0 when they are equal. The size of the result says how much
 * the two share (see `sharedLength`), so that a page encoder gets the common prefix without a second pass.
 * Only the first `aLength` and `bLength` bytes count: callers compare inside reused buffers.
 */
export function comparePaths(a: Uint8Array, aLength: number, b: Uint8Array, bLength: number): number {
  const shorter = aLength < bLength ? aLength : bLength;
  let at = 0;
  while (at < shorter && a[at] === b[at]) at++;
  if (at === shorter) {
    if (aLength === bLength) return 0;
    return aLength < bLength ? -1 - at : at + 1;
  }
  const x = a[at]!;
  const y = b[at]!;
  if (x === PATH_SEPARATOR) return -1 - at;
  if (y === PATH_SEPARATOR) return at + 1;
  return x < y ? -1 - at : at + 1;
}

/** The length of the common prefix, from a result of `comparePaths(a, aLength, …)`. */
export function sharedLength(comparison: number, aLength: number): number {
  if (comparison === 0) return aLength;
  return comparison < 0 ? -1 - comparison : comparison - 1;
}

/** Whether `path` is `directory` or lies in it. Everything lies in the root, the empty path. */
export function isWithin(path: Uint8Array, pathLength: number, directory: Uint8Array, directoryLength: number): boolean {
  if (directoryLength === 0) return true;
  if (pathLength < directoryLength) return false;
  if (pathLength > directoryLength && path[directoryLength] !== PATH_SEPARATOR) return false;
  for (let at = 0; at < directoryLength; at++) {
    if (path[at] !== directory[at]) return false;
  }
  return true;
}

/** Where the last component begins. */
export function nameStartOf(path: Uint8Array, pathLength: number): number {
  let at = pathLength;
  while (at > 0 && path[at - 1] !== PATH_SEPARATOR) at--;
  return at;
}
