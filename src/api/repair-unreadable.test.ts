// A disk that begins to fail while a repair is at work: what the system cannot read is not damaged for that, and must not be given up.

import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { noise } from "../../test/support/noise.ts";
import { refusal } from "../../test/support/refusal.ts";
import { containersOf, kindOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import { unreadableFiles } from "../../test/support/unreadable-files.ts";
import type { RepairReport } from "./types.ts";

const CONTENT = noise(1, 900_000);

/** An image, and the container of its data, which no longer says what it holds: only the index does. */
async function withoutTrailer(t: TemporaryRepository): Promise<string> {
  writeFileSync(join(t.source, "file"), CONTENT);
  await t.backUp();
  const container = containersOf(t).find((path) => kindOf(path) === "data") ?? "";
  flip(container, -1);
  return container;
}

/** A bit of the byte at `offset`, counted from the end when it is negative. */
function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[(offset + bytes.length) % bytes.length]! ^= 1;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

/** Repairs on a disk whose files of this directory cannot be read, so many times, once all containers have been looked at, or from a later moment on. */
async function repairWithFailure(
  t: TemporaryRepository,
  directory: string,
  count: number,
  from: "containers" | "salvage" = "containers",
): Promise<RepairReport> {
  const disk = unreadableFiles();
  const failing = await t.reopen({ files: disk.files });
  try {
    return await failing.repository.repair({
      onProgress: ({ phase, done, total }) => {
        if (phase === from && (phase === "salvage" || done === total))
          disk.begin((path) => path.startsWith(join(t.path, directory)), count);
      },
    });
  } finally {
    assert.ok(disk.failures() > 0, "something could not be read");
    await failing.repository.close();
  }
}

async function assertNothingIsLost(t: TemporaryRepository): Promise<void> {
  await using healthy = await t.reopen();
  const { lossCount, damagedContainers } = await healthy.repository.repair();
  assert.deepEqual([lossCount, damagedContainers.map(({ lostSegments }) => lostSegments)], [0, [0]]);
  const [image] = await healthy.repository.images();
  const pieces: Uint8Array[] = [];
  for await (const piece of healthy.repository.dump(image?.id ?? "", join(t.source, "file"))) pieces.push(piece);
  assert.ok(Buffer.concat(pieces).equals(CONTENT));
  assert.deepEqual((await healthy.repository.verify({ readData: 1 })).damages, []);
}

test("a run of the index that can be read at the second attempt serves the repair", async () => {
  await using t = await temporaryRepository({}, 1);
  await withoutTrailer(t);
  const { lossCount, savedSegments, damagedContainers } = await repairWithFailure(t, "index", 1);
  assert.deepEqual([lossCount, damagedContainers.length, savedSegments > 0], [0, 1, true]);
});

for (const [directory, from, count] of [
  ["index", "containers", Infinity],
  ["volumes/main/containers", "containers", Infinity],
  ["volumes/main/containers", "salvage", Infinity],
  // Both attempts to read the first block; afterwards the disk works again.
  ["volumes/main/containers", "salvage", 2],
] as const) {
  test(`a repair that cannot read ${directory} any more, from phase ${from} on ${count} times, moves no container away and can be repeated`, async () => {
    await using t = await temporaryRepository({}, 1);
    const container = await withoutTrailer(t);
    const { code, message, hint = "" } = await refusal(repairWithFailure(t, directory, count, from));
    assert.equal(code, "REPOSITORY_READ_FAILED");
    assert.match(message, /^Cannot repair: /);
    assert.match(hint, /No container was moved/);
    assert.ok(existsSync(container));
    await assertNothingIsLost(t);
  });
}

test("a repair that cannot read the index when it begins changes nothing", async () => {
  await using t = await temporaryRepository({}, 1);
  await withoutTrailer(t);
  const disk = unreadableFiles();
  const failing = await t.reopen({ files: disk.files });
  disk.begin((path) => path.startsWith(join(t.path, "index")), Infinity);
  const { code, message } = await refusal(failing.repository.repair());
  assert.deepEqual([code, message.startsWith("Cannot repair: the index cannot be read: ")], ["REPOSITORY_READ_FAILED", true]);
  await failing.repository.close();
  await assertNothingIsLost(t);
});

test("a run of the index with another version is damaged like any other: what the others know is saved", async () => {
  await using t = await temporaryRepository({}, 1);
  const runsOf = (): string[] => readdirSync(join(t.path, "index"));
  await withoutTrailer(t);
  const before = runsOf();
  writeFileSync(join(t.source, "another"), noise(2, 200_000));
  await t.backUp();
  const added = runsOf().find((name) => !before.includes(name)) ?? "";
  assert.deepEqual(runsOf().toSorted(), [...before, added].toSorted(), "each backup has a run of its own");
  flip(join(t.path, "index", added), 8);
  await using broken = await t.reopen();
  const { lossCount, damagedContainers, indexProblem } = await broken.repository.repair();
  assert.deepEqual([lossCount, damagedContainers.map(({ isKnown }) => isKnown)], [0, [true]]);
  assert.match(indexProblem ?? "", /version/);
});
