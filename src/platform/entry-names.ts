// What every file tree checks of a name before the platform sees it: exactly one component. A name with
// "/" or the name ".." would leave the directory it is relative to; a zero byte would end it early.

import { textOf } from "../base/bytes.ts";
import { FileTreeError } from "./file-tree.ts";

const SLASH = 0x2f;
const DOT = 0x2e;

/** Linux allows no longer path, and so no longer name, in one call. */
const LIMIT_BYTES = 4096;

/** Throws EINVAL unless `name` is one component and neither "." nor "..". */
export function checkName(name: Uint8Array, action: string): void {
  const length = name.length;
  let bad = length === 0;
  for (let i = 0; i < length; i++) {
    const byte = name[i];
    if (byte === 0 || byte === SLASH) bad = true;
  }
  if (bad || (name[0] === DOT && (length === 1 || (length === 2 && name[1] === DOT)))) {
    throw new FileTreeError("EINVAL", action, textOf(name));
  }
}

/** A reusable place for a zero-terminated string, so that calls allocate nothing. */
export class TerminatedBytes {
  readonly bytes = new Uint8Array(new ArrayBuffer(LIMIT_BYTES));

  /** A name of one component; anything else is refused as by `checkName`. */
  name(name: Uint8Array, action: string): Uint8Array {
    const bytes = this.bytes;
    const length = name.length;
    if (length >= LIMIT_BYTES) throw new FileTreeError("ENAMETOOLONG", action, textOf(name));
    let bad = length === 0;
    for (let i = 0; i < length; i++) {
      const byte = name[i] as number;
      if (byte === 0 || byte === SLASH) bad = true;
      bytes[i] = byte;
    }
    bytes[length] = 0;
    if (bad || (bytes[0] === DOT && (length === 1 || (length === 2 && bytes[1] === DOT)))) {
      throw new FileTreeError("EINVAL", action, textOf(name));
    }
    return bytes;
  }

  /** Any string without zero bytes, such as a path or the target of a link. */
  text(text: Uint8Array, action: string): Uint8Array {
    if (text.length >= LIMIT_BYTES) throw new FileTreeError("ENAMETOOLONG", action, textOf(text));
    if (text.includes(0)) throw new FileTreeError("EINVAL", action, textOf(text));
    this.bytes.set(text);
    this.bytes[text.length] = 0;
    return this.bytes;
  }

  /** The way through an open directory to one of its entries, for calls that take only a path. */
  throughHandle(handle: number, name?: Uint8Array, action = ""): Uint8Array {
    const prefix = `/proc/self/fd/${handle}`;
    const bytes = this.bytes;
    for (let i = 0; i < prefix.length; i++) bytes[i] = prefix.charCodeAt(i);
    let length = prefix.length;
    if (name !== undefined) {
      checkName(name, action);
      if (length + 1 + name.length >= LIMIT_BYTES) throw new FileTreeError("ENAMETOOLONG", action, textOf(name));
      bytes[length] = SLASH;
      bytes.set(name, length + 1);
      length += 1 + name.length;
    }
    bytes[length] = 0;
    return bytes;
  }
}

/**
 * Cuts an absolute path into pieces of whole components, each shorter than what one call takes, to be
 * opened one relative to the other. Slashes at the end are dropped: they would follow a link.
 */
export function piecesOfPath(path: Uint8Array): Uint8Array[] {
  const action = "open directory";
  if (path[0] !== SLASH || path.includes(0)) throw new FileTreeError("EINVAL", action, textOf(path));
  let end = path.length;
  while (end > 1 && path[end - 1] === SLASH) end--;
  const pieces: Uint8Array[] = [];
  let start = 0;
  while (end - start >= LIMIT_BYTES) {
    const slash = path.lastIndexOf(SLASH, start + LIMIT_BYTES - 1);
    if (slash <= start) throw new FileTreeError("ENAMETOOLONG", action, textOf(path));
    pieces.push(path.subarray(start, slash));
    start = slash;
    // Only the first piece may begin with a slash: it means the root.
    while (path[start] === SLASH) start++;
  }
  pieces.push(path.subarray(start, end));
  return pieces;
}
