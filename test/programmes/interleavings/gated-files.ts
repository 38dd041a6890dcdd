// The files of one actor. The repository lies in a real directory, but the actor knows it by a path that does not exist: so SQLite,
// which would go around the gate, finds no place for the catalog and keeps it in memory.

import type { Files, OpenFile } from "../../../src/platform/files.ts";

export const ROOT = "/interleaved";
export const REPOSITORY = `${ROOT}/repository`;

export interface GatedFilesOptions {
  readonly files: Files;
  /** Stands for ROOT. */
  readonly directory: string;
  /** Called before everything that others could see or that sees what others do. */
  readonly pass: () => void;
}

/**
 * Nothing is synced: here power does not fail. What is written to a file that has no name yet is nobody else's business. Disposing closes
 * what is open still, as the end of a process does.
 */
export function gatedFiles({ files, directory, pass }: GatedFilesOptions): Files & Disposable {
  const left = new Set<OpenFile>();
  const place = (path: string): string => {
    // Nothing of the machine is seen: no list of its users, for one.
    if (!path.startsWith(`${ROOT}/`)) return `${directory}/nothing${path}`;
    if (path === REPOSITORY || path.startsWith(`${REPOSITORY}/`)) pass();
    return directory + path.slice(ROOT.length);
  };
  const opened = (file: OpenFile): OpenFile => {
    left.add(file);
    return {
      read: (into, position) => file.read(into, position),
      write: (bytes, position) => file.write(bytes, position),
      sizeBytes: () => file.sizeBytes(),
      sync: () => Promise.resolve(),
      syncNow: () => undefined,
      close: () => {
        left.delete(file);
        file.close();
      },
    };
  };
  return {
    open: (path) => {
      const file = files.open(place(path));
      return file === undefined ? undefined : opened(file);
    },
    create: (path) => opened(files.create(place(path))),
    read: (path, limitBytes) => files.read(place(path), limitBytes),
    information: (path) => files.information(place(path)),
    // In one order: that of a real directory says something about what lay in it before.
    list: (path) => files.list(place(path))?.toSorted(),
    makeDirectory: (path) => files.makeDirectory(place(path)),
    rename: (from, to) => files.rename(place(from), directory + to.slice(ROOT.length)),
    link: (from, to) => files.link(place(from), directory + to.slice(ROOT.length)),
    remove: (path) => files.remove(place(path)),
    removeEmptyDirectory: (path) => files.removeEmptyDirectory(place(path)),
    syncDirectory: () => undefined,
    // Others on this machine must not decide what happens.
    freeBytes: () => undefined,
    [Symbol.dispose]: () => {
      for (const file of left) file.close();
      left.clear();
    },
  };
}
