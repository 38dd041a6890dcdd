import assert from "node:assert/strict";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { noise } from "../../test/support/noise.ts";
import { PASSPHRASE, containersOf, kindOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import { open } from "./api.ts";
import type { BackupReport } from "./types.ts";

/** Old enough that its times prove that nothing has changed since. */
function age(path: string): void {
  const longAgo = new Date("2020-01-01T00:00:00Z");
  utimesSync(path, longAgo, longAgo);
}

function fill(directory: string, files: number, bytes = 100): void {
  mkdirSync(directory, { recursive: true });
  for (let i = 0; i < files; i++) writeFileSync(join(directory, `file-${i}`), `${i} `.repeat(bytes));
}

/** ctime cannot be set, and files changed a moment ago are always read again: wait until they are old enough. */
async function settled(): Promise<void> {
  await setTimeout(2_100);
}

function counts(report: BackupReport): Record<string, number> {
  const { filesNew, filesChanged, filesUnchanged, removed } = report.statistics;
  return { filesNew, filesChanged, filesUnchanged, removed };
}

async function pathsOf({ repository }: TemporaryRepository, image: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const entry of repository.entries(image)) paths.push(entry.path);
  return paths;
}

async function contentOf({ repository }: TemporaryRepository, image: string, path: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of repository.dump(image, path)) pieces.push(piece);
  return Buffer.concat(pieces);
}

const id = (report: BackupReport): string => {
  assert.ok(report.imageId !== undefined);
  return report.imageId;
};

test("a second backup reads only what has changed, and is a full image all the same", async () => {
  await using t = await temporaryRepository();
  fill(join(t.source, "a"), 300);
  fill(join(t.source, "b"), 300);
  await settled();
  const first = await t.backUp();
  assert.deepEqual(counts(first), { filesNew: 600, filesChanged: 0, filesUnchanged: 0, removed: 0 });

  writeFileSync(join(t.source, "a", "file-7"), "changed");
  rmSync(join(t.source, "b", "file-9"));
  renameSync(join(t.source, "b", "file-10"), join(t.source, "b", "renamed"));
  const second = await t.backUp();
  assert.deepEqual(counts(second), { filesNew: 1, filesChanged: 1, filesUnchanged: 597, removed: 2 });
  assert.equal(second.baseImageId, first.imageId);
  assert.ok(second.statistics.bytesRead < 2_000);

  const before = await pathsOf(t, id(first));
  const after = await pathsOf(t, id(second));
  const gone = [`${t.source}/b/file-10`, `${t.source}/b/file-9`];
  const kept = before.filter((path) => !gone.includes(path));
  assert.deepEqual(after.toSorted(), [...kept, `${t.source}/b/renamed`].toSorted());
  assert.equal((await contentOf(t, id(second), `${t.source}/a/file-7`)).toString(), "changed");
  assert.equal((await contentOf(t, id(first), `${t.source}/a/file-7`)).toString(), "7 ".repeat(100));
});

test("a backup of nothing new reads nothing and claims every entry but those of directories above that others use", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 500);
  await settled();
  const first = await t.backUp();
  const second = await t.backUp();
  assert.equal(second.statistics.bytesRead, 0);
  assert.equal(second.statistics.claimsRefused, 0);
  // The directory of temporary files is changed by other tests at any time.
  assert.ok(second.statistics.entriesClaimed >= 501, `${second.statistics.entriesClaimed} entries claimed`);
  assert.ok(second.addedPlainBytes < 64 * 1024, `${second.addedPlainBytes} bytes of pages`);
  assert.deepEqual(await pathsOf(t, id(second)), await pathsOf(t, id(first)));
});

test("a file changed a moment before it was backed up is read again by the next backup, whatever its times say", async () => {
  await using t = await temporaryRepository();
  writeFileSync(join(t.source, "fresh"), "one");
  const { mtime, atime } = statSync(join(t.source, "fresh"));
  const first = await t.backUp();
  // The same size and modification time, and possibly the same change time: only reading tells.
  writeFileSync(join(t.source, "fresh"), "two");
  utimesSync(join(t.source, "fresh"), atime, mtime);
  const second = await t.backUp();
  assert.equal((await contentOf(t, id(first), `${t.source}/fresh`)).toString(), "one");
  assert.equal((await contentOf(t, id(second), `${t.source}/fresh`)).toString(), "two");
});

test("a lost or damaged track log costs nothing but a look at the image's own pages", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 400);
  await settled();
  await t.backUp();
  rmSync(t.cache, { recursive: true });
  const second = await t.backUp();
  assert.equal(second.statistics.bytesRead, 0);
  assert.deepEqual(second.notices, []);

  const logs = readdirSync(t.cache, { recursive: true, withFileTypes: true }).filter((entry) => entry.name.endsWith(".track"));
  assert.equal(logs.length, 1);
  const log = join(logs[0]?.parentPath ?? "", logs[0]?.name ?? "");
  chmodSync(log, 0o600);
  truncateSync(log, statSync(log).size - 5);
  const third = await t.backUp();
  assert.equal(third.statistics.bytesRead, 0);
  assert.match(third.notices.join("\n"), /track log .* cannot be used/);
});

test("only the last two track logs of a source are kept", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 10);
  for (let i = 0; i < 4; i++) await t.backUp();
  const names = readdirSync(t.cache, { recursive: true }).filter((name) => String(name).includes("track"));
  assert.equal(names.length, 2);
});

test("a changed selection builds on the image that shares a path with it", async () => {
  await using t = await temporaryRepository();
  fill(join(t.source, "a"), 200);
  fill(join(t.source, "b"), 200);
  await settled();
  const all = await t.backUp();
  const part = await t.backUp({ paths: [join(t.source, "a")] });
  assert.equal(part.baseImageId, all.imageId);
  assert.equal(part.statistics.bytesRead, 0);
  assert.deepEqual(
    (await pathsOf(t, id(part))).filter((path) => path.includes("/b")),
    [],
  );
});

test("equal contents are stored once, whatever they are called and in whichever backup", async () => {
  await using t = await temporaryRepository();
  const content = "the same ".repeat(100_000);
  writeFileSync(join(t.source, "one"), content);
  writeFileSync(join(t.source, "two"), content);
  const first = await t.backUp();
  assert.ok(first.addedPlainBytes < content.length * 1.1, `${first.addedPlainBytes} plain bytes`);
  writeFileSync(join(t.source, "three"), content);
  const second = await t.backUp();
  assert.ok(second.addedPlainBytes < 10_000, `${second.addedPlainBytes} plain bytes`);
});

test("an edit in the middle of a large file stores a few segments, not the file", async () => {
  await using t = await temporaryRepository();
  const bytes = noise(1, 40 * 1024 * 1024);
  const path = join(t.source, "large");
  writeFileSync(path, bytes);
  await t.backUp();
  const edited = Buffer.concat([bytes.subarray(0, 20_000_000), Buffer.from("inserted"), bytes.subarray(20_000_000)]);
  writeFileSync(path, edited);
  const second = await t.backUp();
  assert.ok(second.addedPlainBytes < 10 * 1024 * 1024, `${second.addedPlainBytes} plain bytes`);
  assert.ok((await contentOf(t, id(second), path)).equals(edited));
});

test("an edit in the middle of a file of medium size stores some kilobytes of it", async () => {
  await using t = await temporaryRepository();
  for (const [name, size] of [
    ["just above small", 33 * 1024],
    ["medium", 300 * 1024],
    ["just medium", 1020 * 1024],
  ] as const) {
    const bytes = noise(size, size);
    const path = join(t.source, name);
    writeFileSync(path, bytes);
    await t.backUp();
    const edited = Buffer.concat([bytes.subarray(0, size / 2), Buffer.from("inserted"), bytes.subarray(size / 2)]);
    writeFileSync(path, edited);
    const report = await t.backUp();
    assert.ok(
      report.addedPlainBytes < 140 * 1024 && report.addedPlainBytes < size,
      `${name}: ${report.addedPlainBytes} plain bytes`,
    );
    assert.ok((await contentOf(t, id(report), path)).equals(edited), name);
  }
});

test("a symbolic link is stored as a link, without a look at what it leads to", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 3);
  symlinkSync("/proc/1/task/1/mem", join(t.source, "link"));
  const report = await t.backUp();
  assert.equal(report.problemCount, 0);
  assert.equal(report.statistics.symbolicLinks, 1);
  assert.equal(report.statistics.filesNew, 3);
});

test("a path that does not exist fails the backup before anything is stored", async () => {
  await using t = await temporaryRepository();
  await assert.rejects(t.backUp({ paths: [join(t.source, "missing")] }), { code: "SOURCE_MISSING" });
  assert.deepEqual(await t.repository.images(), []);
});

test("excluded entries are not in the image", async () => {
  await using t = await temporaryRepository();
  fill(join(t.source, "keep"), 3);
  fill(join(t.source, "node_modules"), 3);
  writeFileSync(join(t.source, "keep", "x.o"), "object");
  const report = await t.backUp({ exclude: ["node_modules/", "*.o"] });
  const names = (await pathsOf(t, id(report))).map((path) => path.slice(t.source.length)).filter((path) => path !== "");
  assert.deepEqual(
    names.filter((name) => name.startsWith("/")),
    ["/keep", "/keep/file-0", "/keep/file-1", "/keep/file-2"],
  );
});

test("hard links are recorded as one file with several names", async () => {
  await using t = await temporaryRepository();
  writeFileSync(join(t.source, "a"), "content");
  linkSync(join(t.source, "a"), join(t.source, "b"));
  const report = await t.backUp();
  const linked: boolean[] = [];
  for await (const entry of t.repository.entries(id(report), { path: t.source })) {
    if (entry.kind === "file") linked.push(entry.hasHardLinks);
  }
  assert.deepEqual(linked, [true, true]);
});

test("forced and partial rescans read unchanged files and find contents that changed behind the attributes", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 200);
  await settled();
  await t.backUp();
  const all = await t.backUp({ forceRescan: true });
  assert.equal(all.statistics.rescanned, 200);
  assert.equal(all.statistics.silentChanges, 0);
  assert.ok(all.addedPlainBytes < 64 * 1024, `${all.addedPlainBytes} bytes, of pages`);
  const some = await t.backUp({ rescanFraction: 0.25 });
  assert.ok(some.statistics.rescanned > 15 && some.statistics.rescanned < 120, `${some.statistics.rescanned} of 200`);
});

test("a rehearsal says what a backup would do and leaves no trace", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 50);
  await settled();
  const rehearsal = await t.backUp({ dryRun: true });
  assert.equal(rehearsal.imageId, undefined);
  assert.deepEqual(counts(rehearsal), { filesNew: 50, filesChanged: 0, filesUnchanged: 0, removed: 0 });
  assert.deepEqual(await t.repository.images(), []);
  await t.backUp();
  appendFileSync(join(t.source, "file-1"), "more");
  assert.deepEqual(counts(await t.backUp({ dryRun: true })), { filesNew: 0, filesChanged: 1, filesUnchanged: 49, removed: 0 });
});

test("an interrupted backup leaves a checkpoint, and the next one continues from it", async () => {
  await using t = await temporaryRepository();
  for (let d = 0; d < 80; d++) fill(join(t.source, `directory-${String(d).padStart(2, "0")}`), 100, 2_000);
  await settled();
  const checkpoints = join(t.path, "volumes", "main", "checkpoints");
  const controller = new AbortController();
  let before: string | undefined;
  const interrupted = t.backUp({
    checkpointBytes: 1_000_000,
    signal: controller.signal,
    onProgress: ({ filesDone }) => {
      if (filesDone < 1_000) return;
      // As soon as there is a checkpoint that has these files.
      const [name] = readdirSync(checkpoints);
      before ??= name ?? "none";
      if (name !== undefined && name !== before) controller.abort();
    },
  });
  await assert.rejects(interrupted, { code: "INTERRUPTED" });
  assert.deepEqual(await t.repository.images(), []);
  assert.equal(readdirSync(checkpoints).length, 1);

  const next = await (await t.reopen()).backUp();
  assert.ok(next.statistics.filesUnchanged >= 1_000, `${next.statistics.filesUnchanged} files were taken over`);
  assert.equal(next.statistics.filesNew + next.statistics.filesUnchanged, 8_000);
  assert.deepEqual(readdirSync(checkpoints), []);
});

test("the output of a command becomes a file, and a failing command no image", async () => {
  await using t = await temporaryRepository();
  const script = "for (let i = 0; i < 300000; i++) process.stdout.write(`row ${i}\\n`)";
  const report = await t.repository.backup({ command: { arguments: [process.execPath, "-e", script], fileName: "dump.sql" } });
  const expected = Array.from({ length: 300_000 }, (_, i) => `row ${i}\n`).join("");
  assert.equal((await contentOf(t, id(report), "/dump.sql")).toString(), expected);
  await assert.rejects(
    t.repository.backup({ command: { arguments: [process.execPath, "-e", "process.exit(3)"], fileName: "x" } }),
    {
      code: "SOURCE_COMMAND_FAILED",
    },
  );
  assert.equal((await t.repository.images()).length, 1);
});

test("a failing command before the backup prevents it; one after it is reported and always runs", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 2);
  const mark = join(t.directory, "after-ran");
  const tellResult = `printf %s "$HOLDFAST_RESULT" > '${mark}'`;
  await assert.rejects(t.backUp({ before: "exit 4", after: tellResult }), { code: "HOOK_FAILED" });
  assert.equal(readFileSync(mark, "utf8"), "failed");
  assert.deepEqual(await t.repository.images(), []);
  const report = await t.backUp({ before: "true", after: `${tellResult}; exit 5` });
  assert.match(report.afterFailure ?? "", /status 5/);
  assert.equal(readFileSync(mark, "utf8"), "done");
  rmSync(mark);
  await assert.rejects(t.backUp({ paths: [join(t.source, "missing")], after: tellResult }));
  assert.equal(existsSync(mark) && readFileSync(mark, "utf8"), "failed");
});

test("a cache directory that is none costs a notice, not the backup", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 2);
  writeFileSync(t.cache, "in the way");
  await t.backUp();
  const second = await t.backUp();
  assert.match(second.notices.join("\n"), /track log cannot be/);
  assert.equal((await t.repository.images()).length, 2);
});

test("two backups into one repository at the same time both succeed", async () => {
  await using t = await temporaryRepository();
  fill(join(t.source, "a"), 200, 500);
  fill(join(t.source, "b"), 200, 500);
  await using other = await t.reopen();
  const again = await other.reopen();
  const reports = await Promise.all([
    again.repository.backup({ paths: [join(t.source, "a")] }),
    again.repository.backup({ paths: [join(t.source, "b")] }),
  ]);
  assert.equal((await again.repository.images()).length, 2);
  for (const [i, report] of reports.entries()) {
    const path = join(t.source, i === 0 ? "a" : "b", "file-199");
    assert.equal((await contentOf(again, id(report), path)).toString(), "199 ".repeat(500));
  }
});

test("no temporary file is left behind, neither by a backup nor by one that failed", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 100);
  await t.backUp();
  const controller = new AbortController();
  controller.abort();
  await assert.rejects(t.backUp({ forceRescan: true, signal: controller.signal }));
  const left = [t.path, t.cache].flatMap((place) =>
    readdirSync(place, { recursive: true }).filter((name) => String(name).includes(".tmp-")),
  );
  assert.deepEqual(left, []);
  assert.deepEqual(readdirSync(join(t.path, "sessions")), []);
});

test("the image says who made it, of what, and on which base", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 2);
  age(join(t.source, "file-0"));
  const first = await t.backUp({ tags: ["monthly"], host: "machine" });
  const second = await t.backUp({ host: "machine", source: `machine:${t.source}` });
  const { record, tags } = await t.repository.image(id(first));
  assert.deepEqual(
    { source: record.source, host: record.host, paths: record.paths, tags, base: record.base },
    { source: `machine:${t.source}`, host: "machine", paths: [t.source], tags: ["monthly"], base: null },
  );
  assert.equal((await t.repository.image("latest")).record.base, first.imageId);
  assert.equal((await t.repository.image(id(second).slice(0, 10))).id, second.imageId);
});

test("a container of data that is gone is noticed, and what it held is stored again, so that old and new images are whole", async () => {
  await using first = await temporaryRepository();
  fill(first.source, 200, 400);
  await settled();
  const before = await first.backUp();
  // Not pages: those of an old image come back only where nothing at all has changed.
  for (const container of containersOf(first)) if (kindOf(container) === "data") rmSync(container);
  const t = await first.reopen();
  const after = await t.backUp();
  assert.match(after.notices.join("\n"), /containers are missing/);
  assert.equal(after.statistics.bytesRead, before.statistics.bytesRead);
  const path = join(t.source, "file-150");
  for (const report of [after, before]) assert.equal((await contentOf(t, id(report), path)).toString(), "150 ".repeat(400));
});

test("what a killed backup has published but not indexed is taken in and not stored again", async () => {
  await using first = await temporaryRepository();
  fill(first.source, 200, 4_000);
  await first.backUp();
  // As if it had been killed between the containers and the index: no run, no image.
  for (const place of ["index", "volumes/main/images"]) {
    for (const name of readdirSync(join(first.path, place))) rmSync(join(first.path, place, name));
  }
  const report = await (await first.reopen()).backUp();
  assert.equal(report.statistics.filesNew, 200);
  assert.ok(report.addedPlainBytes < 64 * 1024, `${report.addedPlainBytes} bytes stored again`);
});

test("a damaged chunk of the track log is made up for by the image's own pages, and not handed on", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 400);
  await settled();
  await t.backUp();
  const logs = (): string[] =>
    readdirSync(t.cache, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.name.endsWith(".track"))
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted();
  const [log = ""] = logs();
  const bytes = readFileSync(log);
  bytes[200] = (bytes[200] as number) ^ 1;
  chmodSync(log, 0o600);
  writeFileSync(log, bytes);
  for (let i = 0; i < 2; i++) {
    const report = await t.backUp();
    assert.equal(report.statistics.bytesRead, 0);
    assert.equal(report.statistics.filesUnchanged, 400);
  }
});

test("a cache directory that cannot be written costs the track log and nothing else", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 5);
  writeFileSync(t.cache, "a file where the directory should be");
  const report = await t.backUp();
  assert.ok(report.imageId !== undefined);
  assert.match(report.notices.join("\n"), /track log cannot be written/);
});

test("a repository inside its own source is left out", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 3);
  const report = await t.backUp({ paths: [t.directory] });
  const inside = (await pathsOf(t, id(report))).filter((path) => path.startsWith(`${t.path}/`) || path.startsWith(`${t.cache}/`));
  assert.deepEqual(inside, []);
  const notice = [`"${t.path}" is the repository that this backup goes to; it is left out.`];
  assert.deepEqual([report.notices, report.problems], [notice, []]);
  assert.deepEqual((await t.backUp({ paths: [t.directory] })).notices, notice);
  // Whoever left it out knows.
  assert.deepEqual((await t.backUp({ paths: [t.directory], exclude: [t.path] })).notices, []);
  assert.deepEqual((await t.backUp({ paths: [t.directory], exclude: ["repository"] })).notices, []);
  assert.deepEqual((await t.backUp()).notices, []);
});

test("a repository inside its own source is left out whatever path leads to it", async () => {
  await using t = await temporaryRepository();
  fill(t.source, 3);
  symlinkSync(t.directory, join(t.directory, "link"));
  const repository = join(t.directory, "link", "repository");
  const linked = await open(t.services, { repository, passphrase: () => PASSPHRASE, cacheDirectory: t.cache, threads: 1 });
  const report = await linked.backup({ paths: [t.directory] });
  const paths = await pathsOf(t, id(report));
  await linked.close();
  assert.deepEqual(
    paths.filter((path) => path === t.path || path.startsWith(`${t.path}/`)),
    [],
  );
  assert.deepEqual(report.notices, [`"${t.path}" is the repository that this backup goes to; it is left out.`]);
});

test("a repository that is named as its own source is left out, and told so", async () => {
  await using t = await temporaryRepository();
  const { notices } = await t.backUp({ paths: [t.path, t.source] });
  assert.deepEqual(notices, [`"${t.path}" is the repository that this backup goes to; it is left out.`]);
});
