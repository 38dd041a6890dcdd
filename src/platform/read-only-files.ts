// Files that cannot be changed: for a repository that somebody else's repair reads. Whoever tries has made a mistake, and it
// must show before anything is touched.

import { HoldfastError } from "../base/errors.ts";
import type { Files } from "./files.ts";

/** Reads through `files`; every change throws. */
export function readOnlyFiles(files: Files): Files {
  return {
    open: (path) => files.open(path),
    read: (path, limitBytes) => files.read(path, limitBytes),
    information: (path) => files.information(path),
    list: (directory) => files.list(directory),
    listEach: (directories) => files.listEach?.(directories) ?? directories.map((directory) => files.list(directory)),
    freeBytes: (directory) => files.freeBytes(directory),
    objects: (path) => files.objects?.(path),
    create: refuse,
    makeDirectory: refuse,
    rename: refuse,
    link: refuse,
    remove: refuse,
    removeEmptyDirectory: refuse,
    syncDirectory: refuse,
  };
}

function refuse(path: string): never {
  throw new HoldfastError("PERMISSION_DENIED", {
    message: `Cannot change "${path}": it is opened for reading only`,
    context: { path },
  });
}
