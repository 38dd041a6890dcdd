// Restores to places where something is already: overwriting, resuming, deleting.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { utf8 } from "../base/bytes.ts";
import { randomBytes } from "../engine/testing.ts";
import { ENTRY_FIFO, ENTRY_SYMBOLIC_LINK } from "../formats/entry.ts";
import {
  ImageMaker,
  MODIFIED,
  bodyOf,
  contentOf,
  describeTree,
  problemsOf,
  restore,
  temporaryDirectory,
} from "./restore-harness.contract.ts";
import type { OverwriteMode } from "./restore.ts";

const isRoot = process.geteuid?.() === 0;
const modifiedMs = MODIFIED.seconds + 0.123456789;

function paths(target: string): readonly string[] {
  return describeTree(target, { withRoot: false }).map(({ path }) => path);
}

/** An image of three files and a link, and a target that has them in different states. */
function makeCollision(): {
  readonly maker: ImageMaker;
  readonly root: ReturnType<ImageMaker["image"]>;
  readonly target: string;
} {
  const maker = new ImageMaker();
  const root = maker.image(
    ["", maker.directory()],
    ["absent", maker.file("from image")],
    ["changed", maker.file("from image")],
    ["equal", maker.file("from image")],
    ["large", maker.file([randomBytes(1, 100_000), randomBytes(2, 100_000)])],
    ["link", bodyOf({ kind: ENTRY_SYMBOLIC_LINK, linkTarget: utf8("absent") })],
  );
  const target = temporaryDirectory();
  writeFileSync(join(target, "changed"), "from target");
  writeFileSync(join(target, "equal"), "at target!");
  utimesSync(join(target, "equal"), modifiedMs, modifiedMs);
  spawnSync("touch", ["-d", `@${MODIFIED.seconds}.123456789`, join(target, "equal")]);
  writeFileSync(join(target, "large"), "small");
  symlinkSync("changed", join(target, "link"));
  return { maker, root, target };
}

describe("what is there already", () => {
  const expected: Readonly<Record<OverwriteMode, readonly string[]>> = {
    never: ["from image", "from target", "at target!", "changed"],
    "if-changed": ["from image", "from image", "at target!", "absent"],
    always: ["from image", "from image", "from image", "absent"],
  };
  for (const overwrite of ["never", "if-changed", "always"] as const) {
    test(`is treated as "${overwrite}" says`, async () => {
      const { maker, root, target } = makeCollision();
      const outcome = await restore(maker.repository, root, target, { overwrite });
      assert.deepEqual(problemsOf(outcome), []);
      const found = ["absent", "changed", "equal"].map((name) => contentOf(join(target, name)));
      const link = describeTree(target).find(({ path }) => path === "link")?.content;
      assert.deepEqual([...found, link], expected[overwrite]);
      assert.equal(statSync(join(target, "large")).size, overwrite === "never" ? 5 : 200_000);
      const { restoredFiles, skippedExisting, skippedUnchanged } = outcome;
      const counts: Readonly<Record<OverwriteMode, readonly number[]>> = {
        never: [1, 4, 0],
        "if-changed": [3, 0, 1],
        always: [4, 0, 0],
      };
      assert.deepEqual([restoredFiles, skippedExisting, skippedUnchanged], counts[overwrite]);
      assert.deepEqual(readdirSync(target).length, 5);
    });
  }

  test(
    "keeps its content and gets the image's owner, mode and attributes when size and time agree",
    { skip: !isRoot },
    async () => {
      const maker = new ImageMaker();
      const attributes = [{ name: utf8("user.kept"), value: utf8("image") }];
      const root = maker.image(
        ["", maker.directory()],
        ["file", maker.file("content", { mode: 0o4711, userId: 7, groupId: 8, attributes })],
        ["plain", maker.file("content")],
      );
      const target = temporaryDirectory();
      await restore(maker.repository, root, target);
      const wanted = describeTree(target);
      const inode = statSync(join(target, "file")).ino;
      for (const name of ["file", "plain"]) {
        chmodSync(join(target, name), 0o600);
        spawnSync("chown", ["99:99", join(target, name)]);
      }
      const outcome = await restore(maker.repository, root, target);
      assert.deepEqual(problemsOf(outcome), []);
      assert.deepEqual(describeTree(target), wanted);
      assert.equal(statSync(join(target, "file")).ino, inode);
      assert.equal(outcome.skippedUnchanged, 2);
    },
  );

  test("is never changed through another name that it has outside", { skip: !isRoot }, async () => {
    const maker = new ImageMaker();
    const root = maker.image(["", maker.directory()], ["file", maker.file("content", { mode: 0o666 })]);
    const target = temporaryDirectory();
    await restore(maker.repository, root, target);
    const outside = join(temporaryDirectory(), "precious");
    renameSync(join(target, "file"), outside);
    chmodSync(outside, 0o600);
    linkSync(outside, join(target, "file"));
    const outcome = await restore(maker.repository, root, target);
    assert.deepEqual(problemsOf(outcome), []);
    assert.equal(lstatSync(outside).mode & 0o7777, 0o600);
    assert.equal(lstatSync(join(target, "file")).mode & 0o7777, 0o666);
    assert.notEqual(statSync(outside).ino, statSync(join(target, "file")).ino);
  });

  test("in the form of a directory gives way to a file only when that is allowed", async () => {
    for (const settings of [{}, { overwrite: "never" }, { overwrite: "always" }, { delete: true }] as const) {
      const maker = new ImageMaker();
      const root = maker.image(
        ["", maker.directory()],
        ["file", maker.file("content")],
        ["link", bodyOf({ kind: ENTRY_SYMBOLIC_LINK, linkTarget: utf8("x") })],
        ["sub", maker.directory()],
        ["sub/file", maker.file("in sub")],
      );
      const target = temporaryDirectory();
      mkdirSync(join(target, "file/with/something"), { recursive: true });
      mkdirSync(join(target, "link"));
      writeFileSync(join(target, "sub"), "a file in the way of a directory");
      const outcome = await restore(maker.repository, root, target, { ...settings, completePaths: [utf8("/")] });
      if ("delete" in settings) {
        assert.deepEqual(problemsOf(outcome), []);
        assert.deepEqual(paths(target), ["file", "link", "sub", "sub/file"]);
        assert.equal(contentOf(join(target, "file")), "content");
        assert.deepEqual(
          [outcome.deleted, outcome.removed],
          [5, ["/file", "/file/with", "/file/with/something", "/link", "/sub"]],
        );
      } else if (settings.overwrite === "always") {
        // What is in a directory is not part of what "always" replaces; an empty one has nothing to lose.
        assert.deepEqual(problemsOf(outcome), ["/file: restore TARGET_CONFLICT"]);
        assert.deepEqual(paths(target), ["file", "file/with", "file/with/something", "link", "sub", "sub/file"]);
        assert.deepEqual([outcome.deleted, outcome.removed], [2, ["/link", "/sub"]]);
      } else {
        const inTheWay = ["/file: restore TARGET_CONFLICT", "/sub/file: restore ENOTDIR", "/sub: restore TARGET_CONFLICT"];
        assert.deepEqual(problemsOf(outcome), settings.overwrite === "never" ? inTheWay.slice(1) : inTheWay);
        assert.deepEqual(outcome.removed, settings.overwrite === "never" ? [] : ["/link"]);
        assert.equal(lstatSync(join(target, "link")).isSymbolicLink(), settings.overwrite !== "never");
        assert.deepEqual(paths(target), ["file", "file/with", "file/with/something", "link", "sub"]);
      }
    }
  });

  test("keeps a directory's attributes with never, and gets the image's otherwise", async () => {
    const maker = new ImageMaker();
    const root = maker.image(["", maker.directory()], ["d", maker.directory({ mode: 0o750 })], ["d/file", maker.file("content")]);
    for (const overwrite of ["never", "if-changed"] as const) {
      const target = temporaryDirectory();
      mkdirSync(join(target, "d"));
      chmodSync(join(target, "d"), 0o701);
      await restore(maker.repository, root, target, { overwrite });
      assert.equal(statSync(join(target, "d")).mode & 0o777, overwrite === "never" ? 0o701 : 0o750);
    }
  });
});

describe("an interrupted restore", () => {
  test("leaves nothing half written and goes on where it was", async () => {
    const maker = new ImageMaker();
    const entries: [string, ReturnType<ImageMaker["file"]>][] = [["", maker.directory()]];
    for (let d = 10; d < 40; d++) {
      entries.push([`d${d}`, maker.directory({ mode: 0o555 })]);
      for (let f = 10; f < 50; f++) entries.push([`d${d}/f${f}`, maker.file(`content of ${d} ${f} `.repeat(500))]);
    }
    entries.push(["large", maker.file(Array.from({ length: 700 }, (_, i) => randomBytes(i, 60_000)))]);
    const root = maker.image(...entries);
    const target = temporaryDirectory();
    const controller = new AbortController();
    let reads = 0;
    maker.repository.onRead = () => {
      if (++reads === 150) controller.abort();
    };
    await assert.rejects(restore(maker.repository, root, target, { signal: controller.signal }), { code: "INTERRUPTED" });
    maker.repository.onRead = undefined;
    const left = describeTree(target, { withRoot: false }).filter(({ kind }) => kind === 2);
    assert.ok(left.length > 0 && left.length < 1_200, `${left.length} files`);
    const again = await restore(maker.repository, root, target, { verify: true });
    assert.deepEqual(problemsOf(again), []);
    const isWhole = left.filter(({ modified }) => modified === `${MODIFIED.seconds}.${MODIFIED.nanoseconds}`).length;
    assert.equal(isWhole, left.length, "every file that has its name is complete");
    assert.equal(again.skippedUnchanged, left.length);
    assert.equal(again.restoredFiles, 1_201 - left.length);
    const fresh = temporaryDirectory();
    await restore(maker.repository, root, fresh);
    assert.deepEqual(describeTree(target, { withRoot: false }), describeTree(fresh, { withRoot: false }));
  });

  test("that was killed is tidied up after", async () => {
    const maker = new ImageMaker();
    const root = maker.image(["", maker.directory()], ["d", maker.directory()], ["d/file", maker.file("content")]);
    const target = temporaryDirectory();
    mkdirSync(join(target, "d/.holdfast-restore-00112233445566aa-2-1"), { recursive: true });
    writeFileSync(join(target, "d/.holdfast-restore-00112233445566aa-2-1/x"), "");
    writeFileSync(join(target, "d/.holdfast-restore-00112233445566aa-1-17"), "half");
    writeFileSync(join(target, ".holdfast-restore-00112233445566aa-0-3"), "half");
    writeFileSync(join(target, "d/.holdfast-restore-mine"), "not one of ours");
    const outcome = await restore(maker.repository, root, target);
    assert.deepEqual(problemsOf(outcome), []);
    assert.deepEqual(paths(target), ["d", "d/.holdfast-restore-mine", "d/file"]);
  });
});

describe("an exact restore", () => {
  const make = (): { maker: ImageMaker; root: ReturnType<ImageMaker["image"]>; target: string } => {
    const maker = new ImageMaker();
    const root = maker.image(
      ["", maker.directory()],
      ["home", maker.directory()],
      ["home/ann", maker.directory()],
      ["home/ann/a-b", maker.file("a-b")],
      ["home/ann/docs", maker.directory()],
      ["home/ann/docs/x", maker.file("x")],
      ["home/bob", maker.directory()],
      ["home/bob/y", maker.file("y")],
    );
    const target = temporaryDirectory();
    for (const path of ["home/ann/docs/extra/deep/er", "home/ann/old", "home/carl", "etc"])
      mkdirSync(join(target, path), { recursive: true });
    for (const path of [
      "home/ann/a",
      "home/ann/docs/x.bak",
      "home/ann/docs/extra/deep/er/file",
      "home/ann/zz",
      "home/bob",
      "home/carl/keep",
      "etc/passwd",
    ]) {
      if (path !== "home/bob") writeFileSync(join(target, path), path);
    }
    symlinkSync("/etc", join(target, "home/ann/old/link"));
    return { maker, root, target };
  };

  test("removes what the image lacks below the paths it was made of", async () => {
    const { maker, root, target } = make();
    const outside = temporaryDirectory();
    writeFileSync(join(outside, "file"), "outside");
    symlinkSync(outside, join(target, "home/ann/to outside"));
    const outcome = await restore(maker.repository, root, target, {
      delete: true,
      completePaths: [utf8("/home/ann"), utf8("/home/bob")],
    });
    assert.deepEqual(problemsOf(outcome), []);
    assert.deepEqual(paths(target), [
      "etc",
      "etc/passwd",
      "home",
      "home/ann",
      "home/ann/a-b",
      "home/ann/docs",
      "home/ann/docs/x",
      "home/bob",
      "home/bob/y",
      "home/carl",
      "home/carl/keep",
    ]);
    assert.equal(outcome.deleted, 10);
    assert.deepEqual(readdirSync(outside), ["file"]);
    const docs = statSync(join(target, "home/ann/docs"));
    assert.equal(
      Math.floor(docs.mtimeMs / 1000),
      MODIFIED.seconds,
      "the directory has its time although something was removed from it",
    );
  });

  test("keeps to the selected paths", async () => {
    const { maker, root, target } = make();
    const outcome = await restore(maker.repository, root, target, {
      delete: true,
      completePaths: [utf8("/home/ann")],
      paths: [utf8("/home/ann/docs"), utf8("/home/bob")],
    });
    assert.deepEqual(problemsOf(outcome), []);
    const left = paths(target);
    assert.ok(left.includes("home/ann/zz") && left.includes("home/carl/keep"));
    assert.deepEqual(
      left.filter((path) => path.startsWith("home/ann/docs")),
      ["home/ann/docs", "home/ann/docs/x"],
    );
  });

  test("removes nothing when it is not known what the image was made of", async () => {
    const { maker, root, target } = make();
    const outcome = await restore(maker.repository, root, target, { delete: true });
    assert.equal(outcome.deleted, 0);
    assert.ok(existsSync(join(target, "home/ann/zz")));
  });

  test("removes nothing when a page of the image cannot be read", async () => {
    const maker = new ImageMaker();
    const entries: [string, ReturnType<ImageMaker["file"]>][] = [["", maker.directory()]];
    for (let i = 1_000; i < 6_000; i++) entries.push([`f${i}`, maker.file("")]);
    const root = maker.image(...entries);
    const target = temporaryDirectory();
    await restore(maker.repository, root, target);
    writeFileSync(join(target, "extra"), "");
    const page = maker.repository.pageNames[1];
    assert.ok(page !== undefined && root.level > 0);
    maker.repository.losePage(page);
    const outcome = await restore(maker.repository, root, target, { delete: true, completePaths: [utf8("/")] });
    assert.deepEqual(
      problemsOf(outcome).map((text) => text.replace(/^\/f\d+/, "/f")),
      ["/: delete REPOSITORY_DAMAGED", "/f: read entries SEGMENT_MISSING"],
    );
    assert.equal(readdirSync(target).length, 5_001);
    assert.equal(outcome.deleted, 0);
  });

  test("leaves sockets alone, which no image ever holds", async () => {
    const { maker, root, target } = make();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(target, "home/ann/socket"), resolve));
    await restore(maker.repository, root, target, { delete: true, completePaths: [utf8("/home/ann")] });
    assert.ok(existsSync(join(target, "home/ann/socket")));
    await new Promise((resolve) => server.close(resolve));
  });

  test("removes directories however deep they are", async () => {
    const maker = new ImageMaker();
    const root = maker.image(["", maker.directory()], ["keep", maker.file("kept")]);
    const target = temporaryDirectory();
    spawnSync("sh", ["-c", "for i in $(seq 1 300); do mkdir -p d && touch d/file && cd d || exit 1; done"], { cwd: target });
    const outcome = await restore(maker.repository, root, target, { delete: true, completePaths: [utf8("/")] });
    assert.deepEqual(problemsOf(outcome), []);
    assert.deepEqual(paths(target), ["keep"]);
    assert.equal(outcome.deleted, 600);
  });
});

test("special files are replaced when they differ and left when they do not", async () => {
  const maker = new ImageMaker();
  const root = maker.image(
    ["", maker.directory()],
    ["pipe", bodyOf({ kind: ENTRY_FIFO, mode: 0o640 })],
    ["was file", bodyOf({ kind: ENTRY_FIFO })],
  );
  const target = temporaryDirectory();
  writeFileSync(join(target, "was file"), "file");
  await restore(maker.repository, root, target);
  const before = statSync(join(target, "pipe")).ino;
  const outcome = await restore(maker.repository, root, target);
  assert.equal(outcome.skippedUnchanged, 2);
  assert.equal(statSync(join(target, "pipe")).ino, before);
  assert.ok(statSync(join(target, "was file")).isFIFO());
  assert.equal(statSync(join(target, "pipe")).mode & 0o7777, 0o640);
  assert.equal(readFileSync("/dev/null").length, 0);
});
