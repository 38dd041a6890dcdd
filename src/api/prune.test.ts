import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { appendFileSync, cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { failingFiles } from "../../test/support/failing-files.ts";
import { containersOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Files } from "../platform/files.ts";
import { nodeFiles } from "../platform/node-files.ts";
import { startSession } from "../repository/repository.ts";
import { repositoryLayout } from "../repository/layout.ts";
import type { Services } from "./services.ts";
import type { PruneReport, Repository } from "./types.ts";

const KIB = 1024;

/** Removes the record of an image, as `forget` does. */
function forget({ path }: TemporaryRepository, image: string | undefined): void {
  assert.ok(image !== undefined);
  rmSync(join(path, "volumes/main/images", image));
}

function bytesOf(t: TemporaryRepository): number {
  return containersOf(t).reduce((sum, path) => sum + statSync(path).size, 0);
}

function collectionsOf({ path }: TemporaryRepository): string[] {
  return readdirSync(join(path, "collections"))
    .filter((name) => !name.startsWith(".tmp-"))
    .sort();
}

/** The content of all files of an image, by path. */
async function contentsOf(repository: Repository, image: string): Promise<Map<string, string>> {
  const contents = new Map<string, string>();
  for await (const { path, kind } of repository.entries(image)) {
    if (kind !== "file") continue;
    const pieces: Uint8Array[] = [];
    for await (const piece of repository.dump(image, path)) pieces.push(piece);
    contents.set(path, Buffer.concat(pieces).toString("base64"));
  }
  return contents;
}

/** Every image is whole, and nothing is wrong with the data. */
async function assertWhole(repository: Repository): Promise<void> {
  const { damages } = await repository.verify({ readData: 1 });
  assert.deepEqual(damages, []);
}

function writeFiles(directory: string, count: number, bytes = 40 * KIB): void {
  mkdirSync(directory, { recursive: true });
  for (let i = 0; i < count; i++) writeFileSync(join(directory, `file-${i}`), randomBytes(bytes));
}

/** Three images: files that stay, files that came with the second and are gone but for a few in the third, and a file that changes in each. */
async function threeImages(t: TemporaryRepository): Promise<readonly string[]> {
  const images: string[] = [];
  writeFiles(join(t.source, "stays"), 20);
  for (let i = 0; i < 3; i++) {
    writeFileSync(join(t.source, "changes"), randomBytes(300 * KIB));
    if (i === 1) writeFiles(join(t.source, "passes"), 30);
    if (i === 2) for (let file = 5; file < 30; file++) rmSync(join(t.source, "passes", `file-${file}`));
    const { imageId } = await t.backUp();
    images.push(imageId ?? "");
  }
  return images;
}

/** A backup that has read its content and does not commit before `release` is called. */
interface HeldBackup {
  readonly release: () => void;
  readonly done: Promise<string>;
}

/** Leaves segments that no image needs any more. */
async function backUpAndForget(t: TemporaryRepository, content: Buffer): Promise<void> {
  await using first = await heldBackup(t, content);
  first.release();
  forget(t, await first.done);
}

/** The image of a held backup is what that read, and the repository is whole. */
async function assertHolds(t: TemporaryRepository, image: string, content: Buffer): Promise<void> {
  const expected = Buffer.concat([content, Buffer.alloc(32 * 1024 * KIB)]).toString("base64");
  assert.ok((await contentsOf(t.repository, image)).get("/dump") === expected, "the image is what was backed up");
  await assertWhole(t.repository);
}

async function heldBackup(
  t: TemporaryRepository,
  content: Buffer,
  changes: Partial<Services> = {},
): Promise<HeldBackup & AsyncDisposable> {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let reached = (): void => undefined;
  const hasRead = new Promise<void>((resolve) => (reached = resolve));
  const readCommand: Services["readCommand"] = () => ({
    output: (async function* () {
      yield content;
      // Content is handed on in windows: this makes sure that all of it has been looked up.
      yield Buffer.alloc(32 * 1024 * KIB);
      reached();
      await released;
    })(),
    ended: Promise.resolve(0),
    kill: () => undefined,
  });
  const other = await another(t, { readCommand, ...changes });
  const done = other
    .backup({ command: { arguments: ["x"], fileName: "dump" }, source: "held" })
    .then(({ imageId }) => imageId ?? "");
  done.catch(() => undefined);
  await Promise.race([hasRead, done]);
  return { release, done, [Symbol.asyncDispose]: () => other.close() };
}

/** The same repository, opened by another process as it were. */
async function another(t: TemporaryRepository, changes: Partial<Services> = {}): Promise<Repository> {
  const { open } = await import("./api.ts");
  return open(
    { ...t.services, ...changes },
    { repository: t.path, passphrase: () => "correct horse", threads: 2, cacheDirectory: t.cache },
  );
}

function elsewhere(t: TemporaryRepository, name = "laptop"): Services["host"] {
  return { ...t.services.host, name, bootId: "another boot" };
}

function failed(code: string): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === code;
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
  assert.deepEqual(collectionsOf(t), ["00000001-condemned", "00000001-finished", "00000001-waits"]);

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
  await assert.rejects(t.repository.prune({ maxUnused: 1.1 }), failed("USAGE"));
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

test("a collection that finds a container missing when it goes on leaves the index as it is: it still leads to what is condemned", async () => {
  await using t = await temporaryRepository();
  const [first] = await threeImages(t);
  forget(t, first);
  const { files, clock, random } = t.services;
  const session = await startSession({ files, layout: repositoryLayout(t.path), host: elsewhere(t), clock, random });
  const before = containersOf(t);
  assert.equal((await t.repository.prune({ maxUnused: 0 })).outcome, "waiting");
  session.close();
  const written = containersOf(t).find((path) => !before.includes(path));
  assert.ok(written !== undefined);
  rmSync(written);
  const state = (): readonly string[] => [...containersOf(t), ...readdirSync(join(t.path, "index")).toSorted()];
  const expected = state();
  await assert.rejects(t.repository.prune(), failed("SEGMENT_MISSING"));
  assert.deepEqual(state(), expected);
});

test("a backup that begins after the condemnation stores anew what is condemned, and is not waited for", async () => {
  await using t = await temporaryRepository();
  const content = randomBytes(3_000 * KIB);
  await backUpAndForget(t, content);
  const place = { files: t.services.files, layout: repositoryLayout(t.path) };
  await startSession({ ...t.services, ...place, host: elsewhere(t) });
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
  await assert.rejects(held.done, failed("SESSION_ENDED"));
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
  const { open } = await import("./api.ts");
  const copied = await open(t.services, {
    repository: copy,
    passphrase: () => "correct horse",
    cacheDirectory: join(t.directory, "other"),
  });
  await copied.rebuildIndex();
  await copied.close();

  forget(t, imageId);
  const place = { files: t.services.files, layout: repositoryLayout(t.path) };
  await startSession({ ...t.services, ...place, host: elsewhere(t) });
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
  const place = { files: t.services.files, layout: repositoryLayout(t.path) };
  await startSession({ ...t.services, ...place, host: elsewhere(t) });
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

test("when a container is missing, nothing is removed", async () => {
  await using t = await temporaryRepository();
  const [, second] = await threeImages(t);
  forget(t, second);
  const [lost = "", ...others] = containersOf(t);
  rmSync(lost);
  await assert.rejects(t.repository.prune({ maxUnused: 0 }), failed("SEGMENT_MISSING"));
  assert.deepEqual(containersOf(t), others);
});

test("when an image record or a page cannot be read, nothing is removed", async () => {
  await using t = await temporaryRepository();
  const [first = "", second] = await threeImages(t);
  forget(t, second);
  const record = join(t.path, "volumes/main/images", first);
  const bytes = readFileSync(record);
  rmSync(record);
  writeFileSync(record, bytes.subarray(0, bytes.length - 1));
  const before = containersOf(t);
  await assert.rejects(t.repository.prune(), failed("REPOSITORY_DAMAGED"));
  assert.deepEqual(containersOf(t), before);
  rmSync(record);
  writeFileSync(record, bytes);

  // Half of every container of pages is overwritten: some page of some image is hit.
  for (const path of before) {
    const container = readFileSync(path);
    if (container[10] !== 2) continue;
    rmSync(path);
    container.fill(0xff, 64, container.length >>> 1);
    writeFileSync(path, container);
  }
  await using later = await t.reopen();
  await assert.rejects(later.repository.prune({ maxUnused: 0 }), HoldfastError);
  assert.deepEqual(containersOf(t), before);
});

test("damage in a container that is to be written anew ends the collection: nothing is removed", async () => {
  await using t = await temporaryRepository();
  const [, second] = await threeImages(t);
  forget(t, second);
  const before = containersOf(t);
  for (const path of before) {
    const container = readFileSync(path);
    if (container[10] !== 1) continue;
    rmSync(path);
    for (let at = 5_000; at < container.length - 20_000; at += 10_000) container[at]! ^= 1;
    writeFileSync(path, container);
  }
  await using later = await t.reopen();
  await assert.rejects(later.repository.prune({ maxUnused: 0 }), failed("SEAL_BROKEN"));
  for (const path of before) assert.ok(statSync(path).isFile());
});

test("without knowing what is condemned nobody writes", async () => {
  await using t = await temporaryRepository();
  await threeImages(t);
  await t.repository.prune();
  mkdirSync(join(t.path, "collections"), { recursive: true });
  const record = join(t.path, "collections/00000007-condemned");
  writeFileSync(record, "not a record");
  await assert.rejects(t.backUp(), failed("REPOSITORY_DAMAGED"));
  await assert.rejects(t.repository.prune(), failed("REPOSITORY_DAMAGED"));
  rmSync(record);
  await t.backUp();
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

test("interrupted at any call that changes the disk, everything is whole and the next collection finishes the work", async () => {
  await using made = await temporaryRepository();
  writeFiles(made.source, 6);
  const first = await made.backUp();
  for (const name of ["file-0", "file-1"]) rmSync(join(made.source, name));
  appendFileSync(join(made.source, "file-3"), "more");
  const { imageId: image = "" } = await made.backUp();
  const before = await contentsOf(made.repository, image);
  forget(made, first.imageId);
  const untouched = join(made.directory, "untouched");
  cpSync(made.path, untouched, { recursive: true });

  let atCall = 0;
  for (let completed = false; !completed;) {
    atCall++;
    rmSync(made.path, { recursive: true });
    cpSync(untouched, made.path, { recursive: true });
    const other = await another(made, { files: failingFiles(atCall).files });
    try {
      await other.prune({ maxUnused: 0 });
      completed = true;
    } catch (error) {
      assert.ok(failed("REPOSITORY_WRITE_FAILED")(error), `call ${atCall}: ${String(error)}`);
    }
    await other.close().catch(() => undefined);
    // The process is gone, and its sessions with it.
    for (const name of readdirSync(join(made.path, "sessions"))) rmSync(join(made.path, "sessions", name));
    const next = await another(made);
    assert.deepEqual(await contentsOf(next, image), before, `after call ${atCall}`);
    await next.prune({ maxUnused: 0 });
    assert.deepEqual(await contentsOf(next, image), before, `after call ${atCall} and the next collection`);
    assert.deepEqual((await next.verify()).damages, [], `after call ${atCall}`);
    const { deadContainers, rewrittenContainers } = await next.prune({ dryRun: true, maxUnused: 0 });
    assert.deepEqual({ deadContainers, rewrittenContainers }, { deadContainers: 0, rewrittenContainers: 0 });
    await next.close();
  }
  assert.ok(atCall > 40, `${atCall} calls`);
});
