// What the tests of a file tree share: a directory of their own that is gone afterwards, however deep
// and oddly named what they put into it.

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { utf8 } from "../base/bytes.ts";
import {
  FileTreeError,
  KIND_DIRECTORY,
  newStatBuffer,
  type DirectoryHandle,
  type FileHandle,
  type FileTree,
  type StatBuffer,
} from "./file-tree.ts";

export interface Place {
  readonly tree: FileTree;
  readonly path: string;
  readonly directory: DirectoryHandle;
}

/** Lends a fresh directory below `root` and removes it again. */
export function inPlace(open: () => FileTree, root: string, use: (place: Place) => void): void {
  const tree = open();
  const path = mkdtempSync(join(root, "holdfast-tree-"));
  const directory = tree.openDirectory(utf8(path));
  const parent = tree.openDirectory(utf8(root));
  try {
    use({ tree, path, directory });
  } finally {
    clear(tree, directory);
    tree.close(directory);
    tree.removeDirectoryAt(parent, utf8(path.slice(root.length + 1)));
    tree.close(parent);
  }
}

function clear(tree: FileTree, directory: DirectoryHandle): void {
  const listing = tree.listDirectory(directory);
  const found = newStatBuffer();
  for (let i = 0; i < listing.count; i++) {
    const name = listing.name(i);
    tree.statAt(directory, name, found);
    if (found.kind !== KIND_DIRECTORY) {
      tree.removeAt(directory, name);
      continue;
    }
    const inner = tree.openDirectoryAt(directory, name);
    clear(tree, inner);
    tree.close(inner);
    tree.removeDirectoryAt(directory, name);
  }
}

/** The attributes of an entry that must exist. */
export function statOf({ tree, directory }: Place, name: string | Uint8Array): StatBuffer {
  const found = newStatBuffer();
  const bytes = typeof name === "string" ? utf8(name) : name;
  if (!tree.statAt(directory, bytes, found)) throw new Error(`No entry "${name.toString()}"`);
  return found;
}

/** Creates a file, lends it, and closes it. */
export function withNewFile<T>({ tree, directory }: Place, name: string, use: (handle: FileHandle) => T): T {
  return withHandle(tree, tree.createFileAt(directory, utf8(name), 0o644), use);
}

/** Opens a file for reading, lends it, and closes it. */
export function withFile<T>({ tree, directory }: Place, name: string, use: (handle: FileHandle) => T): T {
  return withHandle(tree, tree.openFileAt(directory, utf8(name)), use);
}

/** Makes a directory, lends it, and closes it. */
export function withNewDirectory<T>({ tree, directory }: Place, name: string, use: (handle: DirectoryHandle) => T): T {
  tree.makeDirectoryAt(directory, utf8(name), 0o755);
  return withHandle(tree, tree.openDirectoryAt(directory, utf8(name)), use);
}

function withHandle<H extends FileHandle | DirectoryHandle, T>(tree: FileTree, handle: H, use: (handle: H) => T): T {
  try {
    return use(handle);
  } finally {
    tree.close(handle);
  }
}

/** For assert.throws: a FileTreeError with one of these codes. */
export function failsWith(...codes: readonly string[]): (error: unknown) => boolean {
  return (error) => {
    if (error instanceof FileTreeError && codes.includes(error.code)) return true;
    throw new Error(`Expected a FileTreeError ${codes.join(" or ")}`, { cause: error });
  };
}

export const needsRoot = process.getuid?.() === 0 ? false : "only root may do this";

/** A test of what only trees with a capability do; others are asked nothing. */
export function testWith(
  has: boolean,
  name: string,
  options: { readonly skip?: string | false },
  use: (context: TestContext) => void,
): void {
  if (has) test(name, options, use);
}
