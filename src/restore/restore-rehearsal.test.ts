// A dry run is the plan of the restore that follows: it says beforehand what that one says afterwards.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { utf8 } from "../base/bytes.ts";
import { randomBytes } from "../engine/testing.ts";
import { ENTRY_SYMBOLIC_LINK } from "../formats/entry.ts";
import {
  ImageMaker,
  MODIFIED,
  bodyOf,
  describeTree,
  problemsOf,
  restore,
  temporaryDirectory,
} from "./restore-harness.contract.ts";
import type { RestoreSettings } from "./restore-harness.contract.ts";
import type { RestoreOutcome } from "./restore.ts";

const PARTS = Array.from({ length: 600 }, (_, i) => randomBytes(i, 60_000));
const WHOLE = { completePaths: [utf8("/")] };

/** Something of every kind that a restore decides about. */
function makePlace(): { readonly maker: ImageMaker; readonly root: ReturnType<ImageMaker["image"]>; readonly target: string } {
  const maker = new ImageMaker();
  const hardLink = { deviceMajor: 8, deviceMinor: 1, linkCount: 2 };
  const linked = maker.file("linked", { inode: 9n, hardLink });
  const linkedNew = maker.file("linked too", { inode: 10n, hardLink });
  const root = maker.image(
    ["", maker.directory()],
    ["absent", maker.file("from image")],
    ["changed", maker.file("from image")],
    ["equal", maker.file("from image")],
    ["full", maker.file("a directory is in the way")],
    ["large", maker.file(PARTS)],
    ["large too", maker.file(PARTS)],
    ["link", bodyOf({ kind: ENTRY_SYMBOLIC_LINK, linkTarget: utf8("absent") })],
    ["made", maker.directory()],
    ["made/a", linkedNew],
    ["made/b", linkedNew],
    ["names", maker.directory()],
    ["names/a", linked],
    ["names/b", linked],
    ["spare", maker.file("an empty directory is in the way")],
    ["sub", maker.directory()],
    ["sub/file", maker.file("in sub")],
  );
  const target = temporaryDirectory();
  mkdirSync(join(target, "full/with/something"), { recursive: true });
  mkdirSync(join(target, "names"));
  mkdirSync(join(target, "spare"));
  mkdirSync(join(target, "old/deep"), { recursive: true });
  for (const name of ["changed", "sub", "old/deep/file", "names/c"]) writeFileSync(join(target, name), "from target");
  const restored = ["equal", "large", "names/a"];
  writeFileSync(join(target, "equal"), "at target!");
  writeFileSync(join(target, "large"), Buffer.concat(PARTS));
  writeFileSync(join(target, "names/a"), "linked");
  for (const name of restored) spawnSync("touch", ["-d", `@${MODIFIED.seconds}.123456789`, join(target, name)]);
  linkSync(join(target, "names/a"), join(target, "names/b"));
  symlinkSync("changed", join(target, "link"));
  return { maker, root, target };
}

/** All but the plan: what there is to read is less when something need not be. */
function results({ plan: _plan, ...rest }: RestoreOutcome): Omit<RestoreOutcome, "plan"> {
  return { ...rest, problems: [] };
}

describe("a dry run", () => {
  const settings: readonly RestoreSettings[] = [
    {},
    { overwrite: "never" },
    { overwrite: "always" },
    { ...WHOLE, delete: true },
    { ...WHOLE, delete: true, overwrite: "never" },
    { ...WHOLE, delete: true, overwrite: "always" },
    { ...WHOLE, delete: true, paths: [utf8("/names"), utf8("/full")] },
  ];
  for (const chosen of settings) {
    const { overwrite = "if-changed", delete: deletes = false, paths } = chosen;
    const name = `${overwrite}${deletes ? " and delete" : ""}${paths === undefined ? "" : " of two paths"}`;
    test(`says what the restore with ${name} then does, and changes nothing`, async () => {
      const { maker, root, target } = makePlace();
      const before = describeTree(target);
      maker.repository.reads.length = 0;
      const planned = await restore(maker.repository, root, target, { ...chosen, dryRun: true });
      assert.deepEqual(describeTree(target), before);
      assert.equal(maker.repository.reads.length, 0);
      const done = await restore(maker.repository, root, target, chosen);
      assert.deepEqual(results(planned), results(done));
      assert.deepEqual(problemsOf(planned), problemsOf(done));
      const again = await restore(maker.repository, root, target, { ...chosen, dryRun: true });
      if (overwrite !== "always") assert.deepEqual([again.restoredFiles, again.deleted], [0, 0]);
    });
  }

  test("counts what is new, replaced, as stored and left alone, and lists what goes", async () => {
    const { maker, root, target } = makePlace();
    const planned = await restore(maker.repository, root, target, { ...WHOLE, delete: true, dryRun: true });
    const { restoredFiles, replacedFiles, restoredOthers, madeDirectories, skippedUnchanged, deleted, removed } = planned;
    assert.deepEqual(
      { restoredFiles, replacedFiles, restoredOthers, madeDirectories, skippedUnchanged, deleted },
      { restoredFiles: 8, replacedFiles: 1, restoredOthers: 1, madeDirectories: 2, skippedUnchanged: 4, deleted: 9 },
    );
    assert.deepEqual(removed, [
      "/full",
      "/full/with",
      "/full/with/something",
      "/names/c",
      "/old",
      "/old/deep",
      "/old/deep/file",
      "/spare",
      "/sub",
    ]);
    // What is as stored need not be read.
    const { plan } = await restore(maker.repository, root, join(target, "not made"), { dryRun: true });
    assert.deepEqual([planned.plan.files, planned.plan.bytes], [plan.files, plan.bytes]);
    const share = planned.plan.storedBytes / plan.storedBytes;
    assert.ok(share > 0.45 && share < 0.55, `${share}`);
  });

  test("of what is restored already would do nothing but delete what is too much", async () => {
    const maker = new ImageMaker();
    const root = maker.image(
      ["", maker.directory()],
      ["d", maker.directory()],
      ["d/a", maker.file("a")],
      ["d/b", maker.file("b")],
    );
    const target = temporaryDirectory();
    await restore(maker.repository, root, target);
    writeFileSync(join(target, "d/extra"), "extra");
    const planned = await restore(maker.repository, root, target, { ...WHOLE, delete: true, dryRun: true });
    const { restoredFiles, madeDirectories, skippedUnchanged, deleted, removed, plan } = planned;
    assert.deepEqual(
      {
        restoredFiles,
        madeDirectories,
        skippedUnchanged,
        deleted,
        removed,
        read: [plan.segments, plan.containers, plan.storedBytes],
      },
      { restoredFiles: 0, madeDirectories: 0, skippedUnchanged: 2, deleted: 1, removed: ["/d/extra"], read: [0, 0, 0] },
    );
    assert.deepEqual(readdirSync(join(target, "d")), ["a", "b", "extra"]);
  });

  test("looks into directories however deep they are", async () => {
    const maker = new ImageMaker();
    const root = maker.image(["", maker.directory()]);
    const target = temporaryDirectory();
    let deep = target;
    for (let depth = 0; depth < 100; depth++) deep = join(deep, "d");
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, "file"), "");
    const planned = await restore(maker.repository, root, target, { ...WHOLE, delete: true, dryRun: true });
    const done = await restore(maker.repository, root, target, { ...WHOLE, delete: true });
    assert.deepEqual([planned.deleted, planned.removed], [101, done.removed]);
    assert.deepEqual([done.deleted, readdirSync(target)], [101, []]);
  });
});
