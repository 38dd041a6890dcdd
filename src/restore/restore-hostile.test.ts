// Images that no backup would make, and programs that work against the restore while it runs.

import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { utf8 } from "../base/bytes.ts";
import { ENTRY_FIFO, ENTRY_SYMBOLIC_LINK } from "../formats/entry.ts";
import { ImageMaker, bodyOf, describeTree, problemsOf, restore, temporaryDirectory } from "./restore-harness.contract.ts";

/** A target beside a directory that must stay as it is. */
function makePlace(): { readonly target: string; readonly outside: string; readonly check: () => void } {
  const place = temporaryDirectory();
  const target = join(place, "target");
  const outside = join(place, "outside");
  mkdirSync(target);
  mkdirSync(outside);
  writeFileSync(join(outside, "file"), "untouched");
  const before = describeTree(outside);
  const names = readdirSync(place);
  return {
    target,
    outside,
    check: () => {
      assert.deepEqual(describeTree(outside), before);
      assert.deepEqual(readdirSync(place), names);
    },
  };
}

describe("a hostile image", () => {
  for (const path of [
    "..",
    "../outside/evil",
    "a/../../outside/evil",
    "a/..",
    ".",
    "a/./b",
    "/etc/evil",
    "a//b",
    "a/",
    "a\0b",
    "../target/../outside/file",
  ]) {
    test(`restores nothing for the path ${JSON.stringify(path)} and everything else`, async () => {
      const { target, check } = makePlace();
      const maker = new ImageMaker();
      const root = maker.image(["", maker.directory()], [path, maker.file("evil")], ["z", maker.file("fine")]);
      const outcome = await restore(maker.repository, root, target);
      assert.deepEqual(problemsOf(outcome), [`/${path}: read entries FORMAT_INVALID`]);
      assert.deepEqual(
        describeTree(target, { withRoot: false }).map((entry) => entry.path),
        ["z"],
      );
      check();
    });
  }

  test("cannot lead a file through a link that it holds itself", async () => {
    const { target, outside, check } = makePlace();
    const maker = new ImageMaker();
    const link = bodyOf({ kind: ENTRY_SYMBOLIC_LINK, linkTarget: utf8(outside) });
    const root = maker.image(
      ["link", link],
      ["link/evil", maker.file("evil")],
      ["link/file", maker.file("evil")],
      ["z", maker.file("fine")],
    );
    const outcome = await restore(maker.repository, root, target, {
      overwrite: "always",
      delete: true,
      completePaths: [utf8("/")],
    });
    assert.deepEqual(problemsOf(outcome), [
      "/: delete REPOSITORY_DAMAGED",
      "/link/evil: read entries FORMAT_INVALID",
      "/link/file: read entries FORMAT_INVALID",
    ]);
    assert.equal(readlinkSync(join(target, "link")), outside);
    check();
  });

  test("cannot lead a file through a link by naming it twice", async () => {
    const { target, outside, check } = makePlace();
    const maker = new ImageMaker();
    const link = bodyOf({ kind: ENTRY_SYMBOLIC_LINK, linkTarget: utf8(outside) });
    const root = maker.image(
      ["d", maker.directory()],
      ["d", link],
      ["d/evil", maker.file("evil")],
      ["e", link],
      ["e", maker.directory()],
      ["e/evil", maker.file("evil")],
    );
    const outcome = await restore(maker.repository, root, target, { overwrite: "always" });
    assert.deepEqual(problemsOf(outcome), [
      "/d: read entries FORMAT_INVALID",
      "/e/evil: read entries FORMAT_INVALID",
      "/e: read entries FORMAT_INVALID",
    ]);
    assert.equal(readFileSync(join(target, "d/evil"), "utf8"), "evil");
    check();
  });

  test("cannot lead anything through a link that is at the target already", async () => {
    for (const overwrite of ["never", "if-changed", "always"] as const) {
      const { target, outside, check } = makePlace();
      symlinkSync(outside, join(target, "d"));
      symlinkSync(join(outside, "file"), join(target, "f"));
      const maker = new ImageMaker();
      const root = maker.image(
        ["d", maker.directory({ mode: 0o700 })],
        ["d/file", maker.file("evil")],
        ["d/sub", maker.directory()],
        ["f", maker.file("mine")],
        ["g/h", maker.file("no entry for g")],
      );
      const outcome = await restore(maker.repository, root, target, { overwrite });
      check();
      assert.equal(readFileSync(join(target, "g/h"), "utf8"), "no entry for g");
      if (overwrite === "always") {
        assert.deepEqual(problemsOf(outcome), []);
        assert.equal(readFileSync(join(target, "d/file"), "utf8"), "evil");
      } else {
        assert.deepEqual(problemsOf(outcome), [
          "/d/file: restore ENOTDIR",
          "/d/sub: restore ENOTDIR",
          "/d: restore TARGET_CONFLICT",
        ]);
        assert.equal(lstatSync(join(target, "d")).isSymbolicLink(), true);
      }
      assert.equal(lstatSync(join(target, "f")).isSymbolicLink(), overwrite === "never");
    }
  });

  test("with names that differ in case restores each", async () => {
    const maker = new ImageMaker();
    const root = maker.image(
      ["A", maker.file("upper")],
      ["B", maker.directory()],
      ["B/x", maker.file("1")],
      ["a", maker.file("lower")],
      ["b", maker.directory()],
      ["b/x", maker.file("2")],
    );
    const target = temporaryDirectory();
    const outcome = await restore(maker.repository, root, target);
    assert.deepEqual(problemsOf(outcome), []);
    assert.deepEqual(
      ["A", "a", "B/x", "b/x"].map((path) => readFileSync(join(target, path), "utf8")),
      ["upper", "lower", "1", "2"],
    );
  });

  test("with bodies that make no sense loses those entries only", async () => {
    const maker = new ImageMaker();
    const good = maker.file("good");
    const root = maker.image(
      ["", maker.directory()],
      ["1 size and segments differ", maker.file("four", { sizeBytes: 5 })],
      ["2 no content", bodyOf({ kind: 2, sizeBytes: 10 })],
      ["3 too large", maker.file([2 ** 53 - 1])],
      ["4 link without target", bodyOf({ kind: ENTRY_SYMBOLIC_LINK })],
      ["5 link to nothing", bodyOf({ kind: ENTRY_SYMBOLIC_LINK, linkTarget: new Uint8Array(0) })],
      ["6 device without number", bodyOf({ kind: 5 })],
      ["7 name too long ".padEnd(256, "x"), good],
      [
        "8 directory as list",
        maker.file("x", {
          segments: [],
          segmentList: { fingerprint: maker.repository.store(utf8("y")), pageBytes: 3, level: 4 },
        }),
      ],
      ["9 good", good],
    );
    const target = temporaryDirectory();
    const outcome = await restore(maker.repository, root, target);
    assert.deepEqual(
      describeTree(target, { withRoot: false }).map((entry) => entry.path),
      ["9 good"],
    );
    assert.equal(outcome.problemCount, 8, problemsOf(outcome).join("\n"));
  });

  test("cannot make the root anything but a directory", async () => {
    const { target, check } = makePlace();
    const maker = new ImageMaker();
    const root = maker.image(["", maker.file("evil")], ["a", maker.file("fine")]);
    const outcome = await restore(maker.repository, root, target);
    assert.deepEqual(problemsOf(outcome), ["/: read entries FORMAT_INVALID"]);
    assert.equal(readFileSync(join(target, "a"), "utf8"), "fine");
    check();
  });
});

/** Swaps directories of the target for links to the outside, as fast as it can, until it is told to stop. */
const SWAPPER = `
  const { workerData, parentPort } = require("node:worker_threads");
  const fs = require("node:fs");
  const { target, outside, stop } = workerData;
  let swaps = 0;
  parentPort.postMessage("ready");
  for (let i = 0; Atomics.load(stop, 0) === 0; i++) {
    const name = target + "/d" + (i % 4);
    for (const victim of [name, name + "/e"]) {
      try {
        fs.renameSync(victim, victim + ".aside");
        fs.symlinkSync(outside, victim);
        fs.unlinkSync(victim);
        fs.renameSync(victim + ".aside", victim);
        swaps++;
      } catch {
        // The restore came between two of these steps. What of them can be undone is, and the next swap begins anew.
        try { fs.unlinkSync(victim); } catch {}
        try { fs.renameSync(victim + ".aside", victim); } catch {}
      }
    }
  }
  parentPort.postMessage(swaps);
`;

test("nothing appears outside while directories are swapped for links", async () => {
  const { target, outside, check } = makePlace();
  const maker = new ImageMaker();
  const entries: [string, ReturnType<ImageMaker["file"]>][] = [["", maker.directory()]];
  const names = Array.from({ length: 40 }, (_, i) => `f${String(i).padStart(2, "0")}`);
  for (const d of ["d0", "d1", "d2", "d3"]) {
    entries.push([d, maker.directory({ mode: 0o755 })], [`${d}/e`, maker.directory()]);
    for (const name of names) entries.push([`${d}/e/${name}`, maker.file(`content ${name}`)]);
    entries.push(
      [`${d}/link`, bodyOf({ kind: ENTRY_SYMBOLIC_LINK, linkTarget: utf8("file") })],
      [`${d}/pipe`, bodyOf({ kind: ENTRY_FIFO })],
    );
  }
  const root = maker.image(...entries);
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const swapper = new Worker(SWAPPER, { eval: true, workerData: { target, outside, stop } });
  await new Promise((resolve) => swapper.once("message", resolve));
  let files = 0;
  for (let round = 0; round < 25; round++) {
    const overwrite = round % 2 === 0 ? "always" : "if-changed";
    const outcome = await restore(maker.repository, root, target, {
      overwrite,
      delete: round % 3 === 0,
      completePaths: [utf8("/")],
      verify: round % 5 === 0,
    });
    files += outcome.restoredFiles + outcome.skippedUnchanged;
    assert.deepEqual(readdirSync(outside), ["file"]);
  }
  const swaps = new Promise<number>((resolve) => swapper.once("message", resolve));
  Atomics.store(stop, 0, 1);
  assert.ok((await swaps) > 1_000, "the swapper was at work");
  assert.ok(files > 1_000, "and so was the restore");
  assert.equal(existsSync(join(outside, "f00")), false);
  check();
});
