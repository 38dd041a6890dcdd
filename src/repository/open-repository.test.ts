import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { refusal } from "../../test/support/refusal.ts";
import { hexOf, viewOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { seededRandom } from "../engine/testing.ts";
import { temporaryNames } from "../media/media.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import { coded } from "../media/volume.contract.ts";
import { nodeFiles } from "../platform/node-files.ts";
import { nodeHost } from "../platform/node-host.ts";
import { systemClock } from "../platform/system-clock.ts";
import { systemRandom } from "../platform/system-random.ts";
import { createRepository } from "./create-repository.ts";
import { listImages, publishImage } from "./images.ts";
import { changePassphrase } from "./key-slots.ts";
import { openRepository } from "./open-repository.ts";
import { startSession } from "./sessions.ts";
import { REPOSITORY_PATH as PATH, WEAK_KDF, imageRecord, makeRepository, openWith } from "./testing.ts";
import { publishTrail } from "./trails.ts";

async function made(): Promise<SimulatedFiles> {
  const disk = new SimulatedFiles();
  await makeRepository(disk);
  return disk;
}

function only(disk: SimulatedFiles, directory: string): string {
  const names = disk.list(`${PATH}/${directory}`) ?? [];
  assert.equal(names.length, 1);
  return `${PATH}/${directory}/${names[0]}`;
}

/** Changes bytes of a framed file and makes its checksum right again, as a newer program would. */
function reframed(change: (bytes: Uint8Array) => void): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => {
    change(bytes);
    viewOf(bytes).setUint32(bytes.length - 4, crc32(bytes.subarray(0, -4)), true);
    return bytes;
  };
}

async function messageWhenOpened(disk: SimulatedFiles): Promise<string> {
  const error = await refusal(openWith(disk, "correct"));
  assert.ok(coded("REPOSITORY_NOT_RECOGNISED")(error));
  return error.message;
}

test("a path where nothing is says REPOSITORY_MISSING, and no passphrase is asked for", async () => {
  await assert.rejects(openWith(new SimulatedFiles(), "x"), coded("REPOSITORY_MISSING"));
});

test("what is not a repository is refused with what was found", async () => {
  const disk = (...paths: readonly string[]): SimulatedFiles => {
    const filled = new SimulatedFiles();
    filled.makeDirectory(PATH);
    for (const path of paths) filled.create(`${PATH}/${path}`).write(Buffer.from("something longer than eight bytes"), 0);
    return filled;
  };
  const file = new SimulatedFiles();
  file.makeDirectory("/backups");
  file.create(PATH);
  assert.match(await messageWhenOpened(file), /not a directory/);
  assert.match(await messageWhenOpened(disk()), /empty/);
  assert.match(await messageWhenOpened(disk("a", "b", "c", "d", "e")), /holds "a", "b", "c" and 2 more/);
  assert.match(await messageWhenOpened(disk("config", "data", "index", "keys", "locks", "snapshots")), /restic/);
  assert.match(await messageWhenOpened(disk("config", "data", "README")), /borg/);
  assert.match(await messageWhenOpened(disk("repository")), /something else/);
  const lost = await made();
  lost.remove(`${PATH}/repository`);
  assert.match(await messageWhenOpened(lost), /"repository" is missing/);
});

test("a newer format and reserved bytes in use say REPOSITORY_TOO_NEW", async () => {
  for (const offset of [8, 10, 40]) {
    const disk = await made();
    disk.tamper(
      `${PATH}/repository`,
      reframed((bytes) => bytes.fill(2, offset, offset + 1)),
    );
    await assert.rejects(openWith(disk, "correct"), coded("REPOSITORY_TOO_NEW"), `offset ${offset}`);
  }
});

test("every truncation and every flipped bit of the repository record is a typed error", async () => {
  const disk = await made();
  const path = `${PATH}/repository`;
  const bytes = disk.read(path, 100) ?? new Uint8Array();
  for (let length = 0; length < bytes.length; length++) {
    disk.tamper(path, () => bytes.subarray(0, length));
    await assert.rejects(openWith(disk, "correct"), coded("REPOSITORY_DAMAGED"), `${length} bytes`);
  }
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    disk.tamper(path, () => flipped(bytes, bit));
    // Another beginning is another kind of file.
    await assert.rejects(
      openWith(disk, "correct"),
      coded(bit < 64 ? "REPOSITORY_NOT_RECOGNISED" : "REPOSITORY_DAMAGED"),
      `bit ${bit}`,
    );
  }
});

test("a wrong passphrase says so", async () => {
  await assert.rejects(openWith(await made(), "wrong"), coded("WRONG_PASSPHRASE"));
});

test("every truncation and every flipped bit of the volume label is a typed error", async () => {
  const disk = await made();
  const path = `${PATH}/volumes/main/label`;
  const bytes = disk.read(path, 1_000) ?? new Uint8Array();
  const changed = [
    ...Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length)),
    ...Array.from({ length: bytes.length * 8 }, (_, bit) => flipped(bytes, bit)),
    Buffer.concat([bytes, Buffer.from([0])]),
  ];
  for (const damaged of changed) {
    disk.tamper(path, () => damaged);
    await assert.rejects(openWith(disk, "correct"), (error: unknown) => {
      return error instanceof HoldfastError && /^FORMAT_(TRUNCATED|CHECKSUM|MAGIC|INVALID)$/.test(error.code);
    });
  }
});

test("another repository's volume and a missing one are told apart", async () => {
  const disk = await made();
  const other = new SimulatedFiles();
  await makeRepository(other, "correct", "other");
  const label = other.read(`${PATH}/volumes/main/label`, 1_000) ?? new Uint8Array();
  disk.tamper(`${PATH}/volumes/main/label`, () => label);
  await assert.rejects(openWith(disk, "correct"), coded("VOLUME_LABEL_MISMATCH"));
  disk.remove(`${PATH}/volumes/main/label`);
  await assert.rejects(openWith(disk, "correct"), coded("VOLUME_UNAVAILABLE"));
});

test("the highest generation of a trail holds, and a damaged one is reported", async () => {
  const disk = await made();
  const { layout, keyRing, trails, defaultVolume } = await openWith(disk, "correct");
  const [trail] = trails;
  assert.ok(trail);
  const place = { files: disk, layout, keyRing, random: seededRandom(5), temporaryNames: temporaryNames("00", seededRandom(6)) };
  const next = { ...trail, generation: 2, name: "renamed", volumes: [defaultVolume.id, "00".repeat(16)] };
  assert.equal(await publishTrail(place, next), true);
  assert.equal(await publishTrail(place, { ...next, name: "another" }), false);
  assert.deepEqual((await openWith(disk, "correct")).trails, [next]);

  const path = `${layout.trails}/${trail.trail}.2`;
  const bytes = disk.read(path, 10_000) ?? new Uint8Array();
  for (let bit = 0; bit < bytes.length * 8; bit += 7) {
    disk.tamper(path, () => flipped(bytes, bit));
    const opened = await openWith(disk, "correct");
    assert.deepEqual(opened.trails, [trail]);
    assert.equal(opened.problems.length, 1);
    assert.match(opened.problems[0]?.message ?? "", new RegExp(hexOf(Buffer.from(trail.trail, "hex"))));
  }
});

test("a repository whose trail record is damaged still opens for reading, with the damage reported", async () => {
  const disk = await made();
  disk.tamper(only(disk, "trails"), (bytes) => bytes.subarray(0, 50));
  const opened = await openWith(disk, "correct");
  assert.deepEqual(opened.trails, []);
  assert.equal(opened.defaultVolume.name, "main");
  assert.deepEqual(
    opened.problems.map((problem) => problem.code),
    ["FORMAT_TRUNCATED"],
  );
});

test("a trail record under another name is refused", async () => {
  const disk = await made();
  const path = only(disk, "trails");
  disk.rename(path, path.replace(/1$/, "9"));
  const opened = await openWith(disk, "correct");
  assert.deepEqual(
    opened.problems.map((problem) => problem.code),
    ["REPOSITORY_DAMAGED"],
  );
});

test("a repository on a real disk is made, opened, written to and cleared like one on a simulated disk", async () => {
  const root = mkdtempSync(join(tmpdir(), "holdfast-repository-"));
  try {
    const path = join(root, "new", "repository");
    const files = nodeFiles();
    const options = { files, clock: systemClock, random: systemRandom, path, kdf: WEAK_KDF };
    await createRepository({ ...options, passphrase: "correct" });
    await assert.rejects(createRepository({ ...options, passphrase: "other" }), coded("REPOSITORY_EXISTS"));
    const opened = await openRepository({ files, path, passphrase: () => Promise.resolve("correct") });
    const session = await startSession({
      files,
      layout: opened.layout,
      host: nodeHost(),
      clock: systemClock,
      random: systemRandom,
    });
    const volume = opened.defaultVolume.writable(session.temporaryNames);
    const image = await publishImage({ volume, keyRing: opened.keyRing, random: systemRandom }, imageRecord());
    await changePassphrase(
      { files, layout: opened.layout, repositoryId: opened.id },
      { ...options, passphrase: "changed", unlocked: opened.unlocked, temporaryNames: session.temporaryNames },
    );
    session.close();
    await assert.rejects(openRepository({ files, path, passphrase: () => "correct" }), coded("WRONG_PASSPHRASE"));
    const reopened = await openRepository({ files, path: `${path}/`, passphrase: () => "changed" });
    assert.deepEqual(await listImages(reopened), { images: [image], damaged: [] });
    const left = readdirSync(path, { recursive: true, encoding: "utf8" }).filter(
      (name) => name.includes(".tmp-") || name.includes(".removing"),
    );
    assert.deepEqual(left, []);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("opening writes nothing", async () => {
  const disk = (await made()).afterPowerLoss("everything", { atCall: 1, kind: "for good" });
  await openWith(disk, "correct");
  await assert.rejects(openWith(disk, "wrong"));
  assert.equal(disk.calls, 0);
});

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = bytes.slice();
  changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return changed;
}
