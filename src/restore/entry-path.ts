// Which paths of an image may touch a disk at all.

import { PATH_SEPARATOR } from "../model/path-order.ts";

const DOT = 0x2e;

/**
 * Whether the first `length` bytes are a path as images have them: names separated by single slashes, none of them
 * "." or "..", no zero bytes. The empty path is the root directory.
 */
export function isEntryPath(path: Uint8Array, length: number): boolean {
  if (length === 0) return true;
  let nameStart = 0;
  for (let at = 0; at <= length; at++) {
    const byte = at === length ? PATH_SEPARATOR : (path[at] as number);
    if (byte === 0) return false;
    if (byte !== PATH_SEPARATOR) continue;
    const nameLength = at - nameStart;
    if (nameLength === 0) return false;
    if (nameLength <= 2 && path[nameStart] === DOT && path[at - 1] === DOT) return false;
    nameStart = at + 1;
  }
  return true;
}

/** `name` in `directory`; the empty directory is the root of what the paths are in. */
export function joinPath(directory: Uint8Array, name: Uint8Array): Uint8Array {
  if (directory.length === 0) return name;
  const path = new Uint8Array(directory.length + 1 + name.length);
  path.set(directory);
  path[directory.length] = 0x2f;
  path.set(name, directory.length + 1);
  return path;
}
