// The small parts of the room, each by itself.

import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { textOf, utf8 } from "../base/bytes.ts";
import { seededNumbers } from "../engine/testing.ts";
import { ENTRY_FILE } from "../formats/entry.ts";
import type { DirectoryHandle, FileTree } from "../platform/file-tree.ts";
import { openLinuxFileTree } from "../platform/file-tree-linux.ts";
import { DirectoryPath } from "./directory-path.ts";
import { isEntryPath } from "./entry-path.ts";
import { FingerprintSet } from "./fingerprint-set.ts";
import { LinkGroups } from "./hard-links.ts";
import { commonPaths, entryPathOf, outermostPaths, wantedPaths } from "./image-selection.ts";
import { ownerRules } from "./owners.ts";
import { PositionSet } from "./position-set.ts";
import { bodyOf, sha256, temporaryDirectory, tree } from "./restore-harness.contract.ts";
import { TaskPool } from "./task-pool.ts";

const texts = (paths: readonly Uint8Array[]): readonly string[] => paths.map(textOf);

describe("paths of an image", () => {
  test("are names between single slashes", () => {
    for (const path of ["", "a", "a/b", "...", ".a", "a.", "..a", "a b\n", "\xff"])
      assert.ok(isEntryPath(Buffer.from(path, "latin1"), path.length), path);
    for (const path of ["/", "/a", "a/", "a//b", ".", "..", "a/.", "a/..", "./a", "../a", "a/../b", "a\0", "\0"]) {
      assert.ok(!isEntryPath(Buffer.from(path, "latin1"), path.length), path);
    }
    assert.ok(isEntryPath(utf8("a/.."), 1), "only the given length counts");
  });

  test("are made of what people write", () => {
    assert.deepEqual(
      ["/", "//", "/a", "//a//b/", "/a/b///"].map((path) => textOf(entryPathOf(utf8(path)))),
      ["", "", "a", "a/b", "a/b"],
    );
    for (const path of ["", "a", "./a", "/a/../b", "/.", "/a/./b", "/a\0b"])
      assert.throws(() => entryPathOf(utf8(path)), { code: "USAGE" });
  });

  test("that lie within others are left out, and common ones are the inner ones", () => {
    const paths = ["b", "a/b/c", "a/b", "a-b", "a/b", "a/bc"].map(utf8);
    assert.deepEqual(texts(outermostPaths(paths)), ["a/b", "a/bc", "a-b", "b"]);
    assert.deepEqual(texts(commonPaths(["a", "b/c", "d"].map(utf8), ["a/b", "b", "e"].map(utf8))), ["a/b", "b/c"]);
    assert.deepEqual(texts(commonPaths([utf8("")], ["a/b", "b"].map(utf8))), ["a/b", "b"]);
    assert.deepEqual(commonPaths([utf8("a")], []), []);
  });

  test("come with the directories on the way, each once and in order", () => {
    const wanted = wantedPaths(outermostPaths(["a/b/c", "a/b/d", "a/x", "e"].map(utf8)));
    assert.deepEqual(
      wanted.map(({ path, isSubtree }) => textOf(path) + (isSubtree ? "/**" : "")),
      ["", "a", "a/b", "a/b/c/**", "a/b/d/**", "a/x/**", "e/**"],
    );
    assert.deepEqual(
      wantedPaths(outermostPaths(undefined)).map(({ path, isSubtree }) => [textOf(path), isSubtree]),
      [["", true]],
    );
  });
});

test("a set of positions holds what was added, however far apart", () => {
  const set = new PositionSet();
  const positions = [0, 1, 31, 32, 65_535, 65_536, 1_000_000, 2 ** 40];
  for (const position of positions) set.add(position);
  for (const position of positions) assert.ok(set.has(position) && !set.has(position + 2));
});

test("a set of fingerprints tells new ones from others", () => {
  const set = new FingerprintSet();
  const fingerprints = Array.from({ length: 20_000 }, (_, i) => sha256(utf8(`${i}`)));
  assert.ok(fingerprints.every((fingerprint) => set.add(fingerprint)));
  assert.ok(fingerprints.every((fingerprint) => !set.add(fingerprint)));
  assert.ok(set.add(new Uint8Array(32)) && !set.add(new Uint8Array(32)));
});

test("names of one file are told from the first, until all have come", () => {
  const groups = new LinkGroups(true);
  const name = (inode: bigint, path: string, linkCount = 3, deviceMinor = 1): string | undefined => {
    const body = bodyOf({ kind: ENTRY_FILE, inode, hardLink: { deviceMajor: 8, deviceMinor, linkCount } });
    const first = groups.firstNameOf(body, () => utf8(path));
    return first === undefined ? undefined : textOf(first);
  };
  assert.deepEqual(
    [name(1n, "a"), name(2n, "b"), name(1n, "c"), name(1n, "d", 3, 2), name(1n, "e")],
    [undefined, undefined, "a", undefined, "a"],
  );
  // All three names of 1 have come: the number may belong to another file now.
  assert.equal(name(1n, "f"), undefined);
  assert.equal(
    groups.firstNameOf(bodyOf({ kind: ENTRY_FILE, inode: 2n }), () => utf8("x")),
    undefined,
  );
});

test("owners are found by name where this machine knows it, else by number", () => {
  const files = {
    read: (path: string) =>
      utf8(
        path === "/etc/passwd"
          ? "root:x:0:0::/:\nann:x:1005:100::/:\nann:x:7:7::/:\nbroken\nbig:x:4294967295:1::/:\n"
          : "root:x:0:\nstaff:x:50:ann\n",
      ),
  };
  const names = { owners: { "0": "root", "1000": "ann", "1001": "bob", "77": "big" }, groups: { "20": "staff", "100": "users" } };
  const rules = ownerRules("name", names, files);
  assert.deepEqual([[...rules.users], [...rules.groups], rules.isSet], [[[1000, 1005]], [[20, 50]], true]);
  assert.deepEqual([ownerRules("none", names, files).isSet, ownerRules("number", names, files).users.size], [false, 0]);
  assert.deepEqual(ownerRules("name", names, { read: () => undefined }).users.size, 0);
});

describe("the way to a directory", () => {
  /** Counts what is open. */
  function counting(): { readonly tree: FileTree; readonly open: Set<number>; opens: () => number } {
    const real = openLinuxFileTree();
    const open = new Set<number>();
    let opens = 0;
    const counted = new Proxy(real, {
      get: (_, name: keyof FileTree) => {
        if (name === "openDirectoryAt") {
          return (directory: DirectoryHandle, component: Uint8Array) => {
            const handle = real.openDirectoryAt(directory, component);
            open.add(handle);
            opens++;
            return handle;
          };
        }
        if (name === "close") {
          return (handle: DirectoryHandle) => {
            assert.ok(open.delete(handle), "closed once");
            real.close(handle);
          };
        }
        const value = real[name];
        return typeof value === "function" ? value.bind(real) : value;
      },
    });
    return { tree: counted, open, opens: () => opens };
  }

  test("leads to the same directories as their paths do, in any order and with few open", () => {
    const root = temporaryDirectory();
    const paths: string[] = [""];
    const next = seededNumbers(7);
    for (let i = 0; i < 60; i++) {
      const parent = paths[next() % paths.length] as string;
      const path = parent === "" ? `d${i}` : `${parent}/d${i}`;
      mkdirSync(join(root, path));
      writeFileSync(join(root, path, "here"), path);
      paths.push(path);
    }
    writeFileSync(join(root, "here"), "");
    const counted = counting();
    const handle = tree.openDirectory(utf8(root));
    const way = new DirectoryPath<string>(counted.tree, handle, 3);
    for (let i = 0; i < 2_000; i++) {
      const path = paths[next() % paths.length] as string;
      const bytes = utf8(`${path}/beyond`);
      const directory = way.open(bytes, path.length);
      const file = tree.openFileAt(directory, utf8("here"));
      const found = new Uint8Array(400);
      assert.equal(textOf(found.subarray(0, tree.read(file, found, 0))), path);
      tree.close(file);
      assert.ok(counted.open.size <= 4, `${counted.open.size} open`);
      assert.ok(way.note === undefined || way.note === path, "a note belongs to its directory");
      way.note = path;
    }
    way.close();
    assert.equal(counted.open.size, 0);
    tree.close(handle);
  });

  test("opens one directory to get to a neighbour", () => {
    const root = temporaryDirectory();
    for (const name of ["a/b/c", "a/b/d"]) mkdirSync(join(root, name), { recursive: true });
    const counted = counting();
    const handle = tree.openDirectory(utf8(root));
    const way = new DirectoryPath(counted.tree, handle);
    way.open(utf8("a/b/c"), 5);
    way.open(utf8("a/b/d"), 5);
    way.open(utf8("a/b/d"), 5);
    way.open(utf8("a/b"), 3);
    assert.equal(counted.opens(), 4);
    way.close();
    tree.close(handle);
  });

  test("goes through no link, and stays usable after a failure", () => {
    const root = temporaryDirectory();
    mkdirSync(join(root, "real"));
    symlinkSync("real", join(root, "link"));
    writeFileSync(join(root, "file"), "");
    const handle = tree.openDirectory(utf8(root));
    const way = new DirectoryPath(tree, handle);
    for (const [path, code] of [
      ["link", "ENOTDIR"],
      ["link/x", "ENOTDIR"],
      ["file", "ENOTDIR"],
      ["none", "ENOENT"],
      ["..", "EINVAL"],
      ["real/..", "EINVAL"],
    ] as const) {
      assert.throws(() => way.open(utf8(path), path.length), { code }, path);
    }
    way.open(utf8("real"), 4);
    renameSync(join(root, "real"), join(root, "moved"));
    symlinkSync("/etc", join(root, "real"));
    writeFileSync(join(root, "moved/inside"), "");
    assert.equal(
      tree.listDirectory(way.open(utf8("real"), 4)).count,
      1,
      "an open directory is the directory, whatever has its name now",
    );
    way.close();
    tree.close(handle);
  });
});

describe("the pool of threads", () => {
  test("gives each a stretch of its own and lets the faster one help", async () => {
    const served: number[][] = [[], []];
    const threads = [30, 1].map((ms, thread) => ({
      serve: async (task: Uint8Array) => {
        await new Promise((resolve) => setTimeout(resolve, ms));
        served[thread]?.push(task[0] as number);
        return task;
      },
    }));
    const pool = new TaskPool(threads);
    const done: number[] = [];
    pool.add(
      Array.from({ length: 20 }, (_, i) => ({ bytes: Uint8Array.of(i), done: (results) => done.push(results[0] as number) })),
    );
    assert.equal(pool.pending, 20);
    await pool.below(0);
    assert.deepEqual(
      done.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i),
    );
    assert.ok((served[0]?.length ?? 0) < 10 && (served[0] ?? []).every((task) => task < 10), "the slow one begins at the front");
    assert.deepEqual(served[1]?.slice(0, 10), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  test("throws what a thread failed with, and what was asked for before is settled by cancelling", async () => {
    const pool = new TaskPool([
      { serve: (task) => (task[0] === 1 ? Promise.reject(new Error("out of order")) : Promise.resolve(task)) },
    ]);
    let count = 0;
    pool.add([0, 1, 2, 3, 4].map((number) => ({ bytes: Uint8Array.of(number), done: () => count++ })));
    await assert.rejects(pool.below(0), /out of order/);
    await pool.cancel();
    assert.ok(count <= 2);
    assert.throws(() => pool.check(), /out of order/);
  });
});
