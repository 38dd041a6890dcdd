// For tests of interruption: a disk on which nothing can be changed any more from some moment on, as if the process were gone.

import { HoldfastError } from "../../src/base/errors.ts";
import type { Files, OpenFile } from "../../src/platform/files.ts";
import { nodeFiles } from "../../src/platform/node-files.ts";

/** The real disk, whose call number `atCall` of those that change something fails, and all after it. Reading goes on. */
export function failingFiles(atCall: number): { readonly files: Files; readonly hasFailed: () => boolean } {
  const real = nodeFiles();
  let calls = 0;
  const change = <T>(act: () => T): T => {
    if (++calls >= atCall) throw new HoldfastError("REPOSITORY_WRITE_FAILED", { message: `Call ${calls} fails` });
    return act();
  };
  const changing = (file: OpenFile): OpenFile => ({
    read: (into, position) => file.read(into, position),
    write: (bytes, position) => change(() => file.write(bytes, position)),
    sizeBytes: () => file.sizeBytes(),
    sync: async () => change(() => file.sync()),
    syncNow: () => change(() => file.syncNow()),
    close: () => file.close(),
  });
  const files: Files = {
    ...real,
    create: (path, access) => change(() => changing(real.create(path, access))),
    makeDirectory: (path) => (real.information(path) === undefined ? change(() => real.makeDirectory(path)) : undefined),
    rename: (from, to) => change(() => real.rename(from, to)),
    link: (from, to) => change(() => real.link(from, to)),
    remove: (path) => change(() => real.remove(path)),
    removeEmptyDirectory: (path) => change(() => real.removeEmptyDirectory(path)),
    syncDirectory: (path) => change(() => real.syncDirectory(path)),
  };
  return { files, hasFailed: () => calls >= atCall };
}
