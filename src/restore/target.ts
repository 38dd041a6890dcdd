// The directory a restore goes to: opened once, made when it is missing, and from then on only reached through its handle.

import { concatBytes, textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { PATH_SEPARATOR } from "../model/path-order.ts";
import { FileTreeError, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree } from "../platform/file-tree.ts";
import type { TargetIdentity } from "./run-settings.ts";

export interface OpenedTarget {
  readonly handle: DirectoryHandle;
  readonly identity: TargetIdentity;
  readonly isNew: boolean;
  /** The root of everything: a restore in place. */
  readonly isRoot: boolean;
}

/** For a dry run: undefined where a restore would have to make the directory. TARGET_WRITE_FAILED when it can be no target. */
export function openTargetAsFound(tree: FileTree, path: Uint8Array): OpenedTarget | undefined {
  try {
    const opened = openFollowing(tree, path);
    return opened === undefined ? undefined : described(tree, opened.handle, opened.path, false);
  } catch (error) {
    if (!(error instanceof FileTreeError)) throw error;
    throw unusable(path, error);
  }
}

/**
 * Opens the directory at an absolute path, after making it and its parents. A link to a directory is followed here and
 * nowhere else: the person who gives the target means where it leads. TARGET_WRITE_FAILED when there is no way.
 */
export function openOrMakeTarget(tree: FileTree, path: Uint8Array): OpenedTarget {
  try {
    const opened = openFollowing(tree, path);
    if (opened !== undefined) return described(tree, opened.handle, opened.path, false);
    makeDirectory(tree, path);
    return described(tree, tree.openDirectory(path), path, true);
  } catch (error) {
    if (!(error instanceof FileTreeError)) throw error;
    throw unusable(path, error);
  }
}

function unusable(path: Uint8Array, error: FileTreeError): HoldfastError {
  return new HoldfastError("TARGET_WRITE_FAILED", {
    message: `Cannot use "${textOf(path)}" as the target of a restore: ${error.code}`,
    context: { code: error.code },
    hint: "Give a directory that you may write to; it is made when it does not exist.",
    cause: error,
  });
}

/** Undefined when nothing is there. */
function openFollowing(
  tree: FileTree,
  path: Uint8Array,
): { readonly handle: DirectoryHandle; readonly path: Uint8Array } | undefined {
  try {
    return { handle: tree.openDirectory(path), path };
  } catch (error) {
    if (!(error instanceof FileTreeError)) throw error;
    if (error.code === "ENOENT") return undefined;
    if (error.code !== "ELOOP" && error.code !== "ENOTDIR") throw error;
  }
  const followed = concatBytes(path, utf8("/."));
  return { handle: tree.openDirectory(followed), path: followed };
}

function makeDirectory(tree: FileTree, path: Uint8Array): void {
  let end = path.length;
  while (end > 1 && path[end - 1] === PATH_SEPARATOR) end--;
  let nameStart = end;
  while (nameStart > 0 && path[nameStart - 1] !== PATH_SEPARATOR) nameStart--;
  // The root is always there.
  if (nameStart === 0) throw new FileTreeError("ENOENT", "make directory", textOf(path));
  const parentPath = path.subarray(0, Math.max(1, nameStart - 1));
  let parent = openFollowing(tree, parentPath)?.handle;
  if (parent === undefined) {
    makeDirectory(tree, parentPath);
    parent = tree.openDirectory(parentPath);
  }
  try {
    tree.makeDirectoryAt(parent, path.subarray(nameStart, end), 0o777);
  } finally {
    tree.close(parent);
  }
}

function described(tree: FileTree, handle: DirectoryHandle, path: Uint8Array, isNew: boolean): OpenedTarget {
  const stat = newStatBuffer();
  tree.statHandle(handle, stat);
  const { inodeLow, inodeHigh, deviceMajor, deviceMinor } = stat;
  const isRoot = path.every((byte) => byte === PATH_SEPARATOR);
  return { handle, identity: { path, inodeLow, inodeHigh, deviceMajor, deviceMinor }, isNew, isRoot };
}
