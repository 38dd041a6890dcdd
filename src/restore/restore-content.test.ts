// Content that is large, sparse, deep, linked, damaged or missing.

import assert from "node:assert/strict";
import { linkSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { randomBytes } from "../engine/testing.ts";
import type { EntryBody } from "../formats/entry.ts";
import { FileTreeError } from "../platform/file-tree.ts";
import type { FileTree } from "../platform/file-tree.ts";
import { openLinuxFileTree } from "../platform/file-tree-linux.ts";
import {
  ImageMaker,
  MemoryRepository,
  contentOf,
  describeTree,
  problemsOf,
  restore,
  sha256,
  temporaryDirectory,
  tree,
} from "./restore-harness.contract.ts";
import type { RestoreOutcome } from "./restore.ts";

const isRoot = process.geteuid?.() === 0;

/** A tree some of whose calls fail or are counted. */
function replacing(calls: (real: FileTree) => Partial<FileTree>): FileTree {
  const real = openLinuxFileTree();
  const replaced = calls(real);
  return new Proxy(real, {
    get: (_, name: keyof FileTree) => {
      const value = name in replaced ? replaced[name] : real[name];
      return typeof value === "function" ? value.bind(real) : value;
    },
  });
}

function damaged(): HoldfastError {
  return new HoldfastError("SEAL_BROKEN", { message: "Cannot open the block" });
}

describe("large content", () => {
  test("comes back in stretches, with its holes", async () => {
    const maker = new ImageMaker(new MemoryRepository({ blockBytes: 1 << 20 }));
    const parts: (Uint8Array | number)[] = [];
    for (let i = 0; i < 100; i++) parts.push(randomBytes(i, 600_000), ...(i % 10 === 0 ? [5_000_000] : []));
    const root = maker.image(
      ["", maker.directory()],
      ["large", maker.file([...parts, 3_000_000], { mode: 0o640 })],
      ["small", maker.file("small")],
    );
    const target = temporaryDirectory();
    const types: number[] = [];
    const outcome = await restore(maker.repository, root, target, {
      verify: true,
      onTask: (task) => types.push(task[0] as number),
    });
    assert.deepEqual(problemsOf(outcome), []);
    assert.equal(outcome.verifiedFiles, 2);
    assert.equal(outcome.restoredBytes, 113_000_005);
    assert.ok(types.filter((type) => type === 4).length >= 2, "several stretches");
    const stat = statSync(join(target, "large"));
    assert.deepEqual([stat.size, stat.mode & 0o7777], [113_000_000, 0o640]);
    assert.ok(stat.blocks * 512 < 61_000_000, `${stat.blocks * 512} bytes allocated`);
    assert.deepEqual(readdirSync(target), ["large", "small"]);
  });

  test("beyond 4 GiB keeps its size and its holes", async () => {
    const maker = new ImageMaker();
    const root = maker.image(
      ["", maker.directory()],
      ["all hole", maker.file([6 * 2 ** 30])],
      ["sparse", maker.file(["begin", 5 * 2 ** 30, "end"])],
    );
    const target = temporaryDirectory();
    const outcome = await restore(maker.repository, root, target, { verify: true });
    assert.deepEqual(problemsOf(outcome), []);
    const handle = tree.openFileAt(tree.openDirectory(utf8(target)), utf8("sparse"));
    const end = new Uint8Array(8);
    assert.equal(tree.read(handle, end, 5 * 2 ** 30), 8);
    assert.deepEqual(end, utf8("\0\0\0\0\0end"));
    tree.close(handle);
    for (const [name, size] of [
      ["sparse", 5 * 2 ** 30 + 8],
      ["all hole", 6 * 2 ** 30],
    ] as const) {
      const stat = statSync(join(target, name));
      assert.equal(stat.size, size);
      assert.ok(stat.blocks * 512 < 100_000, `${stat.blocks * 512} bytes allocated`);
    }
    assert.equal(outcome.verifiedFiles, 2);
  });

  test("that changed after it was written is found by verifying", async () => {
    const maker = new ImageMaker();
    const root = maker.image(
      ["", maker.directory()],
      ["hole", maker.file([100_000, "x"])],
      ["large", maker.file(Array.from({ length: 1_200 }, (_, i) => randomBytes(i, 60_000)))],
      ["small", maker.file("content")],
      ["untouched", maker.file("content")],
    );
    const target = temporaryDirectory();
    const spoil = async (types: readonly number[]): Promise<void> => {
      if (types.at(-1) !== 8 || types.at(-2) === 8) return;
      writeFileSync(join(target, "small"), "CONTENT");
      writeFileSync(join(target, "hole"), "not zero", { flag: "r+" });
      const handle = tree.openFileForWritingAt(tree.openDirectory(utf8(target)), utf8("large"));
      tree.write(handle, utf8("!"), 70_000_000);
      tree.close(handle);
    };
    const types: number[] = [];
    const outcome = await restore(maker.repository, root, target, {
      verify: true,
      onTask: (task) => void spoil((types.push(task[0] as number), types)),
    });
    assert.deepEqual(problemsOf(outcome), [
      "/hole: verify CONTENT_DIFFERS",
      "/large: verify CONTENT_DIFFERS",
      "/small: verify CONTENT_DIFFERS",
    ]);
    assert.equal(outcome.verifiedFiles, 1);
  });
});

describe("paths", () => {
  test("may be far longer than a system call takes", async () => {
    const maker = new ImageMaker();
    const entries: [string, EntryBody][] = [["", maker.directory()]];
    let path = "";
    for (let depth = 0; depth < 90; depth++) {
      path += `${path === "" ? "" : "/"}${String.fromCharCode(97 + (depth % 26)).repeat(depth % 3 === 0 ? 250 : 100)}`;
      entries.push([path, maker.directory({ mode: 0o750 })]);
    }
    entries.push(
      [`${path}/file`, maker.file("deep")],
      [`${path}/large`, maker.file(Array.from({ length: 600 }, (_, i) => randomBytes(i, 100)))],
    );
    const first = entries[60]?.[0] ?? "";
    entries.push([`${first}/zz`, maker.file("on the way back")], ["zz", maker.file("top")]);
    const root = maker.image(...entries);
    const target = temporaryDirectory();
    const outcome = await restore(maker.repository, root, target, { verify: true });
    assert.deepEqual(problemsOf(outcome), []);
    const found = describeTree(target, { withRoot: false });
    assert.deepEqual(
      found.map(({ path: each }) => each),
      entries.slice(1).map(([each]) => each),
    );
    assert.deepEqual(new Set(found.filter(({ kind }) => kind === 1).map(({ mode }) => mode)), new Set(["750"]));
    assert.equal(outcome.verifiedFiles, 4);
  });

  test("of thousands of levels work", async () => {
    const maker = new ImageMaker();
    const entries: [string, EntryBody][] = [["", maker.directory()]];
    for (let depth = 1; depth <= 2_500; depth++)
      entries.push([Array.from({ length: depth }, () => "d").join("/"), maker.directory()]);
    const deepest = entries.at(-1)?.[0] ?? "";
    entries.push([`${deepest}/file`, maker.file("deep")]);
    for (const depth of [2_000, 1_000, 3]) entries.push([`${deepest.slice(0, depth * 2 - 1)}/e`, maker.file(`${depth}`)]);
    const root = maker.image(...entries);
    const target = temporaryDirectory();
    const outcome = await restore(maker.repository, root, target, { verify: true });
    assert.deepEqual(problemsOf(outcome), []);
    assert.deepEqual([outcome.plan.directories, outcome.restoredFiles, outcome.verifiedFiles], [2_501, 4, 4]);
    const again = await restore(maker.repository, root, target);
    assert.equal(again.skippedUnchanged, 4);
  });
});

describe("hard links", () => {
  const link = (inode: bigint, linkCount: number): Partial<EntryBody> => ({
    inode,
    hardLink: { deviceMajor: 8, deviceMinor: 1, linkCount },
  });

  test("are names of one file again, also where files were before", async () => {
    const maker = new ImageMaker();
    const content = maker.file("content", link(5n, 3));
    const root = maker.image(
      ["", maker.directory()],
      ["a", maker.directory()],
      ["a/x", content],
      ["b", content],
      ["c", content],
      ["other", maker.file("content", link(6n, 2))],
    );
    for (const overwrite of ["if-changed", "always"] as const) {
      const target = temporaryDirectory();
      writeFileSync(join(target, "b"), "in the way");
      writeFileSync(join(target, "c"), "in the way, with another name");
      linkSync(join(target, "c"), join(target, "d"));
      const outcome = await restore(maker.repository, root, target, { overwrite });
      assert.deepEqual(problemsOf(outcome), []);
      assert.deepEqual(
        describeTree(target, { withRoot: false }).map(({ path, linkedTo }) => [path, linkedTo]),
        [
          ["a", "a"],
          ["a/x", "a/x"],
          ["b", "a/x"],
          ["c", "a/x"],
          ["d", "d"],
          ["other", "other"],
        ],
      );
      assert.equal(contentOf(join(target, "d")), "in the way, with another name");
      assert.deepEqual([outcome.plan.files, outcome.plan.bytes, outcome.restoredFiles, outcome.restoredBytes], [4, 14, 4, 14]);
      const again = await restore(maker.repository, root, target);
      assert.deepEqual([again.restoredFiles, again.skippedUnchanged], [0, 4]);
    }
  });

  test("become copies where the file system has none", async () => {
    const maker = new ImageMaker();
    const content = maker.file("content", link(5n, 3));
    const root = maker.image(["", maker.directory()], ["a", content], ["b", content], ["c", content]);
    const target = temporaryDirectory();
    const treeFor = (): FileTree =>
      replacing(() => ({
        makeLinkAt: () => {
          throw new FileTreeError("EMLINK", "make link");
        },
      }));
    const outcome = await restore(maker.repository, root, target, { treeFor });
    assert.deepEqual(problemsOf(outcome), [
      "/b: make hard link, restored a copy EMLINK",
      "/c: make hard link, restored a copy EMLINK",
    ]);
    assert.deepEqual(
      describeTree(target, { withRoot: false }).map(({ path, linkedTo }) => [path, linkedTo]),
      [
        ["a", "a"],
        ["b", "b"],
        ["c", "c"],
      ],
    );
    assert.equal(contentOf(join(target, "c")), "content");
  });

  test("are never made to a file that was left as it is", async () => {
    const maker = new ImageMaker();
    const content = maker.file("content", link(5n, 2));
    const root = maker.image(["", maker.directory()], ["a", content], ["b", content]);
    const target = temporaryDirectory();
    writeFileSync(join(target, "a"), "something else");
    const outcome = await restore(maker.repository, root, target, { overwrite: "never" });
    assert.deepEqual(problemsOf(outcome), []);
    assert.equal(contentOf(join(target, "b")), "content");
    assert.equal(contentOf(join(target, "a")), "something else");
  });
});

describe("damage", () => {
  test("of a block costs the files that need it, which are listed and not left half written", async () => {
    const maker = new ImageMaker(new MemoryRepository({ blockBytes: 3_000 }));
    const entries: [string, EntryBody][] = [["", maker.directory()]];
    for (let i = 10; i < 40; i++) entries.push([`f${i}`, maker.file(`content ${i} `.repeat(100))]);
    entries.push(["several", maker.file([randomBytes(1, 2_000), "in the damaged block", randomBytes(2, 2_000)])]);
    const root = maker.image(...entries);
    maker.repository.endBlock();
    const broken = maker.repository.blocks[2];
    const brokenToo = maker.repository.blocks.at(-2);
    assert.ok(broken !== undefined && brokenToo !== undefined);
    broken.failure = damaged();
    brokenToo.failure = damaged();
    const target = temporaryDirectory();
    const outcome = await restore(maker.repository, root, target);
    const problems = problemsOf(outcome);
    assert.ok(
      problems.length >= 2 && problems.length < 8 && problems.every((text) => text.endsWith(" restore SEAL_BROKEN")),
      problems.join("\n"),
    );
    // Each names the container, so that a person can look for it.
    for (const { detail } of outcome.problems)
      assert.match(detail ?? "", /^container [0-9a-f]{64}: the block at byte \d+ cannot be read$/);
    const lost = new Set(outcome.problems.map(({ path }) => path.slice(1)));
    assert.ok(lost.has("several"));
    assert.deepEqual(
      readdirSync(target),
      entries
        .slice(1)
        .map(([path]) => path)
        .filter((path) => !lost.has(path)),
    );
    assert.equal(outcome.restoredFiles, 31 - problems.length);
  });

  test("of one copy is made up for by another", async () => {
    const repository = new MemoryRepository({ blockBytes: 2_000 });
    const maker = new ImageMaker(repository);
    const contents = Array.from({ length: 12 }, (_, i) => randomBytes(i, 900));
    const large = Array.from({ length: 800 }, (_, i) => randomBytes(100 + i, 60_000));
    const entries: [string, EntryBody][] = contents.map((content, i) => [`f${10 + i}`, maker.file(content)]);
    entries.push(["large", maker.file(large)], ["whole", maker.file([randomBytes(50, 900), randomBytes(51, 900)])]);
    const root = maker.image(...entries);
    const first = repository.blocks.length;
    for (const content of [...contents, ...large, randomBytes(50, 900), randomBytes(51, 900)]) repository.store(content, true);
    for (const block of repository.blocks.slice(0, first)) block.failure = damaged();
    const target = temporaryDirectory();
    const outcome = await restore(repository, root, target, { verify: true });
    assert.deepEqual(problemsOf(outcome), []);
    assert.deepEqual([outcome.restoredFiles, outcome.verifiedFiles], [14, 14]);
    assert.deepEqual(
      readdirSync(target),
      entries.map(([path]) => path),
    );
  });

  test("of a segment alone, or its absence, is told by name", async () => {
    const repository = new MemoryRepository({ blockBytes: 1_000_000 });
    const maker = new ImageMaker(repository);
    const large = Array.from({ length: 700 }, (_, i) => randomBytes(i, 60_000));
    const root = maker.image(
      ["a", maker.file("good a")],
      ["b", maker.file("to be spoiled")],
      ["c", maker.file("good c")],
      ["d", maker.file("to be lost")],
      ["large", maker.file(large)],
      ["list", maker.file(Array.from({ length: 20 }, (_, i) => randomBytes(900 + i, 100)))],
    );
    repository.endBlock();
    for (const block of repository.blocks) {
      const at = Buffer.from(block.bytes).indexOf("to be spoiled");
      if (at >= 0) block.bytes[at] = 0x54;
    }
    repository.forget(sha256(utf8("to be lost")));
    repository.forget(sha256(large[650] ?? utf8("")));
    const target = temporaryDirectory();
    const outcome = await restore(repository, root, target);
    assert.deepEqual(problemsOf(outcome), [
      "/b: restore REPOSITORY_DAMAGED",
      "/d: restore SEGMENT_MISSING",
      "/large: restore SEGMENT_MISSING",
    ]);
    assert.deepEqual(readdirSync(target), ["a", "c", "list"]);
  });

  test("of a list of segments costs that file only", async () => {
    const repository = new MemoryRepository();
    const maker = new ImageMaker(repository);
    const list = maker.file(Array.from({ length: 20 }, (_, i) => randomBytes(i, 100)));
    const [page] = repository.pageNames;
    const large = maker.file(Array.from({ length: 700 }, (_, i) => randomBytes(i, 60_000)));
    const last = repository.pageNames.at(-1);
    assert.ok(page !== undefined && last !== undefined);
    const root = maker.image(["large", large], ["list", list], ["z", maker.file("fine")]);
    repository.losePage(page);
    repository.losePage(last);
    const target = temporaryDirectory();
    const outcome = await restore(repository, root, target);
    assert.deepEqual(problemsOf(outcome), ["/large: restore SEGMENT_MISSING", "/list: restore SEGMENT_MISSING"]);
    assert.deepEqual(readdirSync(target), ["z"]);
  });
});

describe("the target", () => {
  test("that is full leaves no file half written", async () => {
    const maker = new ImageMaker();
    const root = maker.image(
      ["a", maker.file("fits")],
      ["b", maker.file("does not fit")],
      ["large", maker.file(Array.from({ length: 700 }, (_, i) => randomBytes(i, 60_000)))],
      ["z", maker.file("fits")],
    );
    const target = temporaryDirectory();
    const treeFor = (): FileTree =>
      replacing((real) => ({
        write: (handle, bytes, position) => {
          if (bytes.length > 4) throw new FileTreeError("ENOSPC", "write");
          real.write(handle, bytes, position);
        },
      }));
    const outcome = await restore(maker.repository, root, target, { treeFor });
    assert.deepEqual(problemsOf(outcome), ["/b: restore ENOSPC", "/large: restore ENOSPC"]);
    assert.deepEqual(readdirSync(target), ["a", "z"]);
  });

  test("that refuses attributes is told of for every entry, in the same order in every run", async () => {
    const maker = new ImageMaker();
    const attributes = [{ name: utf8("user.x"), value: utf8("1") }];
    const entries: [string, EntryBody][] = [["", maker.directory()]];
    for (let i = 10; i < 60; i++) entries.push([`f${i}`, maker.file(`${i}`, { attributes, userId: 12_345, mode: 0o4755 })]);
    const root = maker.image(...entries);
    const target = temporaryDirectory();
    const refuse = (code: string) => (): never => {
      throw new FileTreeError(code, "set");
    };
    const treeFor = (): FileTree => replacing(() => ({ setOwner: refuse("EPERM"), setExtendedAttribute: refuse("ENOTSUP") }));
    const outcome = await restore(maker.repository, root, target, { treeFor });
    const refusals = [
      "keep setuid or setgid without the owner EPERM",
      "set extended attribute user.x ENOTSUP",
      "set owner EPERM",
    ];
    const all = entries.slice(1).flatMap(([path]) => refusals.map((refusal) => `/${path} ${refusal}`));
    const listed = ({ problems }: RestoreOutcome): readonly string[] =>
      problems.map(({ path, action, code }) => `${path} ${action} ${code}`);
    assert.deepEqual([listed(outcome), outcome.problemCount], [all, 150]);
    const again = await restore(maker.repository, root, target, { treeFor });
    assert.deepEqual([listed(again), again.skippedUnchanged], [all, 50]);
    assert.equal(outcome.restoredFiles, 50);
    assert.equal(statSync(join(target, "f10")).mode & 0o7777, 0o755, "setuid without its owner would lend out another's rights");
  });

  test("costs at most six calls for a small file", async () => {
    const maker = new ImageMaker();
    const entries: [string, EntryBody][] = [
      ["", maker.directory()],
      ["d", maker.directory()],
    ];
    for (let i = 100; i < 300; i++) entries.push([`d/f${i}`, maker.file(`${i}`, { mode: i % 2 === 0 ? 0o644 : 0o755 })]);
    const root = maker.image(...entries);
    let calls = 0;
    const counted = (): FileTree => {
      const real = openLinuxFileTree();
      return new Proxy(real, {
        get: (_, name: keyof FileTree) => {
          const value = real[name];
          if (typeof value !== "function") return value;
          return (...parameters: unknown[]) => {
            calls++;
            return Reflect.apply(value, real, parameters) as unknown;
          };
        },
      });
    };
    await restore(maker.repository, root, temporaryDirectory(), { treeFor: counted });
    assert.ok(calls <= 200 * 4 + 60, `${calls} calls for 200 files`);
  });

  test("decides what new files get: setgid directories and default access control lists", { skip: !isRoot }, async () => {
    const maker = new ImageMaker();
    const root = maker.image(
      ["", maker.directory()],
      ["d", maker.directory({ mode: 0o770 })],
      ["d/a", maker.file("a", { mode: 0o666 })],
      ["d/b", maker.file("b", { mode: 0o640, groupId: 33 })],
    );
    const target = temporaryDirectory();
    const handle = tree.openDirectory(utf8(target));
    tree.setOwner(handle, 0, 4_711);
    tree.setMode(handle, 0o2755);
    // Version 2; user:: rwx, user 1000 rwx, group:: r-x, mask rwx, other:: ---
    const entry = (tag: number, permissions: number, id: number): number[] => [
      tag,
      0,
      permissions,
      0,
      id & 255,
      (id >> 8) & 255,
      (id >> 16) & 255,
      (id >>> 24) & 255,
    ];
    const none = 0xffff_ffff;
    const list = Uint8Array.from([
      2,
      0,
      0,
      0,
      ...entry(1, 7, none),
      ...entry(2, 7, 1_000),
      ...entry(4, 5, none),
      ...entry(16, 7, none),
      ...entry(32, 0, none),
    ]);
    tree.setExtendedAttribute(handle, { name: utf8("system.posix_acl_default"), value: list });
    mkdirSync(join(target, "inherits"));
    assert.ok(
      describeTree(target).some(({ path, attributes }) => path === "inherits" && attributes.length === 2),
      "the file system has access control lists",
    );
    tree.removeDirectoryAt(handle, utf8("inherits"));
    tree.close(handle);
    const outcome = await restore(maker.repository, root, target);
    assert.deepEqual(problemsOf(outcome), []);
    assert.deepEqual(
      describeTree(target, { withRoot: false }).map(({ path, mode, owner, attributes }) => [path, mode, owner, attributes]),
      [
        ["d", "770", "0:0", []],
        ["d/a", "666", "0:0", []],
        ["d/b", "640", "0:33", []],
      ],
    );
  });
});
