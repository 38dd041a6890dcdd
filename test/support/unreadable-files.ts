// For tests of disks that fail: files that the system cannot read from some moment on.

import { HoldfastError } from "../../src/base/errors.ts";
import type { Files, OpenFile } from "../../src/platform/files.ts";
import { nodeFiles } from "../../src/platform/node-files.ts";

export interface UnreadableFiles {
  readonly files: Files;
  /** From now on, reads of files whose path `isHit` says so fail: so many of them. */
  begin(isHit: (path: string) => boolean, count: number): void;
  /** How many have failed. */
  readonly failures: () => number;
}

/** The real disk; of files that are open already, too. Worker threads have a disk of their own, on which nothing fails. */
export function unreadableFiles(): UnreadableFiles {
  const real = nodeFiles();
  let isHit: (path: string) => boolean = () => false;
  let left = 0;
  let failures = 0;
  const failing = (path: string, file: OpenFile): OpenFile => ({
    read: (into, position) => {
      if (isHit(path) && left > 0) {
        left--;
        failures++;
        throw new HoldfastError("REPOSITORY_READ_FAILED", { message: `Cannot read ${path}: EIO: i/o error, read` });
      }
      return file.read(into, position);
    },
    write: (bytes, position) => file.write(bytes, position),
    sizeBytes: () => file.sizeBytes(),
    sync: () => file.sync(),
    syncNow: () => file.syncNow(),
    close: () => file.close(),
  });
  const open: Files["open"] = (path) => {
    const file = real.open(path);
    return file === undefined ? undefined : failing(path, file);
  };
  return {
    files: { ...real, open },
    begin: (hit, count) => {
      isHit = hit;
      left = count;
    },
    failures: () => failures,
  };
}
