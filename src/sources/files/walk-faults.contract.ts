// What a walk does when entries vanish, change or cannot be read. Faults are put in front of a real file tree, because
// permissions stop nobody where tests run as root.

import assert from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { textOf } from "../../base/bytes.ts";
import { FileTreeError, type FileTree } from "../../platform/file-tree.ts";
import { counting, isName, replacing, treeOf, walkAll } from "./walk-harness.contract.ts";

export function describeWalkFaults(label: string, tree: FileTree): void {
  describe(`a walk over the ${label} file tree when something is wrong`, () => {
    test("reports a directory that another one replaced while it was closed, and goes on above it", () => {
      const root = treeOf("a/b/c/d/e/file", "a/b/c/d/z", "a/b/z", "a/z");
      const swapped = replacing(tree, {
        listDirectory: (directory) => {
          const listing = tree.listDirectory(directory);
          if (listing.count === 1 && isName(listing.name(0), "file")) {
            rmSync(join(root, "a/b"), { recursive: true });
            mkdirSync(join(root, "a/b"));
            writeFileSync(join(root, "a/b/secret"), "");
          }
          return listing;
        },
      });
      const { paths, problems, walk } = walkAll(swapped, root, ["."], { maximumOpenDirectories: 2 });
      assert.ok(!paths.some((path) => path.includes("secret")));
      assert.equal(paths.at(-1), "a/z");
      assert.ok(
        problems.some((problem) => problem === "a/b list ESTALE"),
        problems.join(),
      );
      assert.ok(walk.counts.vanished > 0);
    });

    test("passes by what vanished between listing and looking, and counts it", () => {
      const root = treeOf("a", "b", "c/x", "d");
      const vanishing = replacing(tree, {
        statAt: (directory, name, into) => !isName(name, "b") && tree.statAt(directory, name, into),
        openDirectoryAt: (directory, name) => {
          if (isName(name, "c")) throw new FileTreeError("ENOENT", "open");
          return tree.openDirectoryAt(directory, name);
        },
      });
      const { paths, problems, walk } = walkAll(vanishing, root, ["."]);
      assert.deepEqual(paths, ["./", "a", "d"]);
      assert.deepEqual(problems, []);
      assert.equal(walk.counts.vanished, 2);
    });

    test("delivers a directory that cannot be opened or listed, reports it and goes on", () => {
      const root = treeOf("closed/x", "broken/x", "z");
      const failing = replacing(tree, {
        openDirectoryAt: (directory, name) => {
          if (isName(name, "closed")) throw new FileTreeError("EACCES", "open");
          return tree.openDirectoryAt(directory, name);
        },
        listDirectory: (directory) => {
          const listing = tree.listDirectory(directory);
          if (listing.count === 1) throw new FileTreeError("EIO", "list");
          return listing;
        },
      });
      const counted = counting(failing);
      const { paths, problems, walk } = walkAll(counted.tree, root, ["."]);
      assert.deepEqual(paths, ["./", "broken/", "closed/", "z"]);
      assert.deepEqual(problems, ["broken list EIO", "closed open EACCES"]);
      assert.equal(walk.counts.problems, 2);
      assert.equal(counted.open(), 0);
    });

    test("reports entries whose attributes cannot be read", () => {
      const root = treeOf("a", "b", "c");
      const failing = replacing(tree, {
        statAt: (directory, name, into) => {
          if (isName(name, "b")) throw new FileTreeError("EIO", "read attributes of");
          return tree.statAt(directory, name, into);
        },
      });
      const { paths, problems } = walkAll(failing, root, ["."]);
      assert.deepEqual(paths, ["./", "a", "c"]);
      assert.deepEqual(problems, ["b examine EIO"]);
    });

    test("delivers what took the place of a directory", () => {
      const root = treeOf("a/x", "target/y");
      const swapping = replacing(tree, {
        openDirectoryAt: (directory, name) => {
          if (isName(name, "a")) {
            rmSync(join(root, "a"), { recursive: true, force: true });
            symlinkSync("target", join(root, "a"));
          }
          return tree.openDirectoryAt(directory, name);
        },
      });
      const kinds: number[] = [];
      const { paths, problems } = walkAll(swapping, root, ["."], { onNotice: ({ path }) => kinds.push(path.length) });
      assert.deepEqual(paths, ["./", "a", "target/", "target/y"]);
      assert.deepEqual(problems, []);
    });

    test("fails when the process itself is out of handles, instead of losing the rest entry by entry", () => {
      const root = treeOf("a/x");
      const exhausted = replacing(tree, {
        openDirectoryAt: () => {
          throw new FileTreeError("EMFILE", "open directory");
        },
      });
      assert.throws(() => walkAll(exhausted, root, ["."]), /EMFILE/);
    });

    test("asks for attributes before it judges an entry whose kind the directory does not tell", () => {
      const root = treeOf("build/x", "sub/build");
      const silent = replacing(tree, {
        listDirectory: (directory) => {
          const listing = tree.listDirectory(directory);
          return { count: listing.count, name: (position) => listing.name(position), kind: () => 0 };
        },
      });
      assert.deepEqual(walkAll(silent, root, ["."], { excludes: ["build/"] }).paths, ["./", "sub/", "sub/build"]);
    });

    test("gets through directories on the way that may be passed but not read", () => {
      const root = treeOf("shut/tight/home/file");
      const refused = [`${root}/shut/.`, `${root}/shut/tight/.`, `${root}/shut/tight`];
      const guarded = replacing(tree, {
        openDirectory: (path) => {
          if (refused.includes(textOf(path))) throw new FileTreeError("EACCES", "open directory");
          return tree.openDirectory(path);
        },
      });
      const counted = counting(guarded);
      const { paths, ancestors, problems, notices } = walkAll(counted.tree, root, ["shut/tight/home"]);
      assert.deepEqual(paths, ["shut/tight/home/", "shut/tight/home/file"]);
      assert.deepEqual(ancestors.slice(-2), ["./", "shut/"]);
      assert.deepEqual(problems, []);
      assert.deepEqual(notices, ["shut/tight ancestor-unknown"]);
      assert.equal(counted.open(), 0);
    });
  });
}
