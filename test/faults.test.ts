// What may go wrong outside of Holdfast while it writes: no room, a failing disk, a sudden end, others at work. Afterwards
// either the image is there and whole or it is not there, the exit status says which, and the next run works.

import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { FaultyBench, MountSpace } from "./support/faulty-bench.ts";
import { assertNoStackTrace, expectStatus, holdfast, startHoldfast, whyNot } from "./support/holdfast-process.ts";
import type { Outcome } from "./support/holdfast-process.ts";
import { noise } from "./support/noise.ts";

// All places instead of a few: HOLDFAST_TEST_ALL_FAULTS=1 node --test test/faults.test.ts
const ALL = process.env["HOLDFAST_TEST_ALL_FAULTS"] === "1";

const inMounts = { skip: whyNot({ root: true, tools: ["unshare", "nsenter", "mount"] }) };

async function bench(noiseBytes?: number): Promise<FaultyBench> {
  const made = new FaultyBench();
  await made.prepare(noiseBytes === undefined ? {} : { noiseBytes });
  return made;
}

// --- no room -------------------------------------------------------------------------------------

test(
  "a backup for which the disk is too small fails, says so and leaves no image; with room the next one works",
  inMounts,
  async () => {
    await using space = await MountSpace.create();
    using place = new FaultyBench();
    const disk = place.at("disk");
    mkdirSync(disk);
    await space.mount("-t", "tmpfs", "-o", "size=64m", "none", disk);
    using outside = new FaultyBench(space.outside(join(disk, "repository")));
    await outside.prepare();
    const words = ["--repository", join(disk, "repository"), "--cache-directory", outside.at("cache"), "--threads", "2"];
    const backUp = (): Promise<Outcome> => holdfast(["backup", outside.source, ...words], { under: space.under });
    // As much as is there already, a little more, and nearly enough.
    for (const size of ["40k", "300k", "1500k", "4500k"]) {
      await space.mount("-o", `remount,size=${size}`, disk);
      const outcome = await backUp();
      assert.equal(outcome.status, 1, `${size}: ${outcome.stdout}${outcome.stderr}`);
      assert.match(outcome.stderr, /no (room|space)|full|ENOSPC/i);
      assertNoStackTrace(outcome);
      assert.deepEqual(outside.leftovers(), [], size);
      await space.mount("-o", "remount,size=64m", disk);
      assert.equal(await outside.imageCount(), 0, size);
    }
    const outcome = await backUp();
    assert.equal(outcome.status, 0, outcome.stderr);
    assert.equal(await outside.assertSound(), 1);
  },
);

test("no room for the track log costs a notice, not the backup", inMounts, async () => {
  await using space = await MountSpace.create();
  using b = await bench();
  // More names than a track log of one page of the file system has room for, and so many that it notices while the backup is under way.
  for (let i = 0; i < 20_000; i++) writeFileSync(join(b.source, "small", `one-of-many-${noise(i, 32).toString("hex")}`), "");
  mkdirSync(b.at("cache"));
  await space.mount("-t", "tmpfs", "-o", "size=4k", "none", b.at("cache"));
  const outcome = await b.backUp({ under: space.under });
  assert.equal(outcome.status, 0, `${outcome.stdout}${outcome.stderr}`);
  assert.match(outcome.stderr, /track log/);
  assert.equal(await b.assertSound(), 1);
});

// --- a sudden end --------------------------------------------------------------------------------

test("kill -9 at any moment loses at most the run", async () => {
  using b = await bench(8_000_000);
  const startedMs = performance.now();
  await b.withRepository((repository) => repository.backup({ paths: [b.source], forceRescan: true }));
  const durationMs = performance.now() - startedMs;
  const moments = ALL ? 60 : 6;
  for (let i = 0; i < moments; i++) {
    const before = await b.imageCount();
    // Other bytes each time, or there would be nothing left to write.
    b.change(i);
    const { process: child, ended } = startHoldfast(b.words("backup", b.source, "--force-rescan"));
    await Promise.race([ended, b.writerAppears()]);
    await setTimeout((durationMs * i) / moments);
    child.kill("SIGKILL");
    const { signal } = await ended;
    const after = await b.imageCount();
    if (signal === "SIGKILL") assert.ok(after === before || after === before + 1, `${after} images after ${before}`);
    if (i % 3 === 2) await b.backUpAgain();
  }
  await b.backUpAgain();
  await b.assertSound({ newestOnly: true });
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} ends a backup with status 130 and no image, and the next run goes on`, async () => {
    using b = await bench(30_000_000);
    const { process: child, ended } = startHoldfast(b.words("backup", b.source));
    await b.writerAppears();
    child.kill(signal);
    const outcome = await ended;
    assert.deepEqual({ status: outcome.status, signal: outcome.signal }, { status: 130, signal: undefined }, outcome.stderr);
    assertNoStackTrace(outcome);
    assert.deepEqual(b.leftovers(), []);
    assert.equal(await b.imageCount(), 0);
    const { status, stderr } = await b.backUp();
    assert.equal(status, 0, stderr);
    assert.equal(await b.assertSound(), 1);
  });
}

test(
  "when its error output cannot be made durable, the program ends all the same",
  { skip: whyNot({ tools: ["strace"] }) },
  async () => {
    using b = await bench();
    const output = b.at("output");
    const failing = [
      "strace",
      "--quiet=all",
      "-f",
      "-o",
      b.at("trace"),
      "-P",
      output,
      "-e",
      "trace=fsync",
      "-e",
      "inject=fsync:error=EIO",
    ];
    const under = ["sh", "-c", 'out=$1; shift; exec "$@" 2> "$out"', "sh", output, ...failing];
    const { status, signal } = await b.backUp({ under });
    assert.deepEqual({ status, signal }, { status: 0, signal: undefined });
  },
);

// --- others --------------------------------------------------------------------------------------

test("four backups into one repository at once all succeed", async () => {
  using b = await bench();
  const sources = ["small", "noise-0", "text"].map((name) => join(b.source, name));
  const runs = [b.backUp(), b.backUp(), ...sources.slice(0, 2).map((path) => holdfast(b.words("backup", path)))];
  for (const { status, stderr } of await Promise.all(runs)) assert.equal(status, 0, stderr);
  assert.equal(await b.imageCount(), 4);
  assert.deepEqual(b.leftovers(), []);
  await b.withRepository(async (repository) => {
    assert.deepEqual((await repository.verify({ readData: 1 })).damages, []);
  });
});

test(
  "from a repository that cannot be written everything can be read, and a backup says why it cannot be made",
  inMounts,
  async () => {
    await using space = await MountSpace.create();
    using b = await bench();
    assert.equal((await b.backUp()).status, 0);
    await space.mount("--bind", b.repository, b.repository);
    await space.mount("-o", "remount,ro,bind", b.repository);
    await expectReadable(b, { under: space.under });
    const outcome = await expectStatus(1, b.words("backup", b.source), { under: space.under });
    assert.match(outcome.stderr, /read-only|EROFS/i);
    assert.match(outcome.stderr, /repository/);
  },
);

async function expectReadable(
  b: FaultyBench,
  options: { readonly under: readonly string[]; readonly env?: Record<string, string> },
): Promise<void> {
  const path = join(b.source, "small", "file-7");
  await expectStatus(0, b.words("images"), options);
  await expectStatus(0, b.words("ls", "latest", b.source), options);
  await expectStatus(0, b.words("find", "file-7"), options);
  assert.equal((await expectStatus(0, b.words("dump", "latest", path), options)).stdout, "7 ".repeat(140));
  await expectStatus(0, b.words("restore", "latest", path, "--owners", "none", "--target", b.at("restored")), options);
  assert.ok(existsSync(join(b.at("restored"), path)));
  await expectStatus(0, b.words("verify", "--read-data"), options);
}

test("without permission it says what is not permitted", { skip: whyNot({ root: true, tools: ["setpriv"] }) }, async () => {
  using b = await bench();
  assert.equal((await b.backUp()).status, 0);
  const nobody = { under: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], env: { HOME: "/nonexistent" } };
  chmodSync(b.path, 0o777);
  for (const words of [["images"], ["backup", b.source]]) {
    const outcome = await expectStatus(1, b.words(...words), nobody);
    assert.match(outcome.stderr, /permi/i);
    assert.ok(outcome.stderr.includes(b.repository), outcome.stderr);
  }
  // Readable by all, writable by root: as on a medium that another user has filled.
  chmodTree(b.repository);
  mkdirSync(b.at("cache"), { recursive: true });
  chmodSync(b.at("cache"), 0o777);
  await expectReadable(b, nobody);
  const outcome = await expectStatus(1, b.words("backup", b.source), nobody);
  assert.match(outcome.stderr, /permi/i);
});

function chmodTree(path: string): void {
  const isDirectory = statSync(path).isDirectory();
  chmodSync(path, isDirectory ? 0o755 : 0o444);
  if (isDirectory) for (const name of readdirSync(path)) chmodTree(join(path, name));
}
