import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { textOf, utf8 } from "../../base/bytes.ts";
import { comparePaths } from "../../model/path-order.ts";
import { openLinuxFileTree } from "../../platform/file-tree-linux.ts";
import { openPortableFileTree } from "../../platform/file-tree-portable.ts";
import {
  KIND_DIRECTORY,
  KIND_FILE,
  KIND_SYMBOLIC_LINK,
  newStatBuffer,
  type DirectoryHandle,
  type DirectoryListing,
  type FileHandle,
} from "../../platform/file-tree.ts";
import { PatternList, SelectionBuilder, walkTree } from "./files.ts";
import { describeWalkFaults } from "./walk-faults.contract.ts";
import { counting, isName, replacing, temporaryDirectory, treeOf, walkAll } from "./walk-harness.contract.ts";
import { describeWalkContract } from "./walk.contract.ts";

const onLinux = process.platform === "linux";
const skip = onLinux ? false : "needs the Linux file tree";
const linuxTree = onLinux ? openLinuxFileTree() : openPortableFileTree();

if (onLinux) {
  describeWalkContract("Linux", linuxTree);
  describeWalkFaults("Linux", linuxTree);
}
describeWalkContract("portable", openPortableFileTree());
describeWalkFaults("portable", openPortableFileTree());

test("the order of a walk is the order of all its paths, whatever bytes the names hold", { skip }, () => {
  const tree = linuxTree;
  const root = temporaryDirectory();
  const seed = Number(process.env["HOLDFAST_TEST_SEED"] ?? Date.now() % 1_000_000);
  let state = seed;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  const alphabet = [0x01, 0x0a, 0x20, 0x2d, 0x2e, 0x30, 0x41, 0x61, 0x62, 0x7f, 0x80, 0xc3, 0xff];
  const fill = (directory: DirectoryHandle, depth: number): void => {
    for (let i = 0; i < 12; i++) {
      const name = Uint8Array.from({ length: 1 + below(3) }, () => alphabet[below(alphabet.length)]!);
      if (name.every((byte) => byte === 0x2e)) continue;
      if (depth < 3 && below(3) === 0) {
        if (!tree.makeDirectoryAt(directory, name, 0o755)) continue;
        const child = tree.openDirectoryAt(directory, name);
        fill(child, depth + 1);
        tree.close(child);
      } else if (tree.statAt(directory, name, newStatBuffer())) continue;
      else tree.close(tree.createFileAt(directory, name, 0o644));
    }
  };
  const top = tree.openDirectory(utf8(root));
  fill(top, 0);
  tree.close(top);

  const builder = new SelectionBuilder(utf8("/"));
  builder.addPath(utf8(root));
  const walk = walkTree({ tree, selection: builder.build(), onProblem: () => assert.fail() });
  const walked: Uint8Array[] = [];
  while (walk.next()) if (!walk.isAncestor) walked.push(walk.path.slice(0, walk.pathLength));

  const found = spawnSync("find", [root, "-print0"], { maxBuffer: 1 << 28 }).stdout;
  const expected: Uint8Array[] = [];
  for (let start = 0; start < found.length;) {
    const end = found.indexOf(0, start);
    expected.push(new Uint8Array(found.subarray(start + 1, end)));
    start = end + 1;
  }
  expected.sort((a, b) => comparePaths(a, a.length, b, b.length));
  const hex = (path: Uint8Array): string => Buffer.from(path).toString("latin1");
  assert.deepEqual(walked.map(hex), expected.map(hex), `HOLDFAST_TEST_SEED=${seed}`);
});

test("a tree of 3,000 levels is walked down and up again", { skip }, () => {
  const tree = linuxTree;
  const root = temporaryDirectory({ inMemory: true });
  let directory = tree.openDirectory(utf8(root));
  const name = utf8("dir");
  for (let depth = 0; depth < 3000; depth++) {
    assert.ok(tree.makeDirectoryAt(directory, name, 0o755));
    tree.close(tree.createFileAt(directory, utf8("z"), 0o644));
    const child = tree.openDirectoryAt(directory, name);
    tree.close(directory);
    directory = child;
  }
  tree.close(directory);
  const counted = counting(tree);
  const { paths, problems } = walkAll(counted.tree, root, ["."]);
  assert.deepEqual(problems, []);
  assert.equal(paths.length, 1 + 6000);
  assert.equal(paths.at(-1), "z");
  assert.equal(paths[3000]!.length, 12_000);
  assert.ok(counted.most() <= 67, `${counted.most()} open`);
});

test("a path beyond what an image can name is reported, and the walk goes on", { skip }, () => {
  const tree = linuxTree;
  const root = temporaryDirectory({ inMemory: true });
  let directory = tree.openDirectory(utf8(root));
  const name = utf8("n".repeat(255));
  for (let depth = 0; depth < 257; depth++) {
    assert.ok(tree.makeDirectoryAt(directory, name, 0o755));
    const child = tree.openDirectoryAt(directory, name);
    tree.close(directory);
    directory = child;
  }
  tree.close(directory);
  writeFileSync(join(root, "z"), "");
  const { paths, problems } = walkAll(tree, root, ["."]);
  assert.equal(paths.at(-1), "z");
  assert.equal(problems.length, 1);
  assert.ok(problems[0]!.endsWith("examine ENAMETOOLONG"));
});

test("a flat directory of 50,000 names is walked in order", { skip }, () => {
  const tree = linuxTree;
  const root = temporaryDirectory({ inMemory: true });
  const directory = tree.openDirectory(utf8(root));
  for (let i = 0; i < 50_000; i++) tree.close(tree.createFileAt(directory, utf8(`f${(i * 7919) % 50_000}`), 0o600));
  tree.close(directory);
  const { paths } = walkAll(tree, root, ["."]);
  assert.equal(paths.length, 50_001);
  assert.deepEqual(paths.slice(0, 4), ["./", "f0", "f1", "f10"]);
});

test("a flat directory of a million names costs the walk no memory beyond its listing", () => {
  const count = 1_000_000;
  const digits = utf8("0000000");
  const million: DirectoryListing = {
    count,
    name: (position) => {
      for (let i = 6, rest = position; i >= 0; i--, rest = Math.floor(rest / 10)) digits[i] = 0x30 + (rest % 10);
      return digits;
    },
    kind: () => KIND_FILE,
  };
  const tree = replacing(openPortableFileTree(), {
    openDirectory: () => 1 as DirectoryHandle,
    openDirectoryAt: () => 2 as DirectoryHandle,
    statHandle: (_handle: FileHandle | DirectoryHandle, into) => void (into.kind = KIND_DIRECTORY),
    statAt: (_directory, name, into) => {
      into.kind = isName(name, "flat") ? KIND_DIRECTORY : KIND_FILE;
      return true;
    },
    listDirectory: () => million,
    close: () => {},
  });
  const builder = new SelectionBuilder(utf8("/"));
  builder.addPath(utf8("flat"));
  const walk = walkTree({ tree, selection: builder.build(), onProblem: () => assert.fail() });
  let entries = 0;
  while (walk.next()) entries++;
  assert.equal(entries, count + 1);
  assert.equal(textOf(walk.path.subarray(0, walk.pathLength)), "flat/0999999");
});

test("sockets are left out with a notice, FIFOs are entries", { skip }, async () => {
  const root = treeOf("file");
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(root, "socket"), resolve));
  spawnSync("mkfifo", [join(root, "fifo")]);
  try {
    const { paths, notices, problems, walk } = walkAll(linuxTree, root, ["."]);
    assert.deepEqual(paths, ["./", "fifo", "file"]);
    assert.deepEqual(notices, ["socket socket"]);
    assert.deepEqual(problems, []);
    assert.equal(walk.counts.sockets, 1);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test("the root directory is an entry when it is selected, with an empty path", { skip }, () => {
  const builder = new SelectionBuilder(utf8("/"));
  builder.addPath(utf8("/"));
  const walk = walkTree({
    tree: linuxTree,
    selection: builder.build(),
    excludes: new PatternList([utf8("/*")]),
    onProblem: () => assert.fail(),
  });
  assert.ok(walk.next());
  assert.equal(walk.pathLength, 0);
  assert.equal(walk.stat.kind, KIND_DIRECTORY);
  assert.ok(Array.isArray(walk.extendedAttributes()));
  assert.equal(walk.next(), false);
});

test("a link that is selected by a list of its own is a link", { skip }, () => {
  const root = treeOf("link -> /etc");
  const builder = new SelectionBuilder(utf8(root));
  builder.addList(utf8("link"), "newline");
  const walk = walkTree({ tree: linuxTree, selection: builder.build(), onProblem: () => assert.fail() });
  let last = 0;
  while (walk.next()) last = walk.stat.kind;
  assert.equal(last, KIND_SYMBOLIC_LINK);
});

test("one file system: a mount point is an empty directory", (context) => {
  const root = treeOf("data/mounted/hidden", "data/file");
  const script = `
    import { walkTree, SelectionBuilder } from ${JSON.stringify(join(import.meta.dirname, "files.ts"))};
    import { openLinuxFileTree } from ${JSON.stringify(join(import.meta.dirname, "../../platform/file-tree-linux.ts"))};
    const results = [false, true].map((oneFileSystem) => {
      const builder = new SelectionBuilder(Buffer.from("/"));
      builder.addPath(Buffer.from(${JSON.stringify(join(root, "data"))}));
      const walk = walkTree({ tree: openLinuxFileTree(), selection: builder.build(), oneFileSystem, onProblem: (p) => { throw new Error(p.code); } });
      const names = [];
      while (walk.next()) if (!walk.isAncestor) names.push(Buffer.from(walk.name).toString());
      return [names, walk.counts.mountPoints];
    });
    console.log(JSON.stringify(results));`;
  const mount = `mount -t tmpfs tmpfs "$0/data/mounted" && touch "$0/data/mounted/inside" && exec "$1" --input-type=module -e "$2"`;
  const run = spawnSync("unshare", ["-m", "sh", "-c", mount, root, process.execPath, script], { encoding: "utf8" });
  if (run.error !== undefined || /unshare|mount:/.test(run.stderr)) return context.skip(`mounting needs root: ${run.stderr}`);
  assert.equal(run.status, 0, run.stderr);
  assert.deepEqual(JSON.parse(run.stdout), [
    [["data", "file", "mounted", "inside"], 0],
    [["data", "file", "mounted"], 1],
  ]);
});
