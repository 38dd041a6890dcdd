// What a walk does over any file tree.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { textOf, utf8 } from "../../base/bytes.ts";
import { hasCode } from "../../base/errors.ts";
import { KIND_FILE, type FileTree } from "../../platform/file-tree.ts";
import { SelectionBuilder, walkTree } from "./files.ts";
import { counting, isName, treeOf, walkAll } from "./walk-harness.contract.ts";

export function describeWalkContract(label: string, tree: FileTree): void {
  describe(`a walk over the ${label} file tree`, () => {
    test("delivers a directory before what lies in it, and siblings in the order of their names", () => {
      const root = treeOf("b/x", "b-c", "b.d/", "a", "b/-", "b/sub/deep");
      const { paths } = walkAll(tree, root, ["."]);
      assert.deepEqual(paths, ["./", "a", "b/", "b/-", "b/sub/", "b/sub/deep", "b/x", "b-c", "b.d/"]);
    });

    test("delivers the directories on the way to what was selected, once, and nothing else of them", () => {
      const root = treeOf("a/b/c/wanted", "a/b/c/unwanted", "a/b/other/file", "a/z");
      const { paths, ancestors } = walkAll(tree, root, ["a/b/c/wanted", "a/b/other", "a/z"]);
      assert.deepEqual(paths, ["a/b/c/wanted", "a/b/other/", "a/b/other/file", "a/z"]);
      assert.deepEqual(ancestors.slice(-4), ["./", "a/", "a/b/", "a/b/c/"]);
      const outer = join(root, "..").split("/").filter(Boolean).length;
      assert.equal(ancestors.length, outer + 4);
    });

    test("has attributes at hand for every entry, those of followed links included", () => {
      const root = treeOf("real/file", "link -> real", "plain");
      const builder = new SelectionBuilder(utf8(root));
      for (const path of ["link/file", "plain"]) builder.addPath(utf8(path));
      const walk = walkTree({ tree, selection: builder.build(), onProblem: (problem) => assert.fail(JSON.stringify(problem)) });
      let entries = 0;
      while (walk.next()) {
        assert.ok(Array.isArray(walk.extendedAttributes()));
        entries++;
      }
      assert.ok(entries > 3);
    });

    test("follows a selected link only with a slash behind it, and says what it did", () => {
      const root = treeOf("real/file", "link -> real", "to-file -> real/file", "dangling -> nowhere");
      const stored = walkAll(tree, root, ["link"]);
      assert.deepEqual(stored.paths, ["link"]);
      assert.deepEqual(stored.notices, ["link link-stored"]);
      const followed = walkAll(tree, root, ["link/"]);
      assert.deepEqual(followed.paths, ["link/", "link/file"]);
      assert.deepEqual(followed.notices, ["link link-followed"]);
      assert.deepEqual(walkAll(tree, root, ["to-file/"]).paths, ["to-file"]);
      assert.deepEqual(walkAll(tree, root, ["dangling/"]).paths, ["dangling"]);
    });

    test("stores a link on the way to a selected path as the directory that it leads to", () => {
      const root = treeOf("real/sub/file", "link -> real");
      const { paths, ancestors, notices } = walkAll(tree, root, ["link/sub"]);
      assert.deepEqual(paths, ["link/sub/", "link/sub/file"]);
      assert.equal(ancestors.at(-1), "link/");
      assert.deepEqual(notices, ["link link-followed"]);
    });

    test("never follows a link inside", () => {
      const root = treeOf("a/loop -> ..", "a/file");
      assert.deepEqual(walkAll(tree, root, ["."]).paths, ["./", "a/", "a/file", "a/loop"]);
    });

    test("leaves out what patterns choose and does not enter it", () => {
      const root = treeOf("keep/a.o", "keep/b.c", "skip/x", "deep/skip/y", "only/cache/z", "file/cache");
      const { paths, walk } = walkAll(tree, root, ["."], { excludes: ["*.o", "skip/", "./only/cache"] });
      assert.deepEqual(paths, ["./", "deep/", "file/", "file/cache", "keep/", "keep/b.c", "only/"]);
      assert.equal(walk.counts.excluded, 4);
    });

    test("leaves out a selected path that a pattern chooses, with a notice, but not the way to one", () => {
      const root = treeOf("a/x", "b/x", "c/tmp/x");
      const { paths, notices } = walkAll(tree, root, ["a", "b", "c/tmp/x"], { excludes: ["b", "tmp"] });
      assert.deepEqual(paths, ["a/", "a/x", "c/tmp/x"]);
      assert.deepEqual(notices, ["b excluded"]);
    });

    test("keeps of a tagged cache the directory and the tag, and only when the tag is genuine", () => {
      const root = treeOf(
        "cache/CACHEDIR.TAG",
        "cache/data",
        "cache/A",
        "fake/CACHEDIR.TAG",
        "fake/data",
        "link/data",
        "link/CACHEDIR.TAG -> ../cache/CACHEDIR.TAG",
      );
      writeFileSync(join(root, "cache/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n# made by a test\n");
      writeFileSync(join(root, "fake/CACHEDIR.TAG"), "Signature: none");
      const { paths, walk } = walkAll(tree, root, ["."], { excludeCaches: true });
      assert.deepEqual(paths, [
        "./",
        "cache/",
        "cache/CACHEDIR.TAG",
        "fake/",
        "fake/CACHEDIR.TAG",
        "fake/data",
        "link/",
        "link/CACHEDIR.TAG",
        "link/data",
      ]);
      assert.equal(walk.counts.tagged, 1);
      assert.equal(walkAll(tree, root, ["."]).paths.length, 11);
    });

    test("keeps of a directory with a chosen name in it only that", () => {
      const root = treeOf("a/.nobackup", "a/data", "a/sub/x", "b/data", "c/.nobackup/x", "c/y");
      const { paths } = walkAll(tree, root, ["."], { excludeIfPresent: [utf8(".nobackup"), utf8(".never")] });
      assert.deepEqual(paths, ["./", "a/", "a/.nobackup", "b/", "b/data", "c/", "c/.nobackup/", "c/.nobackup/x"]);
    });

    test("takes a missing path of the command line for an error, and one of a list for a problem", () => {
      const root = treeOf("here");
      assert.throws(
        () => walkAll(tree, root, ["here", "gone", "here/inside"]),
        (error) => hasCode(error, "SOURCE_MISSING") && error.message.includes("gone") && error.message.includes("here/inside"),
      );
      const builder = new SelectionBuilder(utf8(root));
      builder.addList(utf8("gone\nhere\n"), "newline");
      const problems: string[] = [];
      const walk = walkTree({
        tree,
        selection: builder.build(),
        onProblem: ({ path, code }) => problems.push(`${textOf(path)} ${code}`),
      });
      let files = 0;
      while (walk.next()) if (walk.stat.kind === KIND_FILE) files++;
      assert.equal(files, 1);
      assert.deepEqual(problems, [`${root.slice(1)}/gone ENOENT`]);
    });

    test("closes everything it opened, at the end and when it is left early", () => {
      const root = treeOf("a/b/c/d", "a/b/e", "f");
      const counted = counting(tree);
      assert.equal(walkAll(counted.tree, root, ["a", "f"], { excludeCaches: true }).paths.length, 6);
      assert.equal(counted.open(), 0);
      const builder = new SelectionBuilder(utf8(root));
      builder.addPath(utf8("."));
      const walk = walkTree({ tree: counted.tree, selection: builder.build(), onProblem: () => assert.fail() });
      while (walk.next() && !isName(walk.name, "c"));
      assert.ok(counted.open() > 0);
      walk.close();
      walk.close();
      assert.equal(counted.open(), 0);
      assert.equal(walk.next(), false);
    });

    test("stops when it is told to", () => {
      const root = treeOf("a/b");
      const signal = AbortSignal.abort(new Error("enough"));
      assert.throws(() => walkAll(tree, root, ["."], { signal }), /enough/);
    });

    test("keeps few directories open, however deep the tree, and goes on correctly on the way up", () => {
      const names: string[] = [];
      for (let depth = 0, path = ""; depth < 40; depth++, path += "d/") names.push(`${path}a`, `${path}z`);
      const root = treeOf(...names);
      const counted = counting(tree);
      const few = walkAll(counted.tree, root, ["."], { maximumOpenDirectories: 4 });
      assert.deepEqual(few.paths, walkAll(tree, root, ["."], { maximumOpenDirectories: 1000 }).paths);
      assert.equal(few.paths.length, 120);
      assert.deepEqual(few.problems, []);
      assert.ok(counted.most() <= 4 + 3, `${counted.most()} open`);
      assert.equal(counted.open(), 0);
    });
  });
}
