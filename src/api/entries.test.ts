import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, symlinkSync, utimesSync, writeFileSync, linkSync } from "node:fs";
import { describe, test } from "node:test";
import { concatBytes, textOf, utf8 } from "../base/bytes.ts";
import type { EntryTreeRoot } from "../repository/repository.ts";
import { FILE, MemoryPages, listOf, manyEntries, newRepository, temporaryDirectory } from "./browsing-harness.contract.ts";
import { entriesOf, imagePathOf, lookUp, rawEntries } from "./entries.ts";

async function paths(pages: MemoryPages, root: EntryTreeRoot, path: string, recursive = true): Promise<string[]> {
  return (await listOf(rawEntries(pages, root, { path: utf8(path), recursive }))).map((entry) => textOf(entry.path));
}

describe("the entries of an image", () => {
  const pages = new MemoryPages();
  const entries = manyEntries(120, 500);
  const root = pages.imageOf(entries);
  const all = Object.keys(entries);

  test("come in path order", async () => {
    assert.ok(root.level >= 2, `a tree of several levels, not ${root.level}`);
    assert.deepEqual(await paths(pages, root, ""), all);
  });

  test("of a subtree are found without reading what lies outside", async () => {
    pages.loads.length = 0;
    const expected = all.filter((path) => path === "home/d007" || path.startsWith("home/d007/"));
    assert.deepEqual(await paths(pages, root, "home/d007"), expected);
    // Index pages on the way down, and the pages of 501 entries.
    assert.ok(pages.loads.length <= root.level + 9, `${pages.loads.length} pages`);
  });

  test("of a directory alone are found without reading what lies below", async () => {
    pages.loads.length = 0;
    const expected = ["home", ...all.filter((path) => /^home\/[^/]+$/.test(path))];
    assert.deepEqual(await paths(pages, root, "home", false), expected);
    // 500 files fill several pages; only the one in which a directory ends and the next one begins is read.
    assert.ok(pages.loads.length < 140, `${pages.loads.length} pages`);
    pages.loads.length = 0;
    await paths(pages, root, "home");
    assert.ok(pages.loads.length > 200, `${pages.loads.length} pages`);
    assert.deepEqual(await paths(pages, root, "", false), ["", "home"]);
    assert.deepEqual(await paths(pages, root, "home/d119", false), all.slice(-501));
  });

  test("of a file are the file, of a path that is missing none", async () => {
    assert.deepEqual(await paths(pages, root, "home/d007/f0123"), ["home/d007/f0123"]);
    assert.deepEqual(await paths(pages, root, "home/d007/f0123", false), ["home/d007/f0123"]);
    for (const missing of ["home/d007/f", "home/d12", "a", "zzz", "home/d119/f0499/x"]) {
      assert.deepEqual(await paths(pages, root, missing), [], missing);
      assert.deepEqual(await paths(pages, root, missing, false), [], missing);
    }
  });

  test("are told from their neighbours by whole names", async () => {
    const small = new MemoryPages();
    const image = small.imageOf({ a: {}, "a/b": FILE, "a-b": FILE, "a.b": FILE, ab: {}, "ab/c": FILE });
    assert.deepEqual(await paths(small, image, "a"), ["a", "a/b"]);
    assert.deepEqual(await paths(small, image, ""), ["a", "a/b", "a-b", "a.b", "ab", "ab/c"]);
    assert.deepEqual(await paths(small, image, "", false), ["a", "a-b", "a.b", "ab"]);
  });

  test("are shown where the directories above them are missing", async () => {
    const small = new MemoryPages();
    const image = small.imageOf({ "x/y/a": {}, "x/y/a/f": FILE, "x/z": FILE });
    assert.deepEqual(await paths(small, image, "x"), ["x/y/a", "x/y/a/f", "x/z"]);
    assert.deepEqual(await paths(small, image, "x", false), ["x/y/a", "x/z"]);
    assert.deepEqual(await lookUp(small, image, utf8("x/y")), { entry: undefined, isImplied: true });
    assert.deepEqual(await lookUp(small, image, utf8("x/q")), { entry: undefined, isImplied: false });
    assert.equal((await lookUp(small, image, utf8("x/z"))).entry?.body.mode, 0o644);
  });
});

test("a path may be given with and without slashes at its ends", () => {
  const tidy = (path: string): string => textOf(imagePathOf(path));
  assert.deepEqual(["/a/b", "a/b", "a//b/", "//a/./b//", "./a/b/."].map(tidy), Array<string>(5).fill("a/b"));
  assert.deepEqual(["", "/", ".", "//"].map(tidy), ["", "", "", ""]);
  assert.deepEqual(tidy("/a/../b/.c/..."), "a/../b/.c/...");
  assert.deepEqual(imagePathOf(Uint8Array.of(0x2f, 0xff, 0x2f, 0x61)), Uint8Array.of(0xff, 0x2f, 0x61));
  assert.deepEqual(imagePathOf(undefined), new Uint8Array(0));
});

describe("a listing of a backed up tree", async () => {
  const tree = temporaryDirectory();
  mkdirSync(`${tree}/sub/empty`, { recursive: true });
  writeFileSync(`${tree}/sub/file`, "content");
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/not-`), Buffer.of(0xff)]), "");
  linkSync(`${tree}/sub/file`, `${tree}/sub/other name`);
  symlinkSync("sub/file", `${tree}/link`);
  execFileSync("mkfifo", [`${tree}/fifo`]);
  utimesSync(`${tree}/sub/file`, 1_500_000_000.25, 1_500_000_000.25);
  const { opened, backUp } = await newRepository();
  const image = await backUp({ paths: [tree] });

  test("tells kind, size, owner, time and target of every entry", async () => {
    const entries = await listOf(entriesOf(opened, image, { path: tree }));
    const expected = ["", "/fifo", "/link", "/not-\uFFFD", "/sub", "/sub/empty", "/sub/file", "/sub/other name"];
    assert.deepEqual(
      entries.map(({ path }) => path),
      expected.map((path) => tree + path),
    );
    const file = entries.find(({ path }) => path.endsWith("/sub/file"));
    const { ino, uid, gid, mode } = lstatSync(`${tree}/sub/file`);
    assert.deepEqual(file, {
      path: `${tree}/sub/file`,
      pathBytes: utf8(`${tree}/sub/file`),
      kind: "file",
      mode: mode & 0o7777,
      userId: uid,
      groupId: gid,
      userName: execFileSync("id", ["-un"], { encoding: "utf8" }).trim(),
      groupName: execFileSync("id", ["-gn"], { encoding: "utf8" }).trim(),
      sizeBytes: 7,
      modifiedSeconds: 1_500_000_000,
      modifiedNanoseconds: 250_000_000,
      linkTarget: undefined,
      hasHardLinks: true,
      inode: `${ino}`,
    });
    assert.deepEqual(
      entries.map(({ kind, linkTarget }) => (linkTarget === undefined ? kind : `${kind} ${linkTarget}`)),
      ["directory", "fifo", "link sub/file", "file", "directory", "directory", "file", "file"],
    );
  });

  test("of a directory alone leaves out what lies deeper", async () => {
    const entries = await listOf(entriesOf(opened, image, { path: `${tree}/`, recursive: false }));
    assert.deepEqual(
      entries.map(({ path }) => path.slice(tree.length)),
      ["", "/fifo", "/link", "/not-\uFFFD", "/sub"],
    );
  });

  test("accepts a path as bytes, also the one it gave", async () => {
    const exact = concatBytes(utf8(`${tree}/not-`), Uint8Array.of(0xff));
    const [entry, ...others] = await listOf(entriesOf(opened, image, { path: exact }));
    assert.deepEqual([entry?.pathBytes, others], [exact, []]);
    assert.deepEqual(await listOf(entriesOf(opened, image, { path: entry?.pathBytes ?? "" })), [entry]);
  });

  test("without a path is of the whole image, from the root on", async () => {
    const entries = await listOf(entriesOf(opened, image));
    assert.equal(entries.length, image.record.root.entryCount);
    assert.deepEqual(
      entries.slice(0, 2).map(({ path }) => path),
      tree
        .split("/")
        .slice(1, 3)
        .map((_, at) =>
          tree
            .split("/")
            .slice(0, at + 2)
            .join("/"),
        ),
    );
  });

  test("of a path that is missing says how far it leads", async () => {
    const failure = (path: string): Promise<unknown> =>
      listOf(entriesOf(opened, image, { path })).then(
        () => "nothing",
        ({ code, message, hint }: { code: string; message: string; hint: string }) => ({ code, message, hint }),
      );
    const id = image.id.slice(0, 8);
    assert.deepEqual(await failure(`${tree}/sub/no/such`), {
      code: "PATH_NOT_IN_IMAGE",
      message: `Image ${id} holds no "${tree}/sub/no/such"`,
      hint: `The nearest directory that it holds is "${tree}/sub"; \`holdfast ls ${id} ${tree}/sub\` shows what is in it.`,
    });
    assert.deepEqual(await failure(`${tree}/link/x`), {
      code: "PATH_NOT_IN_IMAGE",
      message: `Image ${id} holds no "${tree}/link/x"`,
      hint: `It holds "${tree}/link", a symbolic link to "sub/file"; look there.`,
    });
    assert.deepEqual(await failure(`${tree}/sub/file/x`), {
      code: "PATH_NOT_IN_IMAGE",
      message: `Image ${id} holds no "${tree}/sub/file/x"`,
      hint: `It holds "${tree}/sub/file", which is not a directory (file).`,
    });
  });
});
