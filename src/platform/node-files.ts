// Holdfast's own files on a real disk, through Node's synchronous calls.

import fs from "node:fs";
import path from "node:path";
import { HoldfastError } from "../base/errors.ts";
import type { FileInformation, Files, OpenFile } from "./files.ts";
import { NodeFile } from "./node-file.ts";
import { attempt, codeOf, fileError } from "./node-file-errors.ts";

const onWindows = process.platform === "win32";

// What is published never changes, so a file is read-only from its creation; the handle that created it
// may still write. On Windows the same bit would keep us from removing the file.
const CREATED_MODE = onWindows ? 0o666 : 0o440;
const PRIVATE_MODE = 0o600;

/** The real disk. */
export function nodeFiles(): Files {
  return {
    open,
    create,
    read,
    information,
    list,
    makeDirectory,
    rename,
    link,
    remove,
    removeEmptyDirectory,
    syncDirectory,
    freeBytes,
  };
}

function open(file: string): OpenFile | undefined {
  try {
    return new NodeFile(file, fs.openSync(file, "r"));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw fileError("read", "open", file, error);
  }
}

function create(file: string, access?: "private"): OpenFile {
  const mode = access === "private" ? PRIVATE_MODE : CREATED_MODE;
  return attempt("write", "create", file, () => new NodeFile(file, fs.openSync(file, "wx+", mode)));
}

/**
 * A file that only grows: made, for its owner alone, when it is missing; whatever is written goes to its end. Its name is durable after
 * `syncDirectory`.
 */
export function openForAppending(file: string): OpenFile {
  return attempt("write", "open", file, () => new NodeFile(file, fs.openSync(file, "a+", PRIVATE_MODE)));
}

function read(file: string, limitBytes: number): Uint8Array | undefined {
  const opened = open(file);
  if (opened === undefined) return undefined;
  try {
    const sizeBytes = opened.sizeBytes();
    if (sizeBytes > limitBytes) {
      throw new HoldfastError("FORMAT_INVALID", {
        message: `Cannot read ${file}: it has ${sizeBytes} bytes, expected at most ${limitBytes}`,
        context: { path: file, sizeBytes, limitBytes },
      });
    }
    const bytes = new Uint8Array(sizeBytes);
    return bytes.subarray(0, opened.read(bytes, 0));
  } finally {
    opened.close();
  }
}

function information(file: string): FileInformation | undefined {
  const stats = attempt("read", "look at", file, () => fs.statSync(file, { throwIfNoEntry: false }));
  if (stats === undefined) return undefined;
  const kind = stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other";
  return { kind, sizeBytes: stats.size, modifiedMs: stats.mtimeMs };
}

function list(directory: string): readonly string[] | undefined {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw fileError("read", "list", directory, error);
  }
}

function makeDirectory(directory: string): void {
  makeBelow(directory, false);
}

function makeBelow(directory: string, hasParent: boolean): void {
  try {
    fs.mkdirSync(directory);
  } catch (error) {
    const code = codeOf(error);
    // Another process may have made it just now; then that process makes its name durable.
    if (code === "EEXIST" && information(directory)?.kind === "directory") return;
    const parent = path.dirname(directory);
    if (code !== "ENOENT" || parent === directory) throw fileError("write", "make directory", directory, error);
    // Where the system says ENOENT although the parent is there, as below /proc, that is the end of it.
    if (hasParent) throw fileError("write", "make directory", directory, error);
    makeBelow(parent, false);
    makeBelow(directory, true);
    return;
  }
  syncDirectory(path.dirname(directory));
}

function rename(from: string, to: string): void {
  attempt("write", "rename", from, () => fs.renameSync(from, to));
}

function link(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw fileError("write", "link", to, error);
  }
}

function remove(file: string): boolean {
  try {
    fs.unlinkSync(file);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw fileError("write", "remove", file, error);
  }
}

function removeEmptyDirectory(directory: string): boolean {
  try {
    fs.rmdirSync(directory);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ENOTEMPTY" || code === "EEXIST") return false;
    throw fileError("write", "remove directory", directory, error);
  }
}

function syncDirectory(directory: string): void {
  let handle: number | undefined;
  try {
    handle = fs.openSync(directory, "r");
    fs.fsyncSync(handle);
  } catch (error) {
    // Windows has no such call; its file systems order names by themselves.
    if (onWindows && ["EPERM", "EISDIR", "EINVAL"].includes(codeOf(error) ?? "")) return;
    throw fileError("write", "make durable", directory, error);
  } finally {
    if (handle !== undefined) fs.closeSync(handle);
  }
}

/** Also when a parent is not a directory: then nothing of that name can exist. */
function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

function freeBytes(directory: string): number | undefined {
  try {
    const { bavail, bsize } = fs.statfsSync(directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
