import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { failingFiles } from "../../test/support/failing-files.ts";
import { noise } from "../../test/support/noise.ts";
import { PASSPHRASE, containersOf, kindOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../test/support/temporary-repository.ts";
import { HoldfastError } from "../base/errors.ts";
import { services } from "../main/services.ts";
import type { BackupReport, RepairReport } from "./types.ts";

// --- a repository worth repairing ------------------------------------------------------------------

const FILES = 10;
const FILE_BYTES = 160_000;

interface Made {
  readonly t: TemporaryRepository;
  readonly images: readonly string[];
  /** The containers that each backup has made: data and metadata. */
  readonly data: readonly string[];
  readonly metadata: readonly string[];
}

/** Each backup makes a container of its own, with several blocks, so that damage to one can be told from damage to others. */
async function threeBackups(): Promise<Made> {
  const t = await temporaryRepository({}, 1);
  for (let round = 0; round < 3; round++) {
    mkdirSync(join(t.source, `d${round}`));
    for (let i = 0; i < FILES; i++) writeFileSync(pathOf(t, round, i), noise(round * 100 + i, FILE_BYTES));
  }
  // Times that are too recent prove nothing, and everything would be read again anyway.
  await setTimeout(2_100);
  const [images, data, metadata]: string[][] = [[], [], []];
  for (let round = 0; round < 3; round++) {
    const before = new Set(containersOf(t));
    const exclude = [2, 1].filter((later) => later > round).map((later) => `d${later}`);
    images?.push(idOf(await t.backUp({ exclude, source: "test" })));
    for (const path of containersOf(t)) if (!before.has(path)) (kindOf(path) === "data" ? data : metadata)?.push(path);
  }
  return { t, images: images ?? [], data: data ?? [], metadata: metadata ?? [] };
}

function pathOf({ source }: TemporaryRepository, round: number, i: number): string {
  return join(source, `d${round}`, `f${i}`);
}

function idOf({ imageId }: BackupReport): string {
  assert.ok(imageId !== undefined);
  return imageId;
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
        const content = await contentOf(t, image, pathOf(t, round, i));
        if (typeof content === "string" || !content.equals(noise(round * 100 + i, FILE_BYTES))) paths.push(pathOf(t, round, i));
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

async function damagesOf(t: TemporaryRepository): Promise<readonly string[]> {
  return (await t.repository.verify({ readData: 1 })).damages.map(({ what }) => what);
}

// Every change instead of every fifth: HOLDFAST_TEST_ALL_STEPS=1 node --test src/api/repair.test.ts
const STEP = process.env["HOLDFAST_TEST_ALL_STEPS"] === "1" ? 1 : 5;
const NOTHING_LOST = [[], [], []];

function allOf(t: TemporaryRepository, round: number): string[] {
  return Array.from({ length: FILES }, (_, i) => pathOf(t, round, i)).sort();
}

/** Everything of the repository that is a container or was one, wherever it lies, by name and bytes. */
function allContainers({ path }: TemporaryRepository): Map<string, string> {
  const volume = join(path, "volumes", "main");
  const found = new Map<string, string>();
  for (const entry of readdirSync(volume, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/containers/.test(entry.parentPath) || entry.name.startsWith(".tmp")) continue;
    found.set(
      entry.name,
      createHash("sha256")
        .update(readFileSync(join(entry.parentPath, entry.name)))
        .digest("hex"),
    );
  }
  return found;
}

describe("repair", () => {
  test("changes nothing in a repository that is whole", async () => {
    const { t, images } = await threeBackups();
    await using _ = t;
    const before = containersOf(t);
    const report = await t.repository.repair();
    const { damagedContainers, missingContainers, damagedRecords, lossCount, wholeImages } = report;
    assert.deepEqual([damagedContainers, missingContainers, damagedRecords, lossCount, wholeImages], [[], [], [], 0, 3]);
    assert.deepEqual(containersOf(t), before);
    assert.equal(existsSync(join(t.path, "losses")), false);
    assert.deepEqual(await unreadable(t, images), NOTHING_LOST);
  });

  test("saves the whole blocks of a container in which one is damaged, names exactly the files that are lost, and the next backup heals them", async () => {
    const { t, images, data } = await threeBackups();
    await using _ = t;
    const victim = data[0] ?? "";
    flip(victim, 3_000);
    const before = allContainers(t);
    const report = await t.repository.repair();
    assert.equal(report.damagedContainers.length, 1);
    const [repaired] = report.damagedContainers;
    assert.ok((repaired?.savedSegments ?? 0) > 0 && (repaired?.lostSegments ?? 0) > 0, JSON.stringify(repaired));
    assert.equal(existsSync(victim), false);
    // Set aside as it was found; nothing is deleted.
    const after = allContainers(t);
    for (const [name, hash] of before) assert.equal(after.get(name), hash);

    const lost = await unreadable(t, images);
    assert.ok((lost[0]?.length ?? 0) > 0 && (lost[0]?.length ?? 0) < FILES, JSON.stringify(lost));
    assert.deepEqual(lossesByImage(report, images), lost);
    // What images share is looked at once; which of their pages they share, chance decides.
    const damages = await damagesOf(t);
    assert.equal(damages[0], `image ${images[0]}`);
    assert.deepEqual(
      damages.filter((what) => !images.includes(what.slice("image ".length))),
      [],
    );

    const healing = await t.backUp({ source: "test" });
    // Read although they have not changed, and nothing else is.
    assert.equal(healing.statistics.rescanned, lost[2]?.length);
    assert.equal(healing.statistics.bytesRead, FILE_BYTES * (lost[2]?.length ?? 0));
    assert.deepEqual(await unreadable(t, [...images.slice(0, 2), idOf(healing)]), NOTHING_LOST);
    assert.deepEqual(await damagesOf(t), []);
    const next = await t.backUp({ source: "test" });
    assert.equal(next.statistics.rescanned, 0);
    // A repair that finds everything whole again closes the matter.
    assert.equal((await t.repository.repair()).lossCount, 0);
    assert.deepEqual(existsSync(join(t.path, "losses")) ? readdirSync(join(t.path, "losses")) : [], []);
  });

  test("saves everything of a container whose directory cannot be read, from what the index knows of it", async () => {
    const { t, images, data, metadata } = await threeBackups();
    await using _ = t;
    for (const path of [data[1] ?? "", metadata[1] ?? ""]) flip(path, -100);
    const report = await t.repository.repair();
    assert.deepEqual(
      report.damagedContainers.map(({ isKnown, lostSegments }) => [isKnown, lostSegments]),
      [
        [true, 0],
        [true, 0],
      ],
    );
    assert.equal(report.lossCount, 0);
    assert.deepEqual(await unreadable(t, images), NOTHING_LOST);
    assert.deepEqual(await damagesOf(t), []);
  });

  test("saves what was not cut off, and the next backup brings the rest", async () => {
    const { t, images, data } = await threeBackups();
    await using _ = t;
    chmodSync(data[0] ?? "", 0o600);
    truncateSync(data[0] ?? "", 1_200_000);
    const report = await t.repository.repair();
    const lost = await unreadable(t, images);
    assert.ok((lost[0]?.length ?? 0) > 0 && (lost[0]?.length ?? 0) < FILES, JSON.stringify(lost));
    assert.deepEqual(lossesByImage(report, images), lost);
    await t.backUp({ source: "test" });
    assert.deepEqual(await unreadable(t, images), NOTHING_LOST);
  });

  test("names the files of a container that is gone, and the next backup brings them back", async () => {
    const { t, images, data } = await threeBackups();
    await using _ = t;
    rmSync(data[1] ?? "");
    const report = await t.repository.repair();
    assert.deepEqual(report.missingContainers, [basename(data[1] ?? "")]);
    assert.deepEqual(lossesByImage(report, images), [[], allOf(t, 1), allOf(t, 1)]);
    assert.deepEqual(await unreadable(t, images), [[], allOf(t, 1), allOf(t, 1)]);
    await t.backUp({ source: "test" });
    assert.deepEqual(await unreadable(t, images), NOTHING_LOST);
  });

  test("brings back images whose pages are gone, by the next backup", async () => {
    const { t, images, metadata } = await threeBackups();
    await using _ = t;
    rmSync(metadata[2] ?? "");
    const report = await t.repository.repair();
    assert.equal(report.wholeImages, 2);
    assert.ok(report.losses.every(({ image, kind }) => image === images[2] && kind === "entries"));
    const healing = idOf(await t.backUp({ source: "test" }));
    assert.deepEqual(await unreadable(t, [...images.slice(0, 2), healing]), NOTHING_LOST);
  });

  test("takes what is damaged in one container from another that holds it too", async () => {
    const { t, images, data } = await threeBackups();
    await using _ = t;
    // A second writer that did not know of the first has stored the same again.
    rmSync(join(t.path, "index"), { recursive: true });
    const hidden = join(t.directory, "hidden");
    renameSync(join(t.path, "volumes", "main", "containers"), hidden);
    mkdirSync(join(t.path, "volumes", "main", "containers"));
    await t.backUp({ source: "other" });
    cpSync(hidden, join(t.path, "volumes", "main", "containers"), { recursive: true });
    rmSync(join(t.path, "index"), { recursive: true });
    flip(data[0] ?? "", 3_000);
    const u = await t.reopen();
    const report = await u.repository.repair();
    assert.equal(report.lossCount, 0);
    assert.deepEqual(await unreadable(u, images), NOTHING_LOST);
  });

  test("only looks and tells in a dry run", async () => {
    const { t, images, data } = await threeBackups();
    await using _ = t;
    flip(data[0] ?? "", 3_000);
    rmSync(data[1] ?? "");
    const filesBefore = snapshot(t.path);
    const rehearsal = await t.repository.repair({ dryRun: true });
    assert.deepEqual(snapshot(t.path), filesBefore);
    const report = await t.repository.repair();
    assert.deepEqual(lossesByImage(rehearsal, images), lossesByImage(report, images));
    assert.deepEqual(
      rehearsal.damagedContainers.map((each) => ({ ...each, setAside: undefined })),
      report.damagedContainers.map((each) => ({ ...each, setAside: undefined })),
    );
  });

  test("makes a damaged index anew", async () => {
    const { t, images } = await threeBackups();
    await using _ = t;
    const index = join(t.path, "index");
    for (const name of readdirSync(index)) flip(join(index, name), -10);
    const u = await t.reopen();
    const report = await u.repository.repair();
    assert.match(report.indexProblem ?? "", /index run/);
    assert.equal(report.lossCount, 0);
    assert.deepEqual(await unreadable(u, images), NOTHING_LOST);
  });

  test("takes what is lost from another repository that holds the same files, and changes nothing there", async () => {
    const { t, images, data, metadata } = await threeBackups();
    await using _ = t;
    await using other = await temporaryRepository({}, 1);
    await other.repository.backup({ paths: [t.source] });
    const before = snapshot(other.path);
    flip(data[0] ?? "", 3_000);
    rmSync(data[1] ?? "");
    const from = { repository: other.path, passphrase: () => PASSPHRASE };
    const rehearsal = await t.repository.repair({ from, dryRun: true });
    const report = await t.repository.repair({ from });
    assert.equal(report.lossCount, 0);
    assert.ok(report.takenBytes >= FILES * FILE_BYTES, `${report.takenBytes} bytes taken`);
    assert.deepEqual([rehearsal.lossCount, rehearsal.takenSegments], [0, report.takenSegments]);
    assert.deepEqual(await unreadable(t, images), NOTHING_LOST);
    assert.deepEqual(snapshot(other.path), before);
    assert.equal(metadata.length, 3);
  });

  test("takes lost lists of segments, large attributes and changed files from another repository as far as they agree", async () => {
    await using t = await temporaryRepository({}, 1);
    await using other = await temporaryRepository({}, 1);
    const large = join(t.source, "large");
    const changed = join(t.source, "changed");
    const both = noise(7, 3_000_000);
    writeFileSync(large, both);
    writeFileSync(changed, both.subarray(0, 900_000));
    const image = idOf(await t.backUp());
    await other.repository.backup({ paths: [t.source] });
    writeFileSync(changed, Buffer.concat([both.subarray(0, 450_000), noise(9, 450_000)]));
    const second = await temporaryRepository({}, 1);
    await using __ = second;
    await second.repository.backup({ paths: [t.source] });
    for (const path of containersOf(t)) if (kindOf(path) === "data") rmSync(path);
    // Half of the changed file is found in the second repository, the rest in the other.
    const half = await t.repository.repair({ from: { repository: second.path, passphrase: () => PASSPHRASE } });
    assert.deepEqual(
      half.losses.map(({ path }) => path),
      [changed],
    );
    assert.ok((half.losses[0]?.bytes ?? 0) < 600_000, JSON.stringify(half.losses));
    const all = await t.repository.repair({ from: { repository: other.path, passphrase: () => PASSPHRASE } });
    assert.equal(all.lossCount, 0);
    const restored = await contentOf(t, image, large);
    assert.ok(typeof restored !== "string" && restored.equals(both));
  });

  test("takes pages and segments from a copy of the repository", async () => {
    const { t, images, metadata } = await threeBackups();
    await using _ = t;
    const copy = join(t.directory, "copy");
    cpSync(t.path, copy, { recursive: true });
    for (const path of metadata) rmSync(path);
    const report = await t.repository.repair({ from: { repository: copy, passphrase: () => PASSPHRASE } });
    assert.equal(report.lossCount, 0);
    assert.deepEqual(await unreadable(t, images), NOTHING_LOST);
  });

  test("sets damaged records aside and keeps the rest", async () => {
    const { t, images } = await threeBackups();
    await using _ = t;
    flip(join(t.path, "volumes", "main", "images", images[0] ?? ""), 200);
    const [trail = ""] = readdirSync(join(t.path, "trails"));
    flip(join(t.path, "trails", trail), 100);
    const key = await t.repository.addKeySlot("another passphrase", "other");
    flip(join(t.path, "keys", key.id), 150);
    const u = await t.reopen();
    const report = await u.repository.repair();
    assert.deepEqual(
      report.damagedRecords.map(({ what, setAside }) => [what, existsSync(setAside ?? "")]),
      [
        [`images/${images[0]}`, true],
        [`keys/${key.id}`, true],
        [`trails/${trail}`, true],
      ],
    );
    assert.deepEqual(readdirSync(join(t.path, "trails")).length, 1);
    const again = await u.reopen();
    assert.deepEqual(again.repository.problems, []);
    assert.deepEqual((await again.repository.images()).map(({ id }) => id).toSorted(), images.slice(1).toSorted());
    await again.repository.close();
  });

  test("sets aside the records of a collection that cannot be read, and no temporary file, which would never be removed there", async () => {
    await using t = await temporaryRepository();
    await t.backUp();
    const [record, left] = ["collections/00000001-condemned", `collections/.tmp-${"ab".repeat(8)}-0011223344556677`];
    for (const name of [record, left]) writeFileSync(join(t.path, name), "no record");
    const found = (await t.repository.repair({ dryRun: true })).damagedRecords.map(({ what }) => what);
    const { damagedRecords } = await t.repository.repair();
    assert.deepEqual({ found, mended: damagedRecords.map(({ what }) => what) }, { found: [record], mended: [record] });
    assert.deepEqual(readdirSync(join(t.path, "damaged/collections")), ["00000001-condemned"]);
    assert.deepEqual(readdirSync(join(t.path, "collections")), []);
    await t.backUp();
  });
});

describe("after a repair", () => {
  test("no backup builds on a checkpoint that leaned on what is lost", async () => {
    await using t = await temporaryRepository({}, 1);
    for (let d = 10; d < 90; d++) {
      mkdirSync(join(t.source, `d${d}`));
      for (let i = 0; i < 100; i++) writeFileSync(join(t.source, `d${d}`, `f${i}`), noise(d * 100 + i, 2_000));
    }
    await setTimeout(2_100);
    const checkpoints = join(t.path, "volumes", "main", "checkpoints");
    const controller = new AbortController();
    const onProgress = (): void => {
      if (readdirSync(checkpoints).length > 0) controller.abort();
    };
    await assert.rejects(t.backUp({ checkpointBytes: 1_000_000, signal: controller.signal, onProgress }), {
      code: "INTERRUPTED",
    });
    assert.equal(readdirSync(checkpoints).length, 1);
    const victim = containersOf(t).find((path) => kindOf(path) === "data");
    rmSync(victim ?? "");
    const u = await t.reopen();
    assert.equal((await u.repository.repair()).missingContainers.length, 1);
    assert.deepEqual(readdirSync(checkpoints), []);
    assert.equal((await u.repository.prune()).outcome === "waiting", false);
    await u.backUp();
    assert.deepEqual(await damagesOf(u), []);
    await u.repository.close();
  });

  test("a record that was set aside and is brought back is looked at before anything builds on it", async () => {
    const { t, images, data } = await threeBackups();
    await using _ = t;
    const record = join(t.path, "volumes", "main", "images", images[2] ?? "");
    const good = readFileSync(record);
    flip(record, 200);
    rmSync(data[2] ?? "");
    await t.repository.repair();
    writeFileSync(record, good);
    const u = await t.reopen();
    const next = await u.backUp({ source: "test" });
    assert.deepEqual(await unreadable(u, [...images.slice(0, 2), idOf(next)]), NOTHING_LOST);
    await u.repository.close();
  });
});

describe("without a repair", () => {
  test("a backup that was cut off after it found containers missing leaves nothing to be believed", async () => {
    const { t, images, data } = await threeBackups();
    await using _ = t;
    rmSync(data[0] ?? "");
    const controller = new AbortController();
    const stopped = t.backUp({ source: "test", signal: controller.signal, onProgress: () => controller.abort() });
    await assert.rejects(stopped, { code: "INTERRUPTED" });
    const next = idOf(await t.backUp({ source: "test" }));
    assert.deepEqual(await unreadable(t, [...images.slice(0, 2), next]), NOTHING_LOST);
  });

  test("a backup after an index was made anew without a damaged container reads what that held", async () => {
    const { t, images, data } = await threeBackups();
    await using _ = t;
    flip(data[1] ?? "", -100);
    assert.equal((await t.repository.rebuildIndex()).damaged.length, 1);
    const next = await t.backUp({ source: "test" });
    assert.equal(next.statistics.rescanned, FILES);
    assert.deepEqual(await unreadable(t, [...images.slice(0, 2), idOf(next)]), NOTHING_LOST);
  });
});

function snapshot(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("catalog"))
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return `${path} ${createHash("sha256").update(readFileSync(path)).digest("hex")}`;
    })
    .sort();
}

describe("a repair that is cut off", () => {
  test("at any of its changes leaves what could be read readable, and can be repeated", async () => {
    const { t, images, data } = await threeBackups();
    await using _ = t;
    flip(data[0] ?? "", 3_000);
    flip(data[1] ?? "", -100);
    rmSync(data[2] ?? "");
    await t.repository.close();
    const kept = join(t.directory, "kept");
    cpSync(t.path, kept, { recursive: true });
    const originals = allContainers(t);

    let expected: string[][] | undefined;
    let steps = 0;
    for (let atCall = 1; ; atCall += STEP) {
      rmSync(t.path, { recursive: true });
      cpSync(kept, t.path, { recursive: true });
      const fault = failingFiles(atCall);
      const broken = await t.reopen({ files: fault.files });
      const outcome = await broken.repository.repair().then(
        () => "done",
        (error: unknown) => (error instanceof HoldfastError ? "failed" : Promise.reject(error as Error)),
      );
      await broken.repository.close();
      if (!fault.hasFailed()) break;
      steps++;
      const u = await t.reopen({ files: services().files });
      expected ??= await unreadable(u, images);
      assert.deepEqual(await unreadable(u, images), expected, `after call ${atCall}, ${outcome}`);
      const after = allContainers(u);
      for (const [name, hash] of originals) assert.equal(after.get(name), hash, `container ${name} after call ${atCall}`);
      const report = await u.repository.repair();
      assert.deepEqual(lossesByImage(report, images), expected, `after call ${atCall}`);
      await u.backUp({ source: "test" });
      assert.deepEqual(await unreadable(u, images), NOTHING_LOST, `after call ${atCall}`);
      await u.repository.close();
    }
    assert.ok(steps * STEP > 40, `${steps} steps`);
  });
});
