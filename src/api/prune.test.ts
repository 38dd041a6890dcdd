// What a collection removes and what it lets stay, when it is alone with a repository that is whole.

import assert from "node:assert/strict";
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { containersOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import { coded } from "../media/volume.contract.ts";
import { KIB, assertWhole, contentsOf, forget, threeImages } from "./prune-harness.contract.ts";
import type { PruneReport } from "./types.ts";

function bytesOf(t: TemporaryRepository): number {
  return containersOf(t).reduce((sum, path) => sum + statSync(path).size, 0);
}

function collectionsOf({ path }: TemporaryRepository): string[] {
  return readdirSync(join(path, "collections"))
    .filter((name) => !name.startsWith(".tmp-"))
    .sort();
}

test("what a forgotten image alone needed is removed, and the other images are as they were", async () => {
  await using t = await temporaryRepository();
  const [first = "", second = "", third = ""] = await threeImages(t);
  const before = [await contentsOf(t.repository, first), await contentsOf(t.repository, third)];
  const bytesBefore = bytesOf(t);
  forget(t, second);
  const report = await t.repository.prune({ maxUnused: 0 });
  assert.equal(report.outcome, "done");
  assert.ok(report.removedBytes > 0 && bytesBefore - bytesOf(t) > 1_000 * KIB, `${bytesBefore} to ${bytesOf(t)}`);
  assert.deepEqual([await contentsOf(t.repository, first), await contentsOf(t.repository, third)], before);
  await assertWhole(t.repository);
  assert.deepEqual(collectionsOf(t), ["00000001-condemned", "00000001-finished", "00000001-released", "00000001-waits"]);

  const again = await t.repository.prune({ maxUnused: 0 });
  assert.equal(again.outcome, "nothing");
  assert.equal(again.unusedBytes, 0);
  await using later = await t.reopen();
  assert.deepEqual([await contentsOf(later.repository, first), await contentsOf(later.repository, third)], before);
  const { imageId } = await later.backUp();
  assert.deepEqual(await contentsOf(later.repository, imageId ?? ""), before[1]);
});

test("a repository of which nothing is needed becomes empty", async () => {
  await using t = await temporaryRepository();
  for (const image of await threeImages(t)) forget(t, image);
  const { outcome, liveBytes } = await t.repository.prune();
  assert.deepEqual({ outcome, liveBytes, containers: containersOf(t) }, { outcome: "done", liveBytes: 0, containers: [] });
  assert.equal((await t.repository.prune()).outcome, "nothing");
  await t.backUp();
  await assertWhole(t.repository);
});

test("a new repository has nothing to remove", async () => {
  await using t = await temporaryRepository();
  assert.equal((await t.repository.prune()).outcome, "nothing");
});

test("a dry run says what would be done and changes no file", async () => {
  await using t = await temporaryRepository();
  const [, second] = await threeImages(t);
  forget(t, second);
  const before = containersOf(t);
  const planned = await t.repository.prune({ dryRun: true, maxUnused: 0 });
  assert.equal(planned.outcome, "planned");
  assert.deepEqual(containersOf(t), before);
  assert.deepEqual(collectionsOf(t), []);
  const done = await t.repository.prune({ maxUnused: 0 });
  const figures = ({ deadContainers, deadBytes, rewrittenContainers, rewrittenBytes, liveBytes }: PruneReport): unknown => ({
    deadContainers,
    deadBytes,
    rewrittenContainers,
    rewrittenBytes,
    liveBytes,
  });
  assert.deepEqual(figures(planned), figures(done));
});

test("what may stay unused is left alone, and no more than that", async () => {
  await using t = await temporaryRepository();
  const [, second] = await threeImages(t);
  forget(t, second);
  const everything = await t.repository.prune({ dryRun: true, maxUnused: 1 });
  assert.equal(everything.rewrittenContainers, 0);
  for (const maxUnused of [0.5, 0.2, 0.05, 0]) {
    const { storedBytes, removedBytes, writtenBytes, unusedBytes } = await t.repository.prune({ dryRun: true, maxUnused });
    const left = storedBytes - removedBytes + writtenBytes;
    assert.ok(unusedBytes <= maxUnused * left, `${unusedBytes} of ${left} bytes are unused, allowed is ${maxUnused}`);
  }
  await assert.rejects(t.repository.prune({ maxUnused: 1.1 }), coded("USAGE"));
});

test("with little memory the segments are looked at in several passes, with the same result", async () => {
  await using t = await temporaryRepository();
  const [first = "", second = ""] = await threeImages(t);
  const before = await contentsOf(t.repository, first);
  forget(t, second);
  const { durationMs: _atOnce, ...atOnce } = await t.repository.prune({ dryRun: true, maxUnused: 0 });
  const { durationMs: _inPasses, ...inPasses } = await t.repository.prune({ dryRun: true, maxUnused: 0, segmentsInMemory: 17 });
  assert.deepEqual(inPasses, atOnce);
  assert.equal((await t.repository.prune({ maxUnused: 0, segmentsInMemory: 17 })).outcome, "done");
  assert.deepEqual(await contentsOf(t.repository, first), before);
  await assertWhole(t.repository);
});

test("a repository of an earlier version, which has no directory for it, can be collected", async () => {
  await using t = await temporaryRepository();
  const [first] = await threeImages(t);
  forget(t, first);
  rmSync(join(t.path, "collections"), { recursive: true });
  await t.backUp();
  assert.equal((await t.repository.prune({ maxUnused: 0 })).outcome, "done");
  await assertWhole(t.repository);
});
