import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { hasCode } from "../base/errors.ts";
import { openLinuxFileTree } from "./file-tree-linux.ts";
import { openPortableFileTree } from "./file-tree-portable.ts";
import { describeFileTreeContract } from "./file-tree.contract.ts";
import { openFileTree } from "./open-file-tree.ts";

const root = realpathSync(tmpdir());

describeFileTreeContract("portable file tree", openPortableFileTree, root);

if (process.platform === "linux") {
  describeFileTreeContract("Linux file tree", openLinuxFileTree, root);
} else {
  test("Linux file tree", { skip: "this is not Linux" });
}

test("without the C library the portable file tree is opened with a notice of what is lost", () => {
  const { tree, notice } = openFileTree(() => {
    throw new Error("no such package");
  });
  assert.equal(tree.capabilities.confinement, false);
  assert.match(notice ?? "", /not preserved.*\.$/);
});

test(
  "on Linux the native file tree is opened without a notice",
  { skip: process.platform !== "linux" && "this is not Linux" },
  () => {
    const { tree, notice } = openFileTree();
    assert.deepEqual([tree.capabilities.confinement, notice], [true, undefined]);
  },
);

test("the Linux file tree says when the C library cannot be called", () => {
  const broken = () => ({
    load: () => {
      throw new Error("no symbols");
    },
    errno: () => 0,
  });
  assert.throws(
    () => openLinuxFileTree(broken),
    (error) => hasCode(error, "PLATFORM_UNSUPPORTED"),
  );
});
