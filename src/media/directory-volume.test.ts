import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync, chmodSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { seededRandom } from "../engine/testing.ts";
import type { Files } from "../platform/files.ts";
import { nodeFiles } from "../platform/node-files.ts";
import { createDirectoryVolume, openDirectoryVolume } from "./directory-volume.ts";
import type { DirectoryVolume } from "./directory-volume.ts";
import { temporaryNames } from "./publish.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import type { Survival } from "../platform/simulated-files.ts";
import type { VolumeId } from "./volume.ts";
import { coded, describeVolumeContract, nameOf, pattern, publishContainer } from "./volume.contract.ts";

const root = mkdtempSync(join(tmpdir(), "holdfast-volume-"));
after(() => rmSync(root, { recursive: true }));
let counter = 0;

const REPOSITORY = pattern(16, 1);
const ID = pattern(16, 2);

async function makeVolume(files: Files, path: string): Promise<DirectoryVolume> {
  const names = temporaryNames("0011223344556677", seededRandom(path));
  const options = { files, path, id: ID, repositoryId: REPOSITORY, createdAtMs: 1_000, name: "main", temporaryNames: names };
  assert.equal(await createDirectoryVolume(options), true);
  return openDirectoryVolume({ files, path, repositoryId: REPOSITORY, temporaryNames: names });
}

function newPath(): string {
  return join(root, `volume ${counter++}`);
}

describeVolumeContract("directory volume", () => makeVolume(nodeFiles(), newPath()));
describeVolumeContract("directory volume on a simulated disk", () => makeVolume(new SimulatedFiles(), "/volume"));

test("containers lie in directories by their first two digits, read-only, and no temporary file stays", async () => {
  const path = newPath();
  const volume = await makeVolume(nodeFiles(), path);
  const name = await publishContainer(volume, pattern(100));
  const file = join(path, "containers", name.slice(0, 2), name);
  assert.equal(statSync(file).mode & 0o222, 0);
  assert.deepEqual(readdirSync(join(path, "containers")), [name.slice(0, 2)]);
  assert.deepEqual(readdirSync(path).toSorted(), ["annotations", "checkpoints", "containers", "images", "label"]);
});

test("opening reads the label, writes nothing, and tells a wrong, a missing and a damaged one apart", async () => {
  const files = nodeFiles();
  const path = newPath();
  const volume = await makeVolume(files, path);
  assert.equal(volume.id, Buffer.from(ID).toString("hex"));
  assert.equal(volume.name, "main");
  const open = (repositoryId: Uint8Array, id?: VolumeId): unknown =>
    openDirectoryVolume({ files, path, repositoryId, ...(id === undefined ? {} : { id }) });
  assert.throws(() => open(pattern(16, 9)), coded("VOLUME_LABEL_MISMATCH"));
  assert.throws(() => open(REPOSITORY, "00".repeat(16) as VolumeId), coded("VOLUME_LABEL_MISMATCH"));
  assert.throws(
    () => openDirectoryVolume({ files, path: `${path} gone`, repositoryId: REPOSITORY }),
    coded("VOLUME_UNAVAILABLE"),
  );
  chmodSync(join(path, "label"), 0o600);
  truncateSync(join(path, "label"), 100);
  assert.throws(() => open(REPOSITORY), coded("FORMAT_TRUNCATED"));
});

test("a volume that has a label already is not labelled again", async () => {
  const files = nodeFiles();
  const path = newPath();
  await makeVolume(files, path);
  const names = temporaryNames("00", seededRandom(2));
  const again = { files, path, id: pattern(16, 7), repositoryId: REPOSITORY, createdAtMs: 2, name: "x", temporaryNames: names };
  assert.equal(await createDirectoryVolume(again), false);
  assert.equal(openDirectoryVolume({ files, path, repositoryId: REPOSITORY }).name, "main");
});

test("a record whose bytes have changed is refused, by name", async () => {
  const disk = new SimulatedFiles();
  const volume = await makeVolume(disk, "/volume");
  const name = await volume.publishRecord("images", pattern(100));
  disk.tamper(`/volume/images/${name}`, (bytes) => bytes.fill(0, 50, 51));
  await assert.rejects(
    volume.readRecord("images", name),
    (error: Error) => error.message.includes(name) && coded("REPOSITORY_DAMAGED")(error),
  );
});

test("a container of the right name and the wrong size is replaced by the right one", async () => {
  const disk = new SimulatedFiles();
  const volume = await makeVolume(disk, "/volume");
  const name = await publishContainer(volume, pattern(100));
  disk.tamper(`/volume/containers/${name.slice(0, 2)}/${name}`, (bytes) => bytes.subarray(0, 40));
  await publishContainer(volume, pattern(100));
  assert.deepEqual(await volume.readContainer(name, 0, 100), pattern(100));
});

test("foreign files on a volume are not taken for containers or records", async () => {
  const path = newPath();
  const volume = await makeVolume(nodeFiles(), path);
  writeFileSync(join(path, "containers", "README"), "");
  writeFileSync(join(path, "images", ".tmp-00-00"), "");
  mkdirSync(join(path, "containers", "ab"));
  writeFileSync(join(path, "containers", "ab", nameOf(pattern(1)).replace(/^../, "cd")), "");
  assert.deepEqual(await volume.listContainers(), []);
  assert.deepEqual(await volume.listRecords("images"), []);
});

test("a missing directory is an error and not an empty list", async () => {
  const path = newPath();
  const volume = await makeVolume(nodeFiles(), path);
  rmSync(join(path, "containers"), { recursive: true });
  rmSync(join(path, "images"), { recursive: true });
  await assert.rejects(volume.listContainers(), coded("REPOSITORY_DAMAGED"));
  await assert.rejects(volume.listRecords("images"), coded("REPOSITORY_DAMAGED"));
});

test("a volume opened for reading refuses to write", async () => {
  const files = nodeFiles();
  const path = newPath();
  await makeVolume(files, path);
  const volume = openDirectoryVolume({ files, path, repositoryId: REPOSITORY });
  assert.throws(() => volume.createContainer(), /within a session/);
  await assert.rejects(volume.publishRecord("images", pattern(1)), /within a session/);
});

test("whatever call fails, and whatever the power loss leaves, a container or record is complete or absent, and acknowledged ones are there", async () => {
  const bytes = pattern(300);
  const work = async (volume: DirectoryVolume, acknowledged: string[]): Promise<void> => {
    acknowledged.push(await publishContainer(volume, bytes));
    acknowledged.push(await volume.publishRecord("images", bytes));
  };
  const made = new SimulatedFiles();
  await makeVolume(made, "/volume");
  let states = 0;
  for (const kind of ["once", "for good"] as const) {
    for (let atCall = 1, completed = false; !completed; atCall++) {
      const disk = made.afterPowerLoss("nothing", { atCall, kind });
      const names = temporaryNames("8899aabbccddeeff", seededRandom(atCall));
      const volume = openDirectoryVolume({ files: disk, path: "/volume", repositoryId: REPOSITORY, temporaryNames: names });
      const acknowledged: string[] = [];
      completed = await work(volume, acknowledged).then(
        () => true,
        () => false,
      );
      for (const survival of ["nothing", "names", "everything"] as Survival[]) {
        const found = openDirectoryVolume({ files: disk.afterPowerLoss(survival), path: "/volume", repositoryId: REPOSITORY });
        const containers = await found.listContainers();
        const records = await found.listRecords("images");
        assert.deepEqual([...containers, ...records].slice(0, acknowledged.length), acknowledged);
        for (const name of containers) assert.deepEqual(await found.readContainer(name, 0, 300), bytes);
        for (const name of records) assert.deepEqual(await found.readRecord("images", name), bytes);
        states += 1;
      }
    }
  }
  assert.ok(states >= 50, `${states} states`);
});
