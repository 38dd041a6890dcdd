// What is backed up: a small tree that changes from version to version, and the same for the same version.

import { createHash } from "node:crypto";
import { textOf, utf8 } from "../../../src/base/bytes.ts";
import { KIND_DIRECTORY, KIND_FILE, KIND_SYMBOLIC_LINK, newStatBuffer } from "../../../src/platform/file-tree.ts";
import type { DirectoryHandle, FileTree } from "../../../src/platform/file-tree.ts";
import { seededStream } from "../../../src/platform/seeded-stream.ts";
import { simulatedClock } from "../../../src/platform/simulated-clock.ts";
import { SimulatedFileTree } from "../../../src/platform/simulated-file-tree.ts";

export const SOURCE = "/source";

const trees = new Map<number, SimulatedFileTree>();
const descriptions = new Map<number, string>();

/** Version 1, 2, …: some of it the same in all, some changed, added and removed from one to the next. */
export function sourceTree(version: number): SimulatedFileTree {
  let tree = trees.get(version);
  if (tree === undefined) {
    tree = makeTree(version);
    trees.set(version, tree);
  }
  return tree;
}

/** What restoring that version must give. */
export function sourceDescription(version: number): string {
  let description = descriptions.get(version);
  if (description === undefined) {
    description = describeTree(sourceTree(version), SOURCE);
    descriptions.set(version, description);
  }
  return description;
}

function makeTree(version: number): SimulatedFileTree {
  // Old enough for its times to prove something.
  const tree = new SimulatedFileTree(simulatedClock(1_600_000_000_000));
  const root = tree.openDirectory(utf8("/"));
  tree.makeDirectoryAt(root, utf8(SOURCE.slice(1)), 0o755);
  const source = tree.openDirectoryAt(root, utf8(SOURCE.slice(1)));
  const file = (directory: DirectoryHandle, name: string, madeIn: number, ...parts: readonly Uint8Array[]): void => {
    const handle = tree.createFileAt(directory, utf8(name), 0o640);
    let position = 0;
    for (const part of parts) {
      tree.write(handle, part, position);
      position += part.length;
    }
    tree.setModifiedTime(handle, 1_600_000_000 + madeIn, 123_456_789);
    tree.close(handle);
  };
  const noise = (seed: number, length: number): Uint8Array => seededStream(seed).bytes(length);
  file(source, "changes", version, utf8(`version ${version}\n`));
  file(source, "empty", 0);
  file(source, "half-changes", version, noise(1, 9_000), noise(1_000 + version, 7_000));
  file(source, "stays", 0, noise(2, 6_000));
  tree.makeDirectoryAt(source, utf8("below"), 0o700);
  const below = tree.openDirectoryAt(source, utf8("below"));
  // Each is in two versions, and the same in both, its inode too.
  const [even, odd] = version % 2 === 0 ? [version, version - 1] : [version - 1, version];
  for (const number of [even, odd]) file(below, `only ${number}`, number, noise(2_000 + number, 500));
  file(below, "stays too", 0, utf8("the same in every version\n".repeat(40)));
  tree.makeLinkAt(source, utf8("stays"), below, utf8("another name of stays"));
  tree.makeSymbolicLinkAt(source, utf8("link"), utf8("below/stays too"));
  tree.setModifiedTime(below, 1_600_000_000 + version, 0);
  tree.setModifiedTime(source, 1_600_000_000 + version, 1);
  for (const handle of [below, source, root]) tree.close(handle);
  return tree;
}

/** Names, kinds, modes, owners, times, contents, targets, and which names are one file: a line for each entry. */
export function describeTree(tree: FileTree, path: string): string {
  const lines: string[] = [];
  const firstNames = new Map<number, string>();
  const stat = newStatBuffer();
  const describe = (directory: DirectoryHandle, name: Uint8Array, shown: string): void => {
    tree.statAt(directory, name, stat);
    const { kind, mode, userId, groupId, linkCount, modifiedSeconds, modifiedNanoseconds, sizeBytes, inodeLow } = stat;
    const first = firstNames.get(inodeLow) ?? shown;
    firstNames.set(inodeLow, first);
    const own = kind === KIND_DIRECTORY ? "" : ` ${linkCount} links, first ${first}`;
    const times = kind === KIND_SYMBOLIC_LINK ? "" : ` ${modifiedSeconds}.${modifiedNanoseconds}`;
    const more = kind === KIND_FILE ? ` ${sizeBytes} ${hashOf(tree, directory, name, sizeBytes)}` : "";
    const target = kind === KIND_SYMBOLIC_LINK ? ` to ${textOf(tree.readLinkAt(directory, name))}` : "";
    lines.push(`${shown} ${kind} ${mode.toString(8)} ${userId}:${groupId}${times}${own}${more}${target}`);
    if (kind !== KIND_DIRECTORY) return;
    const handle = name.length === 0 ? directory : tree.openDirectoryAt(directory, name);
    const listing = tree.listDirectory(handle);
    for (let position = 0; position < listing.count; position++) {
      const below = listing.name(position).slice();
      describe(handle, below, `${shown}/${textOf(below)}`);
    }
    if (handle !== directory) tree.close(handle);
  };
  const top = tree.openDirectory(utf8(path));
  describe(top, new Uint8Array(0), ".");
  tree.close(top);
  return lines.join("\n");
}

function hashOf(tree: FileTree, directory: DirectoryHandle, name: Uint8Array, sizeBytes: number): string {
  const handle = tree.openFileAt(directory, name);
  const bytes = new Uint8Array(sizeBytes);
  tree.read(handle, bytes, 0);
  tree.close(handle);
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}
