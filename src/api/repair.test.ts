import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import type { BackupReport, RepairReport } from "./types.ts";

// --- a repository worth repairing ------------------------------------------------------------------

/** Bytes that do not compress and do not repeat. */
function noise(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0, x = seed; i + 4 <= length; i += 4)
    bytes.writeUInt32LE((x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0), i);
  return bytes;
}

const FILES = 12;

/** Each backup makes containers of its own, so that damage to one of them can be told from damage to others. */
async function threeBackups(): Promise<{
  readonly t: TemporaryRepository;
  readonly images: readonly string[];
  readonly containers: string[][];
}> {
  const t = await temporaryRepository();
  const images: string[] = [];
  const containers: string[][] = [];
  for (let round = 0; round < 3; round++) {
    const directory = join(t.source, `d${round}`);
    mkdirSync(directory);
    for (let i = 0; i < FILES; i++) writeFileSync(join(directory, `f${i}`), noise(round * 100 + i, 150_000));
    const before = new Set(containersOf(t));
    images.push(idOf(await t.backUp()));
    containers.push(containersOf(t).filter((name) => !before.has(name)));
  }
  return { t, images, containers };
}

function idOf({ imageId }: BackupReport): string {
  assert.ok(imageId !== undefined);
  return imageId;
}

function containersOf({ path }: TemporaryRepository): string[] {
  const directory = join(path, "volumes", "main", "containers");
  return readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name.length > 60);
}

function at({ path }: TemporaryRepository, container: string): string {
  return join(path, "volumes", "main", "containers", container);
}

function kindOf(t: TemporaryRepository, container: string): "data" | "metadata" {
  return readFileSync(at(t, container))[10] === 1 ? "data" : "metadata";
}

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  const position = offset < 0 ? bytes.length + offset : offset;
  bytes[position] = (bytes[position] as number) ^ 0x20;
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

async function contentOf({ repository }: TemporaryRepository, image: string, path: string): Promise<Buffer | string> {
  const pieces: Uint8Array[] = [];
  try {
    for await (const piece of repository.dump(image, path)) pieces.push(piece);
    return Buffer.concat(pieces);
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
}

/** For each image, the files that are not given back as they were. */
async function unreadable(t: TemporaryRepository, images: readonly string[]): Promise<string[][]> {
  const lost: string[][] = [];
  for (const [number, image] of images.entries()) {
    const paths: string[] = [];
    for (let round = 0; round <= number; round++) {
      for (let i = 0; i < FILES; i++) {
        const path = join(t.source, `d${round}`, `f${i}`);
        const content = await contentOf(t, image, path);
        if (typeof content === "string" || !content.equals(noise(round * 100 + i, 150_000))) paths.push(path);
      }
    }
    lost.push(paths.sort());
  }
  return lost;
}

function lossesByImage(report: RepairReport, images: readonly string[]): string[][] {
  return images.map((image) =>
    report.losses
      .filter((loss) => loss.image === image)
      .map(({ path }) => path)
      .sort(),
  );
}

const NOTHING_LOST = [[], [], []];

describe("repair", () => {
  test("changes nothing in a repository that is whole", async () => {
    const { t, images } = await threeBackups();
    await using _ = t;
    const before = containersOf(t);
    const report = await t.repository.repair();
    assert.deepEqual(
      [report.damagedContainers, report.missingContainers, report.damagedRecords, report.lossCount, report.wholeImages],
      [[], [], [], 0, 3],
    );
    assert.deepEqual(containersOf(t), before);
    assert.equal(existsSync(join(t.path, "losses")), false);
    assert.deepEqual(await unreadable(t, images), NOTHING_LOST);
  });

  test("saves the whole blocks of a container in which one is damaged, and names exactly the files that are lost", async () => {
    const { t, images, containers } = await threeBackups();
    await using _ = t;
    const victim = containers[0]?.find((name) => kindOf(t, name) === "data") ?? "";
    const bytes = readFileSync(at(t, victim));
    flip(at(t, victim), 3_000);
    const report = await t.repository.repair();
    const [repaired] = report.damagedContainers;
    assert.equal(report.damagedContainers.length, 1);
    assert.ok((repaired?.savedSegments ?? 0) > 0 && (repaired?.lostSegments ?? 0) > 0, JSON.stringify(repaired));
    assert.equal(existsSync(at(t, victim)), false);
    // Set aside as it was found, never deleted.
    assert.equal(readFileSync(repaired?.setAside ?? "").length, bytes.length);
    const lost = await unreadable(t, images);
    assert.ok((lost[0]?.length ?? 0) > 0 && (lost[0]?.length ?? 0) < FILES);
    assert.deepEqual(lossesByImage(report, images), lost);
    assert.deepEqual(
      (await t.repository.verify({ readData: 1 })).damages.filter(({ what }) => what.startsWith("container")),
      [],
    );
  });
});
