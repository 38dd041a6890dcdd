// Files in several places, told apart by how their paths begin.

import type { Files } from "./files.ts";

/** Paths that `elsewhere` has no place for are on the disk of this machine. */
export function routedFiles(local: Files, elsewhere: (path: string) => Files | undefined): Files {
  const at = (path: string): Files => elsewhere(path) ?? local;
  return {
    open: (path) => at(path).open(path),
    create: (path) => at(path).create(path),
    read: (path, limitBytes) => at(path).read(path, limitBytes),
    information: (path) => at(path).information(path),
    list: (directory) => at(directory).list(directory),
    listEach: (directories) => {
      const [first] = directories;
      const files = first === undefined ? local : at(first);
      // Asked for together, they lie together: in one repository.
      return files.listEach?.(directories) ?? directories.map((directory) => at(directory).list(directory));
    },
    makeDirectory: (directory) => at(directory).makeDirectory(directory),
    rename: (from, to) => at(from).rename(from, to),
    link: (from, to) => at(from).link(from, to),
    remove: (path) => at(path).remove(path),
    removeEmptyDirectory: (path) => at(path).removeEmptyDirectory(path),
    syncDirectory: (directory) => at(directory).syncDirectory(directory),
    freeBytes: (directory) => at(directory).freeBytes(directory),
    objects: (path) => at(path).objects?.(path),
  };
}
