// The operating system loads native code only from a file, and whoever can change that file decides what we run. So it is
// kept in a directory that belongs to this user alone, or else written anew for this one start.

import { createHash } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { threadId } from "node:worker_threads";

/** Calls `load` with the path of a file that holds `code`, kept below `cacheDirectory` where that is safe and possible. */
export function withNativeFile<T>(code: Uint8Array, cacheDirectory: string, load: (path: string) => T): T {
  const name = `${createHash("sha256").update(code).digest("hex")}.node`;
  const kept = privateDirectory(join(cacheDirectory, "native"));
  if (kept !== undefined) {
    try {
      return load(keep(kept, name, code));
    } catch {
      // No space, read-only, or mounted noexec: the temporary directory may still do. If not, it says why.
    }
  }
  const fresh = mkdtempSync(join(tmpdir(), "holdfast-native-"));
  try {
    return load(keep(fresh, name, code));
  } finally {
    // What is loaded stays in memory. Windows keeps the file locked as well, so there it stays behind.
    if (process.platform !== "win32") rmSync(fresh, { recursive: true });
  }
}

/** Writes the file unless it is there already. Threads and processes may do so at once: each renames a whole file. */
function keep(directory: string, name: string, code: Uint8Array): string {
  const path = join(directory, name);
  if (!holds(path, code)) {
    const draft = `${path}.${process.pid}-${threadId}`;
    writeFileSync(draft, code, { mode: 0o700 });
    renameSync(draft, path);
  }
  return path;
}

/** Compared in full: after a power failure a file may have its name and its size and yet be empty. */
function holds(path: string, code: Uint8Array): boolean {
  try {
    return readFileSync(path).equals(code);
  } catch {
    return false;
  }
}

/** Level by level: Node's own recursion never ends where the system says ENOENT below a directory that exists, as /proc does. */
function makeDirectories(directory: string): void {
  const missing: string[] = [];
  for (let path = directory; !existsSync(path) && dirname(path) !== path; path = dirname(path)) missing.push(path);
  for (const path of missing.toReversed()) {
    try {
      mkdirSync(path, { mode: 0o700 });
    } catch (error) {
      // Another start of the program was faster.
      if (!existsSync(path)) throw error;
    }
  }
}

/** The directory, made if need be, when nobody else can write to it. A home may be somebody else's, as under sudo. */
function privateDirectory(directory: string): string | undefined {
  try {
    makeDirectories(directory);
    const { uid, mode } = lstatSync(directory);
    const isPrivate = process.getuid === undefined || (uid === process.getuid() && (mode & 0o077) === 0);
    return isPrivate ? directory : undefined;
  } catch {
    return undefined;
  }
}
