// Which entry something is, whatever path leads to it.

import { concatBytes, utf8 } from "../../base/bytes.ts";
import { FileTreeError, newStatBuffer } from "../../platform/file-tree.ts";
import type { FileTree, StatBuffer } from "../../platform/file-tree.ts";

export type FileIdentity = Pick<StatBuffer, "inodeLow" | "inodeHigh" | "deviceMajor" | "deviceMinor">;

/** Of a directory by its path, all links on the way followed; undefined when it cannot be looked at. */
export function identityOf(tree: FileTree, directory: Uint8Array): FileIdentity | undefined {
  const stat = newStatBuffer();
  try {
    // With a component behind it the last one is followed too.
    const handle = tree.openDirectory(concatBytes(directory, utf8("/.")));
    try {
      tree.statHandle(handle, stat);
    } finally {
      tree.close(handle);
    }
  } catch (error) {
    if (error instanceof FileTreeError) return undefined;
    throw error;
  }
  return stat.inodeLow === 0 && stat.inodeHigh === 0 ? undefined : stat;
}

export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return (
    a.inodeLow === b.inodeLow && a.inodeHigh === b.inodeHigh && a.deviceMajor === b.deviceMajor && a.deviceMinor === b.deviceMinor
  );
}
