// What every file tree must do. Tests of a capability are there for implementations that have it.

import { describe } from "node:test";
import type { FileTree } from "./file-tree.ts";
import { readingTests } from "./file-tree-reading.contract.ts";
import { writingTests } from "./file-tree-writing.contract.ts";

/** Runs the contract in directories of its own below `root`, an absolute path. */
export function describeFileTreeContract(name: string, open: () => FileTree, root: string): void {
  describe(`${name}: reading`, () => readingTests(open, root));
  describe(`${name}: writing`, () => writingTests(open, root));
}
