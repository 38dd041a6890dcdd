import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { hexOf, utf8 } from "../base/bytes.ts";
import { randomBytes } from "../engine/testing.ts";
import { KIND_CHARACTER_DEVICE, KIND_FIFO } from "../platform/file-tree.ts";
import type { FileTree } from "../platform/file-tree.ts";
import { openPortableFileTree } from "../platform/file-tree-portable.ts";
import {
  ImageMaker,
  MemoryRepository,
  bodyOf,
  describeTree,
  problemsOf,
  restore,
  temporaryDirectory,
  tree,
} from "./restore-harness.contract.ts";

const isRoot = process.geteuid?.() === 0;

/** A tree of every kind of entry that this user may make. */
function makeTree(): string {
  const root = temporaryDirectory();
  const at = (path: string): string => join(root, path);
  for (const path of ["empty directory", "a/b/c", "a/b.d", "times"]) mkdirSync(at(path), { recursive: true });
  writeFileSync(at("a/empty"), "");
  writeFileSync(at("a/b/small"), "small");
  writeFileSync(at("a/b/same"), "small");
  writeFileSync(at("a/b.d/x"), "between a/b and a/b/");
  for (let i = 0; i < 200; i++) writeFileSync(at(`a/b/c/file ${i}`), `content of file ${i}\n`.repeat(i * 7));
  writeFileSync(at("a/several segments"), randomBytes(1, 300_000));
  writeFileSync(at("list of segments"), randomBytes(2, 1_000_000));
  writeFileSync(at("sparse"), "begin");
  truncateSync(at("sparse"), 300_000_000);
  writeFileSync(at("sparse"), "middle", { flag: "r+" });
  writeFileSync(at("all hole"), "");
  truncateSync(at("all hole"), 10_000_000);
  symlinkSync("a/b/small", at("link"));
  symlinkSync("/nowhere at all", at("dangling"));
  linkSync(at("a/b/small"), at("a/hard link"));
  linkSync(at("a/b/small"), at("z hard link"));
  linkSync(at("list of segments"), at("a/b/large hard link"));
  const handle = tree.openDirectory(utf8(root));
  tree.makeNodeAt(handle, utf8("fifo"), KIND_FIFO, 0o640, 0, 0);
  writeFileSync(Buffer.concat([Buffer.from(`${root}/not utf-8 `), Buffer.from([0xff, 0xfe, 0x80])]), "bytes");
  writeFileSync(at("n".repeat(255)), "the longest name");
  for (const [name, mode] of [
    ["setuid", 0o4755],
    ["setgid", 0o2750],
    ["sticky", 0o1777],
    ["closed", 0o000],
    ["read only", 0o444],
  ] as const) {
    writeFileSync(at(name), name);
    chmodSync(at(name), mode);
  }
  writeFileSync(at("times/old"), "before 1970");
  const times = tree.openDirectoryAt(handle, utf8("times"));
  tree.setModifiedTimeAt(times, utf8("old"), -12_345, 999_999_999);
  lutimesSync(at("link"), 5, 5);
  const attributed = tree.openFileAt(handle, utf8("list of segments"));
  tree.setExtendedAttribute(attributed, { name: utf8("user.small"), value: utf8("value") });
  tree.setExtendedAttribute(attributed, { name: utf8("user.empty"), value: new Uint8Array(0) });
  tree.close(attributed);
  const large = tree.openFileAt(handle, utf8("a".length > 0 ? "read only" : ""));
  if (isRoot) tree.setExtendedAttribute(large, { name: utf8("user.large"), value: randomBytes(3, 3_000) });
  tree.close(large);
  tree.setExtendedAttribute(times, { name: utf8("user.directory"), value: utf8("d") });
  tree.close(times);
  if (isRoot) {
    tree.makeNodeAt(handle, utf8("device"), KIND_CHARACTER_DEVICE, 0o600, 1, 3);
    chownSync(at("setuid"), 1234, 4321);
    chmodSync(at("setuid"), 0o4755);
    chownSync(at("a/b"), 77, 78);
    execFileSync("chown", ["-h", "5:6", at("link")]);
  }
  tree.close(handle);
  chmodSync(at("empty directory"), 0o1711);
  chmodSync(at("a/b/c"), 0o555);
  utimesSync(at("a/b/c"), 1_000_000_000, 1_000_000_000.5);
  utimesSync(at("a"), 1_100_000_000, 1_100_000_000.25);
  return root;
}

describe("a restore", () => {
  test("brings back every kind of entry with all its attributes", async () => {
    const source = makeTree();
    const maker = new ImageMaker();
    const root = maker.imageOfTree(tree, source);
    const target = join(temporaryDirectory(), "made/on the way");
    const outcome = await restore(maker.repository, root, target, { verify: true });
    assert.deepEqual(problemsOf(outcome), []);
    assert.deepEqual(describeTree(target), describeTree(source));
    const expected = describeTree(source);
    const files = expected.filter(({ kind }) => kind === 2);
    assert.equal(outcome.plan.files, files.length);
    assert.equal(outcome.restoredFiles, files.length);
    assert.equal(outcome.verifiedFiles, files.filter(({ path, linkedTo }) => path === linkedTo).length);
    assert.deepEqual(
      {
        directories: outcome.plan.directories,
        others: outcome.plan.others,
        deleted: outcome.deleted,
        existing: outcome.skippedExisting,
      },
      {
        directories: expected.filter(({ kind }) => kind === 1).length,
        others: expected.filter(({ kind }) => kind > 2).length,
        deleted: 0,
        existing: 0,
      },
    );
    assert.deepEqual(
      readdirSync(target).filter((name) => name.startsWith(".holdfast")),
      [],
    );
  });

  test("leaves what is there already, and so can be repeated", async () => {
    const source = makeTree();
    const maker = new ImageMaker();
    const root = maker.imageOfTree(tree, source);
    const target = temporaryDirectory();
    await restore(maker.repository, root, target);
    const before = statSync(join(target, "a/b/small")).ino;
    maker.repository.reads.length = 0;
    const outcome = await restore(maker.repository, root, target);
    assert.deepEqual(problemsOf(outcome), []);
    assert.equal(outcome.restoredFiles, 0);
    assert.equal(outcome.skippedUnchanged, outcome.plan.files + outcome.plan.others);
    assert.equal(statSync(join(target, "a/b/small")).ino, before);
    const [, ...rest] = describeTree(source);
    assert.deepEqual(describeTree(target).slice(1), rest);
    // Only the segment of large extended attributes.
    assert.ok(maker.repository.reads.length <= 1, `${maker.repository.reads.length} blocks read`);
  });

  test("plans without touching anything", async () => {
    const source = makeTree();
    const maker = new ImageMaker();
    const root = maker.imageOfTree(tree, source);
    const target = join(temporaryDirectory(), "not made");
    const planned = await restore(maker.repository, root, target, { dryRun: true });
    assert.equal(existsSync(target), false);
    assert.equal(maker.repository.reads.length, 0);
    const done = await restore(maker.repository, root, target);
    const { plan } = done;
    assert.deepEqual({ ...planned, plan: undefined }, { ...done, plan: undefined });
    assert.deepEqual(planned.plan, plan);
    assert.ok(plan.containers > 1 && plan.segments > 200 && plan.storedBytes > 1_000_000);
  });
});

describe("a selection", () => {
  const build = (): { maker: ImageMaker; root: ReturnType<ImageMaker["image"]> } => {
    const maker = new ImageMaker(new MemoryRepository());
    const root = maker.image(
      ["", maker.directory({ mode: 0o711 })],
      ["home", maker.directory({ mode: 0o751 })],
      ["home/ann", maker.directory({ mode: 0o700 })],
      ["home/ann/notes", maker.file("notes of ann")],
      ["home/ann-marie", maker.directory()],
      ["home/ann-marie/notes", maker.file("notes of ann-marie")],
      ["home/bob", maker.directory()],
      ["home/bob/x", maker.file("x")],
      ["top", maker.file("top")],
    );
    return { maker, root };
  };

  test("brings back paths with all below them and the directories on the way", async () => {
    const { maker, root } = build();
    const target = temporaryDirectory();
    chmodSync(target, 0o755);
    const outcome = await restore(maker.repository, root, target, { paths: [utf8("/home/ann"), utf8("//home/bob/x/")] });
    assert.deepEqual(problemsOf(outcome), []);
    assert.deepEqual(
      describeTree(target).map(({ path, mode }) => [path, mode]),
      [
        // A target that was there keeps what it has.
        ["", "755"],
        ["home", "751"],
        ["home/ann", "700"],
        ["home/ann/notes", "644"],
        ["home/bob", "755"],
        ["home/bob/x", "644"],
      ],
    );
    assert.equal(outcome.plan.files, 2);
  });

  test("leaves directories on the way alone when they exist", async () => {
    const { maker, root } = build();
    const target = temporaryDirectory();
    mkdirSync(join(target, "home"));
    chmodSync(join(target, "home"), 0o770);
    await restore(maker.repository, root, target, { paths: [utf8("/home/ann/notes")] });
    assert.deepEqual(
      describeTree(target, { withRoot: false }).map(({ path, mode }) => [path, mode]),
      [
        ["home", "770"],
        ["home/ann", "700"],
        ["home/ann/notes", "644"],
      ],
    );
  });

  test("refuses what the image lacks before anything is touched", async () => {
    const { maker, root } = build();
    const target = join(temporaryDirectory(), "not made");
    const paths = [utf8("/home/bob"), utf8("/home/an")];
    await assert.rejects(restore(maker.repository, root, target, { paths }), {
      code: "PATH_NOT_IN_IMAGE",
      message: /"\/home\/an"/,
    });
    await assert.rejects(restore(maker.repository, root, target, { paths: [utf8("home/bob")] }), { code: "USAGE" });
    await assert.rejects(restore(maker.repository, root, target, { paths: [utf8("/home/../etc")] }), { code: "USAGE" });
    assert.equal(existsSync(target), false);
  });
});

test("the portable file tree brings back what Node can", async () => {
  const maker = new ImageMaker();
  const attributes = [{ name: utf8("user.x"), value: utf8("1") }];
  const parts = Array.from({ length: 600 }, (_, i) => randomBytes(i, 60_000));
  const root = maker.image(
    ["", maker.directory()],
    ["d", maker.directory({ mode: 0o750 })],
    ["d/large", maker.file(parts)],
    ["d/link", bodyOf({ kind: 3, linkTarget: utf8("large") })],
    ["d/sparse", maker.file(["x", 100_000, "y"])],
    ["file", maker.file("content", { mode: 0o640, attributes })],
  );
  const target = temporaryDirectory();
  const treeFor = (): FileTree => openPortableFileTree();
  const outcome = await restore(maker.repository, root, target, { treeFor, verify: true });
  assert.deepEqual(problemsOf(outcome), ["/file: set extended attribute user.x ENOTSUP"]);
  const found = describeTree(target, { withRoot: false }).map(({ path, mode, size }) => [path, mode, size]);
  assert.deepEqual(found, [
    ["d", "750", 0],
    ["d/large", "644", 36_000_000],
    ["d/link", "777", 0],
    ["d/sparse", "644", 100_002],
    ["file", "640", 7],
  ]);
  assert.equal(outcome.verifiedFiles, 3);
  const again = await restore(maker.repository, root, target, { treeFor });
  assert.equal(again.skippedUnchanged, 4);
});

test(
  "flags come last: an immutable file takes no second name, and an immutable directory no file",
  { skip: !isRoot },
  async (context) => {
    const maker = new ImageMaker();
    const [immutable, appendOnly, noDump] = [0x10, 0x20, 0x40];
    const linked = maker.file("linked", {
      fileFlags: immutable,
      inode: 9n,
      hardLink: { deviceMajor: 8, deviceMinor: 1, linkCount: 2 },
    });
    const root = maker.image(
      ["", maker.directory()],
      ["d", maker.directory({ fileFlags: immutable })],
      ["d/file", maker.file("in it", { fileFlags: appendOnly })],
      ["d/sub", maker.directory({ fileFlags: noDump })],
      ["d/sub/linked", linked],
      ["linked too", linked],
      ["plain", maker.file("plain")],
    );
    const target = temporaryDirectory();
    const probe = spawnSync("chattr", ["+i", target]);
    spawnSync("chattr", ["-i", target]);
    if (probe.status !== 0) return context.skip("the file system has no flags");
    const outcome = await restore(maker.repository, root, target, { verify: true });
    assert.deepEqual(problemsOf(outcome), []);
    const found = describeTree(target, { withRoot: false }).map(({ path, flags, linkedTo }) => [path, flags, linkedTo]);
    assert.deepEqual(found, [
      ["d", immutable, "d"],
      ["d/file", appendOnly, "d/file"],
      ["d/sub", noDump, "d/sub"],
      ["d/sub/linked", immutable, "d/sub/linked"],
      ["linked too", immutable, "d/sub/linked"],
      ["plain", 0, "plain"],
    ]);
    const again = await restore(maker.repository, root, target);
    assert.deepEqual([problemsOf(again), again.skippedUnchanged], [[], 4]);
  },
);

test("an ordinary user gets back what is his, and is told of all that he may not have", { skip: !isRoot }, () => {
  const nobody = 65_534;
  const target = temporaryDirectory();
  chownSync(target, nobody, nobody);
  const script = join(import.meta.dirname, "as-ordinary-user.contract.ts");
  const { stdout, stderr } = spawnSync(process.execPath, [script, target], { uid: nobody, gid: nobody, encoding: "utf8" });
  const printed = /^problems (.*)$/m.exec(stdout)?.[1];
  assert.ok(printed !== undefined, stderr + stdout);
  const problems = JSON.parse(printed) as string[][];
  const mine = `${nobody}:${nobody}`;
  const refused = [
    "/attributes too: set extended attribute trusted.t EPERM",
    "/attributes: set extended attribute trusted.t EPERM",
    "/attributes: set extended attribute trusted.u EPERM",
    "/device: restore EPERM",
    "/of root too: set group EPERM",
    "/of root too: set owner EPERM",
    "/of root: keep setuid or setgid without the owner EPERM",
    "/of root: set group EPERM",
    "/of root: set owner EPERM",
  ];
  // The second run finds everything as the first has left it, the file that nobody may read too.
  assert.deepEqual(problems, [refused, refused]);
  const found = describeTree(target, { withRoot: false }).map(({ path, mode, owner }) => [path, mode, owner]);
  assert.deepEqual(found, [
    ["attributes", "444", mine],
    ["attributes too", "644", mine],
    ["closed", "0", mine],
    ["closed/inner", "500", mine],
    ["closed/inner/file", "400", mine],
    ["closed/inner/unreadable", "0", mine],
    ["existing", "555", mine],
    ["existing/file", "644", mine],
    ["of root", "755", mine],
    ["of root too", "755", mine],
  ]);
  const unreadable = describeTree(target).find(({ path }) => path === "closed/inner/unreadable");
  assert.deepEqual(unreadable?.attributes, [`user.x=${hexOf(utf8("1"))}`]);
});
