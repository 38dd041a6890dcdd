import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../engine/testing.ts";
import { coded, publishContainer, pattern } from "../media/volume.contract.ts";
import { temporaryNames } from "../media/media.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import type { Survival } from "../platform/simulated-files.ts";
import { REPOSITORY_PATH as PATH, failingEachCall, makeRepository, openWith } from "./testing.ts";

function write(disk: SimulatedFiles, path: string, text: string): void {
  disk.makeDirectory(path.slice(0, path.lastIndexOf("/")));
  const file = disk.create(path);
  file.write(Buffer.from(text), 0);
}

test("a new repository opens with its passphrase and is empty", async () => {
  const disk = new SimulatedFiles();
  const created = await makeRepository(disk);
  const opened = await openWith(disk, "correct");
  assert.deepEqual(opened.id, created.id);
  assert.deepEqual(opened.problems, []);
  assert.equal(opened.volumes.length, 1);
  assert.equal(opened.defaultVolume, opened.volumes[0]);
  assert.deepEqual(
    opened.trails.map(({ name, generation, volumes }) => ({ name, generation, volumes })),
    [{ name: "main", generation: 1, volumes: [opened.defaultVolume.id] }],
  );
  assert.deepEqual(await opened.defaultVolume.listContainers(), []);
  assert.equal(opened.unlocked.slotId, created.keySlotId);
});

test("two repositories share no key, identifier or volume", async () => {
  const [a, b] = [new SimulatedFiles(), new SimulatedFiles()];
  await makeRepository(a, "same", "a");
  await makeRepository(b, "same", "b");
  const [first, second] = [await openWith(a, "same"), await openWith(b, "same")];
  assert.notDeepEqual(first.id, second.id);
  assert.notDeepEqual(first.keyRing.toData(), second.keyRing.toData());
  assert.notEqual(first.defaultVolume.id, second.defaultVolume.id);
});

test("a directory that is a repository already is refused and left as it is", async () => {
  const disk = new SimulatedFiles();
  await makeRepository(disk);
  const before = disk.contents();
  await assert.rejects(makeRepository(disk, "other", "other"), coded("REPOSITORY_EXISTS"));
  assert.deepEqual(disk.contents(), before);
});

test("a directory with other things, or a file, is refused and left as it is", async () => {
  for (const path of ["notes.txt", "keys/id_ed25519", "keys/0123456789abcdef", "volumes/data/x", "index/a", "sessions/b"]) {
    const disk = new SimulatedFiles();
    write(disk, `${PATH}/${path}`, "precious");
    const before = disk.contents();
    await assert.rejects(makeRepository(disk), coded("TARGET_CONFLICT"), path);
    assert.deepEqual(disk.contents(), before, path);
  }
  const disk = new SimulatedFiles();
  write(disk, PATH, "a file");
  await assert.rejects(makeRepository(disk), coded("TARGET_CONFLICT"));
});

test("a repository that lost its record is not overwritten once it holds data", async () => {
  const disk = new SimulatedFiles();
  await makeRepository(disk);
  const volume = (await openWith(disk, "correct")).defaultVolume.writable(temporaryNames("00", seededRandom(1)));
  await publishContainer(volume, pattern(10));
  disk.remove(`${PATH}/repository`);
  const before = disk.contents();
  await assert.rejects(makeRepository(disk, "other", "other"), coded("TARGET_CONFLICT"));
  assert.deepEqual(disk.contents(), before);
});

test("the directory lost+found of a fresh file system does not matter", async () => {
  const disk = new SimulatedFiles();
  disk.makeDirectory(`${PATH}/lost+found`);
  await makeRepository(disk);
  await openWith(disk, "correct");
});

test("an empty passphrase is refused before anything is written", async () => {
  const disk = new SimulatedFiles();
  await assert.rejects(makeRepository(disk, ""), coded("USAGE"));
  assert.equal(disk.calls, 0);
});

test("cut off or failing at any call, with any survival of a power loss, there is a whole repository or none, and the next attempt works", async () => {
  let whole = 0;
  let none = 0;
  for (const kind of ["once", "for good"] as const) {
    const runs = await failingEachCall(async (atCall) => {
      const disk = new SimulatedFiles({ fault: { atCall, kind } });
      const outcome = await makeRepository(disk, "first", `first ${atCall}`).then(
        () => "completed",
        () => "failed",
      );
      for (const survival of ["nothing", "names", "everything"] as Survival[]) {
        const left = disk.afterPowerLoss(survival);
        const opened = await openWith(left, "first").then(
          (repository) => repository,
          (error: unknown) => {
            assert.ok(meansNone(error), String(error));
            return undefined;
          },
        );
        if (opened === undefined) {
          assert.equal(outcome, "failed", "an acknowledged repository is there");
          none += 1;
          await makeRepository(left, "second", `second ${atCall}`);
          assert.deepEqual((await openWith(left, "second")).problems, []);
          assert.deepEqual(
            [...left.contents().keys()].filter((path) => path.includes("/.tmp-")),
            [],
          );
        } else {
          assert.deepEqual(opened.problems, []);
          whole += 1;
        }
      }
      return disk;
    });
    assert.ok(runs > 40, `${runs} runs`);
  }
  assert.ok(whole >= 6 && none > 200, `${whole} whole, ${none} none`);
});

/** What opening may say where no repository was completed. */
function meansNone(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "REPOSITORY_MISSING" || error.code === "REPOSITORY_NOT_RECOGNISED")
  );
}
