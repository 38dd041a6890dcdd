import assert from "node:assert/strict";
import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { textOf, utf8 } from "../base/bytes.ts";
import type { EntryTreeRoot } from "../repository/repository.ts";
import { FILE, MemoryPages, listOf, manyEntries, newRepository, temporaryDirectory } from "./browsing-harness.contract.ts";
import { FindPattern } from "./find-pattern.ts";
import { findEntries, matchingEntries } from "./find.ts";
import { PageWalk } from "./page-walk.ts";
import { listImageSummaries } from "./select-image.ts";
import type { ImageFilter } from "./types.ts";

describe("a pattern to look for", () => {
  const matches = (pattern: string, path: string, ignoreCase = false): boolean => {
    const isDirectory = path.endsWith("/");
    const bytes = utf8(isDirectory ? path.slice(0, -1) : path);
    return new FindPattern(pattern, { ignoreCase }).matches(bytes, bytes.length, isDirectory);
  };

  test("without a slash is held against names", () => {
    for (const path of ["a.txt", "home/ann/a.txt", "home/a.txt/"]) assert.ok(matches("*.txt", path), path);
    assert.ok(!matches("*.txt", "home/a.txt/b"));
    assert.ok(matches("?.[st]xt", "x/a.txt"));
    assert.ok(!matches("?.[!t]xt", "x/a.txt"));
    assert.ok(matches("!important", "x/!important"));
    assert.ok(matches("**", "x"));
  });

  test("beginning with a slash is held against whole paths", () => {
    assert.ok(matches("/home/*/a.txt", "home/ann/a.txt"));
    assert.ok(!matches("/home/*/a.txt", "home/ann/x/a.txt"));
    assert.ok(matches("/home/**/a.txt", "home/ann/x/a.txt"));
    assert.ok(matches("/home/**", "home/ann"));
    assert.ok(!matches("/home/ann", "home/ann/x"));
    assert.ok(!matches("/ann/x", "home/ann/x"));
  });

  test("with a slash within is held against ends of paths", () => {
    for (const pattern of ["ann/*.txt", "**/ann/*.txt", "./ann/*.txt", "home/*/a.txt"])
      assert.ok(matches(pattern, "home/ann/a.txt"), pattern);
    assert.ok(!matches("ann/*.txt", "home/joann/a.txt"));
    assert.ok(!matches("ann/*.txt", "home/ann/x/a.txt"));
  });

  test("with a slash at the end means directories", () => {
    assert.ok(matches("mail/", "home/mail/"));
    assert.ok(!matches("mail/", "home/mail"));
    assert.ok(matches("ann/mail/", "home/ann/mail/"));
  });

  test("may leave the case of letters aside, also outside of ASCII", () => {
    assert.ok(matches("*.TXT", "x/a.txt", true));
    assert.ok(matches("*.txt", "x/A.TXT", true));
    assert.ok(matches("müller*", "x/MÜLLER 1", true));
    assert.ok(!matches("müller*", "x/MÜLLER 1"));
    assert.ok(matches("[[:upper:]]x[A-C]", "bXb", true));
    assert.ok(matches("/Home/[!A]*", "hOME/b", true));
    assert.ok(!matches("/Home/[!A]*", "hOME/A", true));
    const bytes = Uint8Array.of(0x41, 0xff);
    assert.ok(new FindPattern("a?", { ignoreCase: true }).matches(bytes, 2, false));
  });

  test("that nothing can match is refused", () => {
    for (const pattern of ["", "/", "[a", "x\\", "[[:nonsense:]]"])
      assert.throws(() => new FindPattern(pattern), { code: "USAGE" }, pattern);
  });

  test("tells in which directory everything must lie", () => {
    const directory = (pattern: string, ignoreCase = false): string => textOf(new FindPattern(pattern, { ignoreCase }).directory);
    assert.equal(directory("/home/ann/*.txt"), "home/ann");
    assert.equal(directory("/home/ann"), "home/ann");
    assert.equal(directory("/home/ann/"), "home/ann");
    assert.equal(directory("/home/a\\*b/c"), "home");
    assert.deepEqual(
      ["*.txt", "/*/x", "home/ann", "/**"].map((pattern) => directory(pattern)),
      ["", "", "", ""],
    );
    assert.equal(directory("/home/ann", true), "");
  });
});

describe("finding in many images", () => {
  const pages = new MemoryPages();
  const entries = manyEntries(60, 500);
  const find = async (roots: readonly EntryTreeRoot[], pattern: string): Promise<string[]> => {
    pages.loads.length = 0;
    const found = await listOf(matchingEntries(pages, roots, new FindPattern(pattern)));
    return found.map(({ path, images }) => `${textOf(path)} ${images.join(",")}`);
  };

  test("reads a page once, however many images hold it", async () => {
    const changed = (at: number) => ({ ...entries, [`home/d0${at}/f0100`]: { ...FILE, mode: 0o600 } });
    const roots = [entries, changed(10), changed(20), changed(30), entries].map((image) => pages.imageOf(image));
    const expected = Object.keys(entries).filter((path) => path.endsWith("/f0100"));
    const found = await find(roots, "f0100");
    // In path order, each with all images; the three that differ in one image each are there twice.
    assert.deepEqual(
      found,
      expected.flatMap((path) => {
        const changedIn = ["home/d010", "home/d020", "home/d030"].findIndex((directory) => path.startsWith(directory)) + 1;
        if (changedIn === 0) return [`${path} 0,1,2,3,4`];
        return [`${path} ${[0, 1, 2, 3, 4].filter((image) => image !== changedIn).join(",")}`, `${path} ${changedIn}`];
      }),
    );
    assert.equal(new Set(pages.loads).size, pages.loads.length, "no page is loaded twice");
    const once = await find(roots.slice(0, 1), "f0100");
    assert.equal(once.length, expected.length);
  });

  test("takes a version that is in several pages for one", async () => {
    const roots = [pages.imageOf(entries), pages.imageOf({ ...entries, "home/d010/f0100x": FILE })];
    assert.deepEqual(await find(roots, "/home/d010/f010*"), [
      ...Array.from({ length: 10 }, (_, at) => `home/d010/f010${at} 0,1`).toSpliced(1, 0, "home/d010/f0100x 1"),
    ]);
    const noted = { ...FILE, recheck: true, changed: { seconds: 1, nanoseconds: 2 } };
    const small = [{ a: FILE }, { a: noted }, { a: { ...FILE, inode: 7n } }].map((image) => pages.imageOf(image));
    assert.deepEqual(await find(small, "a"), ["a 0,1", "a 2"]);
  });

  test("knows a small image that is one page of a large one", async () => {
    const large = pages.imageOf(entries);
    const walk = new PageWalk(pages, large);
    await walk.seek(new Uint8Array(0));
    const small = pages.imageOf(Object.fromEntries(Object.entries(entries).slice(0, walk.page?.entryCount)));
    assert.deepEqual([small.level, small.fingerprint], [0, walk.page?.fingerprint]);
    const found = await find([small, large], "f0000");
    assert.deepEqual(found.slice(0, 2), ["home/d000/f0000 0,1", "home/d001/f0000 1"]);
    assert.equal(found.length, 60);
  });

  test("stays in the directory that the pattern begins with", async () => {
    const root = pages.imageOf(entries);
    assert.equal((await find([root, root], "/home/d030/*")).length, 500);
    assert.ok(pages.loads.length <= root.level + 9, `${pages.loads.length} pages`);
    assert.deepEqual(await find([root], "/nowhere/*"), []);
    assert.ok(pages.loads.length <= root.level + 1, `${pages.loads.length} pages`);
    assert.deepEqual(await find([], "*"), []);
  });

  test("finds what a search of each image alone finds", async () => {
    let state = 99;
    const random = (below: number): number => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below;
    const all = Object.keys(entries).slice(0, 3_000);
    const images = Array.from({ length: 6 }, () => {
      const start = random(2_000);
      const some = all.slice(start, start + 1 + random(1_500)).filter(() => random(50) > 0);
      return Object.fromEntries(some.map((path) => [path, random(100) === 0 ? { ...FILE, mode: 0 } : FILE]));
    });
    const roots = images.map((image) => pages.imageOf(image));
    const expected: string[] = [];
    for (const path of all.filter((candidate) => /f\d\d7\d$/.test(candidate))) {
      const versions = [FILE.mode, 0].map((mode) =>
        images.flatMap((image, number) => (image[path]?.mode === mode ? [number] : [])),
      );
      versions.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
      for (const version of versions) if (version.length > 0) expected.push(`${path} ${version.join(",")}`);
    }
    assert.ok(expected.length > 200);
    assert.deepEqual(await find(roots, "f??7?"), expected);
  });
});

test("what was found says which images hold it, oldest first", async () => {
  const tree = temporaryDirectory();
  mkdirSync(`${tree}/a/b`, { recursive: true });
  for (const name of ["one.txt", "a/two.TXT", "a/b/three.md"]) {
    writeFileSync(`${tree}/${name}`, name);
    utimesSync(`${tree}/${name}`, 1_600_000_000, 1_600_000_000);
  }
  const { opened, backUp } = await newRepository();
  const first = await backUp({ paths: [tree], source: "s" });
  writeFileSync(`${tree}/one.txt`, "changed");
  rmSync(`${tree}/a/b`, { recursive: true });
  const second = await backUp({ paths: [tree], source: "s", tags: ["late"] });

  const find = async (
    pattern: string,
    options: { readonly ignoreCase?: boolean; readonly filter?: ImageFilter } = {},
  ): Promise<unknown> => {
    const images = await listImageSummaries(opened, options.filter);
    return (await listOf(findEntries(opened, images, pattern, options.ignoreCase))).map(({ imageIds, entry }) => [
      entry.path.slice(tree.length),
      entry.sizeBytes,
      imageIds,
    ]);
  };
  assert.deepEqual(await find("*.txt"), [
    ["/one.txt", 7, [first.id]],
    ["/one.txt", 7, [second.id]],
  ]);
  assert.deepEqual(await find("*.txt", { ignoreCase: true, filter: { source: "s" } }), [
    ["/a/two.TXT", 9, [first.id, second.id]],
    ["/one.txt", 7, [first.id]],
    ["/one.txt", 7, [second.id]],
  ]);
  assert.deepEqual(await find(`${tree}/**/*e*`), [
    ["/a/b/three.md", 12, [first.id]],
    ["/one.txt", 7, [first.id]],
    ["/one.txt", 7, [second.id]],
  ]);
  assert.deepEqual(await find("a/*", { filter: { tag: "late" } }), [["/a/two.TXT", 9, [second.id]]]);
  assert.deepEqual(await find("*", { filter: { host: "another" } }), []);
});
