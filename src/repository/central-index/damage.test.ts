import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hexOf } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import { RUN_HEADER_BYTES, RUN_TRAILER_BYTES } from "../../formats/index-run.ts";
import { openLiveRuns } from "./live-runs.ts";
import { CentralIndex } from "./lookup.ts";
import { mergeRuns } from "./merge-runs.ts";
import { listRuns } from "./run-directory.ts";
import type { IndexLocation, RunName } from "./run-directory.ts";
import { RunReader } from "./run-reader.ts";
import { fingerprintOf, madeContainer, seededRandom, temporaryIndex } from "./testing.ts";
import { writeIndexRun } from "./write-index-run.ts";

const segments = 12;
const contents = madeContainer(seededRandom("damage"), { segments, segmentsPerBlock: 4 });

/** Puts a run of these bytes in the place of all others and uses everything in it. */
function useRun(location: IndexLocation, bytes: Uint8Array): string {
  for (const name of listRuns(location.files, location.directory)) location.files.remove(join(location.directory, name));
  const path = join(location.directory, "0".repeat(64));
  writeFileSync(path, bytes);
  try {
    using index = CentralIndex.open(location);
    for (let i = 0; i < segments; i++) assert.equal(index.findAll(fingerprintOf(contents, i)).length, 1);
    return "accepted";
  } catch (error) {
    if (error instanceof HoldfastError) return error.code;
    throw error;
  } finally {
    rmSync(path);
  }
}

test("every changed byte of a run is noticed, and as what it is", async (context) => {
  const location = temporaryIndex(context);
  const name = await writeIndexRun({ ...location, containers: [contents], supersedes: ["f0".repeat(32) as RunName] });
  const intact = readFileSync(join(location.directory, name));
  assert.equal(useRun(location, intact), "accepted");
  for (let offset = 0; offset < intact.length; offset++) {
    const damaged = Uint8Array.from(intact);
    damaged[offset]! ^= 1 << (offset % 8);
    const fromEnd = intact.length - offset;
    let expected = "SEAL_BROKEN";
    if (offset < 8) expected = "FORMAT_MAGIC";
    else if (offset < 10) expected = "FORMAT_VERSION";
    else if (offset < RUN_HEADER_BYTES) expected = "FORMAT_CHECKSUM";
    else if (fromEnd <= 8) expected = "FORMAT_TRUNCATED";
    else if (fromEnd <= RUN_TRAILER_BYTES) expected = "FORMAT_CHECKSUM";
    assert.equal(useRun(location, damaged), expected, `byte ${offset} of ${intact.length}`);
  }
});

test("a run cut short at any length, or with something after it, is refused", async (context) => {
  const location = temporaryIndex(context);
  const name = await writeIndexRun({ ...location, containers: [contents] });
  const intact = readFileSync(join(location.directory, name));
  for (let length = 0; length < intact.length; length++) {
    assert.equal(useRun(location, intact.subarray(0, length)), "FORMAT_TRUNCATED", `cut to ${length} bytes`);
  }
  assert.equal(useRun(location, Buffer.concat([intact, Buffer.alloc(1)])), "FORMAT_TRUNCATED");
  // A piece taken out of the middle, or put in: the trailer is whole but does not fit.
  assert.equal(useRun(location, Buffer.concat([intact.subarray(0, 100), intact.subarray(110)])), "FORMAT_TRUNCATED");
  assert.equal(useRun(location, Buffer.concat([intact.subarray(0, 100), intact.subarray(90)])), "FORMAT_INVALID");
});

test("a page opens only at its own place in its own run", async (context) => {
  const location = temporaryIndex(context);
  const many = madeContainer(location.random, { segments: 800 });
  const first = await writeIndexRun({ ...location, containers: [many] });
  const second = await writeIndexRun({ ...location, containers: [many] });
  const bytes = readFileSync(join(location.directory, first));
  const other = readFileSync(join(location.directory, second));
  const reader = RunReader.open(location, first)!;
  const { start } = reader.section("segments");
  reader.close();
  const pageBytes = 372 * 44 + 16;

  const swapped = Buffer.from(bytes);
  bytes.copy(swapped, start, start + pageBytes, start + 2 * pageBytes);
  bytes.copy(swapped, start + pageBytes, start, start + pageBytes);
  const foreign = Buffer.from(bytes);
  other.copy(foreign, start, start, start + pageBytes);
  for (const changed of [swapped, foreign]) {
    writeFileSync(join(location.directory, "0".repeat(64)), changed);
    for (const name of [first, second]) location.files.remove(join(location.directory, name));
    using index = CentralIndex.open(location);
    assert.throws(() => Array.from({ length: 800 }, (_, i) => index.has(fingerprintOf(many, i))), { code: "SEAL_BROKEN" });
  }
});

test("another key or another repository is told from damage", async (context) => {
  const location = temporaryIndex(context);
  await writeIndexRun({ ...location, containers: [contents] });
  assert.throws(() => CentralIndex.open({ ...location, indexKey: new Uint8Array(32) }), {
    code: "SEAL_BROKEN",
    message: /index key/,
  });
  assert.throws(() => CentralIndex.open({ ...location, repositoryId: new Uint8Array(16) }), {
    code: "FORMAT_INVALID",
    message: new RegExp(`belongs to repository ${hexOf(location.repositoryId)}`),
  });
});

test("merging a damaged run fails, leaves no file behind and removes nothing", async (context) => {
  const location = temporaryIndex(context);
  const one = await writeIndexRun({ ...location, containers: [contents] });
  const name = await writeIndexRun({ ...location, containers: [madeContainer(location.random, { segments: 5 })] });
  const path = join(location.directory, name);
  const reader = RunReader.open(location, name)!;
  const { start } = reader.section("segments");
  reader.close();
  const damaged = readFileSync(path);
  damaged[start + 50]! ^= 1;
  rmSync(path);
  writeFileSync(path, damaged);
  await assert.rejects(mergeRuns({ ...location, runs: [one, name] }), { code: "SEAL_BROKEN" });
  assert.deepEqual(location.files.list(location.directory)?.toSorted(), [one, name].toSorted());
});

test("a damaged run counts while nothing replaces it, and no more as soon as a run does", async (context) => {
  const location = temporaryIndex(context);
  const name = await writeIndexRun({ ...location, containers: [contents], supersedes: ["f0".repeat(32) as RunName] });
  const path = join(location.directory, name);
  const intact = readFileSync(path);
  const damage = (offset: number): void => {
    const damaged = Uint8Array.from(intact);
    damaged[offset]! ^= 1;
    rmSync(path);
    writeFileSync(path, damaged);
  };
  damage(0);
  assert.throws(() => CentralIndex.open(location), { code: "FORMAT_MAGIC" });
  const replacement = await writeIndexRun({ ...location, containers: [contents], supersedes: [name] });
  // After a power failure a run that was removed may be there again.
  for (let offset = 0; offset < intact.length; offset++) {
    damage(offset);
    const { readers, leftovers } = openLiveRuns(location);
    for (const reader of readers) reader.close();
    assert.deepEqual({ live: readers.map((reader) => reader.name), leftovers }, { live: [replacement], leftovers: [name] });
  }
});
