// The calls of the portable file tree: paths in the platform's form, and errors in the tree's.

import fs, { type BigIntStats } from "node:fs";
import { textOf } from "../base/bytes.ts";
import {
  FileTreeError,
  KIND_BLOCK_DEVICE,
  KIND_CHARACTER_DEVICE,
  KIND_DIRECTORY,
  KIND_FIFO,
  KIND_FILE,
  KIND_SOCKET,
  KIND_SYMBOLIC_LINK,
  KIND_UNKNOWN,
  type EntryKind,
} from "./file-tree.ts";

export const onWindows = process.platform === "win32";
const O_NOATIME = process.platform === "linux" ? fs.constants.O_NOATIME : 0;

/** Bytes where the platform has bytes; Windows has text. */
export function platformPath(path: Uint8Array): string | Buffer {
  return onWindows ? textOf(path) : Buffer.from(path.buffer, path.byteOffset, path.length);
}

/** Leaves the access time alone where the platform can and permits it. */
export function openQuietly(path: Uint8Array, flags: number): number {
  if (O_NOATIME !== 0) {
    try {
      return fs.openSync(platformPath(path), flags | O_NOATIME);
    } catch (error) {
      if (codeOf(error) !== "EPERM") throw error;
    }
  }
  return fs.openSync(platformPath(path), flags);
}

/** Undefined when the entry does not exist. */
export function lstat(path: Uint8Array, action: string, name: Uint8Array): BigIntStats | undefined {
  return attempt(action, name, () => fs.lstatSync(platformPath(path), { bigint: true, throwIfNoEntry: false }));
}

/** Whether the entry is a symbolic link; a missing one is not. */
export function isLink(path: Uint8Array, action: string, name: Uint8Array): boolean {
  return lstat(path, action, name)?.isSymbolicLink() === true;
}

/** Throws ELOOP when the entry is a symbolic link. */
export function refuseLink(path: Uint8Array, action: string, name: Uint8Array): void {
  if (isLink(path, action, name)) throw new FileTreeError("ELOOP", action, textOf(name));
}

/** What the directory says of an entry. */
export function kindOfEntry(entry: fs.Dirent<NonSharedBuffer>): EntryKind {
  if (entry.isFile()) return KIND_FILE;
  if (entry.isDirectory()) return KIND_DIRECTORY;
  if (entry.isSymbolicLink()) return KIND_SYMBOLIC_LINK;
  if (entry.isFIFO()) return KIND_FIFO;
  if (entry.isCharacterDevice()) return KIND_CHARACTER_DEVICE;
  if (entry.isBlockDevice()) return KIND_BLOCK_DEVICE;
  return entry.isSocket() ? KIND_SOCKET : KIND_UNKNOWN;
}

/** As text: Node takes a negative number for "now". Seconds in a double are exact to about 0.2 µs. */
export function nodeTime(seconds: number, nanoseconds: number): string {
  return String(seconds + nanoseconds / 1e9);
}

/** A time that Node itself reported, to be set again. */
export function nodeTimeOf(time: bigint): string {
  return String(Number(time) / 1e9);
}

function codeOf(error: unknown): string {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  throw error;
}

/** Turns what Node throws into the error of a file tree. */
export function attempt<T>(action: string, name: Uint8Array | undefined, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw new FileTreeError(codeOf(error), action, name === undefined ? undefined : textOf(name));
  }
}

/** False when the call failed with `code`. */
export function attemptUnless(code: string, action: string, name: Uint8Array, call: () => void): boolean {
  try {
    call();
    return true;
  } catch (error) {
    if (codeOf(error) === code) return false;
    throw new FileTreeError(codeOf(error), action, textOf(name));
  }
}

/** What Node cannot do on this platform. */
export function unsupported(action: string, name?: Uint8Array): FileTreeError {
  return new FileTreeError("ENOTSUP", action, name === undefined ? undefined : textOf(name));
}
