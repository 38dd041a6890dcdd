// Collections beside whatever else uses the repository at that time: backups that are on their way or were killed, writers on
// other machines, reading threads, restores, and other collections.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { HELD_TAIL_BYTES, heldBackup } from "../../test/support/held-backup.ts";
import { PASSPHRASE, another, containersOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import { HoldfastError } from "../base/errors.ts";
import { coded } from "../media/volume.contract.ts";
import type { Files } from "../platform/files.ts";
import { nodeFiles } from "../platform/node-files.ts";
import { open } from "./api.ts";
import {
  KIB,
  assertWhole,
  contentsOf,
  elsewhere,
  forget,
  threeImages,
  writeFiles,
  writerElsewhere,
} from "./prune-harness.contract.ts";

/** Leaves segments that no image needs any more. */
async function backUpAndForget(t: TemporaryRepository, content: Buffer): Promise<void> {
  await using first = await heldBackup(t, content);
  first.release();
  forget(t, await first.done);
}

/** The image of a held backup is what that read, and the repository is whole. */
async function assertHolds(t: TemporaryRepository, image: string, content: Buffer): Promise<void> {
  const expected = Buffer.concat([content, Buffer.alloc(HELD_TAIL_BYTES)]).toString("base64");
  assert.ok((await contentsOf(t.repository, image)).get("/dump") === expected, "the image is what was backed up");
  await assertWhole(t.repository);
}

test("a backup that began before the condemnation may use what is condemned: it is waited for, readable, and rescued", async () => {
  await using t = await temporaryRepository();
  const content = randomBytes(3_000 * KIB);
  await backUpAndForget(t, content);
  await using held = await heldBackup(t, content);
  const waiting = await t.repository.prune();
  assert.equal(waiting.outcome, "waiting");
  assert.equal(waiting.waitingFor[0]?.processId, process.pid);
  assert.equal(waiting.removedContainers, 0);
  assert.ok(((await t.repository.statistics()).condemned?.containers ?? 0) > 0);
  held.release();
  const image = await held.done;
  const isWhole = (): Promise<void> => assertHolds(t, image, content);
  await isWhole();
  const finished = await t.repository.prune();
  assert.ok(finished.rescuedSegments > 0);
  assert.ok(finished.finishedEarlier && finished.removedContainers > 0);
  assert.deepEqual((await t.repository.statistics()).condemned, { containers: 0, bytes: 0 });
  await isWhole();
});

test("an index that is made anew while a collection waits still leads to what is condemned, and a repair calls none of it lost", async () => {
  await using t = await temporaryRepository();
  const content = randomBytes(3_000 * KIB);
  await backUpAndForget(t, content);
  await using held = await heldBackup(t, content);
  assert.equal((await t.repository.prune()).outcome, "waiting");
  held.release();
  const image = await held.done;
  const isWhole = (): Promise<void> => assertHolds(t, image, content);
  await t.repository.rebuildIndex();
  await isWhole();
  const { lossCount, wholeImages, images } = await t.repository.repair();
  assert.deepEqual([lossCount, wholeImages], [0, images]);
  await isWhole();
  const finished = await t.repository.prune();
  assert.ok(finished.rescuedSegments > 0 && finished.removedContainers > 0);
  await isWhole();
});

test("nothing is removed while an index is made anew; once it is released, that takes in what is condemned only when nobody else is at work", async () => {
  await using t = await temporaryRepository();
  const [first, second] = await threeImages(t);
  forget(t, first);
  forget(t, second);
  const writer = await writerElsewhere(t);
  assert.equal((await t.repository.prune({ maxUnused: 0 })).outcome, "waiting");
  const all = containersOf(t);
  const condemned = (await t.repository.statistics()).condemned?.containers ?? 0;
  assert.ok(condemned > 0);
  const early = await writerElsewhere(t, { rebuilds: true });
  assert.equal((await t.repository.rebuildIndex()).containers, all.length);
  writer.close();

  const waiting = await t.repository.prune({ maxUnused: 0 });
  assert.equal(waiting.outcome, "waiting");
  assert.deepEqual(
    waiting.waitingFor.map(({ session }) => session),
    [early.id],
  );
  assert.deepEqual(containersOf(t), all);
  assert.equal((await t.repository.rebuildIndex()).containers, all.length);
  const other = await writerElsewhere(t);
  assert.equal((await t.repository.rebuildIndex()).containers, all.length - condemned);
  other.close();
  await assertWhole(t.repository);
  early.close();
  const finished = await t.repository.prune({ maxUnused: 0 });
  assert.deepEqual([finished.outcome, finished.finishedEarlier], ["done", true]);
  await assertWhole(t.repository);
});

test("a collection that cannot read its own session does not wait for itself", async () => {
  await using t = await temporaryRepository();
  const [first] = await threeImages(t);
  forget(t, first);
  const real = nodeFiles();
  const read: Files["read"] = (path, limitBytes) => {
    if (!/sessions\/[0-9a-f]{16}$/.test(path)) return real.read(path, limitBytes);
    throw new HoldfastError("REPOSITORY_READ_FAILED", { message: `Cannot read ${path}` });
  };
  const other = await another(t, { files: { ...real, read } });
  const report = await other.prune({ maxUnused: 0 });
  await other.close();
  assert.deepEqual([report.outcome, report.waitingFor], ["done", []]);
  await assertWhole(t.repository);
});

test("a backup that begins after the condemnation stores anew what is condemned, and is not waited for", async () => {
  await using t = await temporaryRepository();
  const content = randomBytes(3_000 * KIB);
  await backUpAndForget(t, content);
  await writerElsewhere(t);
  assert.equal((await t.repository.prune()).outcome, "waiting");
  await using held = await heldBackup(t, content);
  const finished = await t.repository.prune({ assumeDead: ["laptop"] });
  // The backup that goes on now is waited for by the next generation, if there is one, and not by this.
  assert.ok(finished.finishedEarlier && finished.removedContainers > 0);
  assert.equal(finished.rescuedSegments, 0);
  held.release();
  const image = await held.done;
  const stored = (await contentsOf(t.repository, image)).get("/dump") ?? "";
  assert.ok(Buffer.from(stored, "base64").subarray(0, content.length).equals(content));
  await t.repository.prune();
  await assertWhole(t.repository);
});

test("a writer whose machine was declared dead cannot commit, and the repository stays whole", async () => {
  await using t = await temporaryRepository();
  const content = randomBytes(3_000 * KIB);
  await backUpAndForget(t, content);
  await using held = await heldBackup(t, content, { host: elsewhere(t) });
  const waiting = await t.repository.prune();
  assert.deepEqual(
    waiting.waitingFor.map(({ host }) => host),
    ["laptop"],
  );
  assert.equal((await t.repository.prune({ assumeDead: ["desktop"] })).outcome, "waiting");
  assert.notEqual((await t.repository.prune({ assumeDead: ["laptop"] })).outcome, "waiting");
  held.release();
  await assert.rejects(held.done, coded("SESSION_ENDED"));
  assert.deepEqual(await t.repository.images(), []);
  await assertWhole(t.repository);
});

test("a reading thread that finds its runs merged away does not count on what is condemned either", async () => {
  await using t = await temporaryRepository();
  writeFiles(t.source, 10, 300 * KIB);
  const { imageId } = await t.backUp();
  // Other runs that say the same, as another process would leave after a merge.
  const copy = join(t.directory, "copy");
  cpSync(t.path, copy, { recursive: true });
  const place = { repository: copy, passphrase: () => PASSPHRASE, cacheDirectory: join(t.directory, "other") };
  const copied = await open(t.services, place);
  await copied.rebuildIndex();
  await copied.close();

  forget(t, imageId);
  await writerElsewhere(t);
  assert.equal((await t.repository.prune()).outcome, "waiting");

  // The track log is begun when the index was opened and shared, and before the first thread is started.
  let replaced = false;
  const real = nodeFiles();
  const create: Files["create"] = (path) => {
    if (!replaced && path.startsWith(t.cache)) {
      replaced = true;
      const index = join(t.path, "index");
      for (const name of readdirSync(index)) rmSync(join(index, name));
      cpSync(join(copy, "index"), index, { recursive: true });
    }
    return real.create(path);
  };
  const other = await another(t, { files: { ...real, create } });
  const next = await other.backup({ paths: [t.source] });
  await other.close();
  assert.ok(replaced);
  assert.ok(next.addedPlainBytes > 10 * 300 * KIB, `${next.addedPlainBytes} bytes were stored`);
  await t.repository.prune({ assumeDead: ["laptop"] });
  await assertWhole(t.repository);
});

test("an image that appeared after the condemnation is no base while the collection is on its way", async () => {
  await using t = await temporaryRepository();
  const [first, second = ""] = await threeImages(t);
  forget(t, first);
  await writerElsewhere(t);
  const condemned = await t.repository.prune({ maxUnused: 0 });
  assert.equal(condemned.outcome, "waiting");
  const next = await t.backUp();
  const afterNext = await t.backUp();
  assert.notEqual(next.baseImageId, undefined);
  assert.notEqual(afterNext.baseImageId, next.imageId);
  assert.equal(afterNext.baseImageId, next.baseImageId);
  await t.repository.prune({ assumeDead: ["laptop"] });
  assert.equal((await t.backUp()).baseImageId, afterNext.imageId);
  assert.ok((await contentsOf(t.repository, second)).size > 0);
  await assertWhole(t.repository);
});

test("two collections at once: both end, and everything is whole", async () => {
  for (let round = 0; round < 3; round++) {
    await using t = await temporaryRepository();
    const [first = "", second, third = ""] = await threeImages(t);
    const before = [await contentsOf(t.repository, first), await contentsOf(t.repository, third)];
    forget(t, second);
    const other = await another(t);
    const reports = await Promise.all([t.repository.prune({ maxUnused: 0 }), other.prune({ maxUnused: 0 })]);
    await other.close();
    assert.ok(reports.every(({ outcome }) => outcome !== "planned"));
    assert.notEqual((await t.repository.prune({ maxUnused: 0 })).outcome, "waiting");
    assert.equal((await t.repository.prune({ maxUnused: 0 })).outcome, "nothing");
    assert.deepEqual([await contentsOf(t.repository, first), await contentsOf(t.repository, third)], before);
    await assertWhole(t.repository);
  }
});

test("containers that a killed backup left are removed", async () => {
  await using t = await temporaryRepository();
  await threeImages(t);
  const before = containersOf(t);
  await using held = await heldBackup(t, randomBytes(3_000 * KIB));
  held.release();
  const image = await held.done;
  forget(t, image);
  // The index has not heard of them either.
  rmSync(join(t.path, "index"), { recursive: true });
  await using later = await t.reopen();
  await later.repository.rebuildIndex();
  assert.equal((await later.repository.prune({ maxUnused: 1 })).outcome, "done");
  assert.deepEqual(containersOf(t), before);
});

test("a restore that began before the removal finds what was moved", async () => {
  await using t = await temporaryRepository();
  const [first = "", second] = await threeImages(t);
  const before = await contentsOf(t.repository, first);
  forget(t, second);
  const other = await another(t);
  // Opens its index now, and does not look again by itself.
  assert.deepEqual(await contentsOf(other, first), before);
  await t.repository.prune({ maxUnused: 0 });
  assert.deepEqual(await contentsOf(other, first), before);
  await other.close();
});

test("a restore goes on while containers are removed under it", async () => {
  await using t = await temporaryRepository();
  const [first = "", second] = await threeImages(t);
  forget(t, second);
  const other = await another(t);
  const target = join(t.directory, "target");
  let pruned: Promise<unknown> | undefined;
  const report = await other.restore({
    image: first,
    target,
    onProgress: () => void (pruned ??= t.repository.prune({ maxUnused: 0 })),
  });
  await pruned;
  assert.deepEqual(report.problems, []);
  assert.equal(report.restoredFiles, 21);
  await other.close();
});
