// A disk that begins to fail while a repair is at work: what the system cannot read is not damaged for that, and must not be given up.

import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
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
  const bytes = readFileSync(container);
  bytes[bytes.length - 1]! ^= 1;
  chmodSync(container, 0o600);
  writeFileSync(container, bytes);
  return container;
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

for (const [directory, from] of [
  ["index", "containers"],
  ["volumes/main/containers", "containers"],
  ["volumes/main/containers", "salvage"],
] as const) {
  test(`a repair that cannot read ${directory} any more, from phase ${from} on, moves no container away and can be repeated`, async () => {
    await using t = await temporaryRepository({}, 1);
    const container = await withoutTrailer(t);
    const { code, message, hint = "" } = await refusal(repairWithFailure(t, directory, Infinity, from));
    assert.equal(code, "REPOSITORY_READ_FAILED");
    assert.match(message, /^Cannot repair: /);
    assert.match(hint, /No container was moved/);
    assert.ok(existsSync(container));
    await assertNothingIsLost(t);
  });
}
