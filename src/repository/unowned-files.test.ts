import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "../engine/testing.ts";
import { publishByContent, temporaryNames } from "../media/media.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import { repositoryLayout } from "./layout.ts";
import { clearDeadSessions, startSession } from "./sessions.ts";
import { REPOSITORY_PATH, makeRepository, testHost, tickingClock } from "./testing.ts";
import { clearUnownedFiles } from "./unowned-files.ts";

const layout = repositoryLayout(REPOSITORY_PATH);
const random = seededRandom("unowned files");

function temporary(files: SimulatedFiles): string[] {
  return [...files.contents().keys()].filter((path) => path.includes("/.tmp-"));
}

async function start(files: SimulatedFiles, processId: number) {
  return startSession({ files, layout, host: testHost({ processId }), clock: tickingClock(), random });
}

test("temporary files that a power failure brought back after their session had ended are removed", async () => {
  const files = new SimulatedFiles();
  await makeRepository(files);
  const session = await start(files, 7);
  const directory = `${layout.mainVolume}/images`;
  files.create(`${directory}/${session.temporaryNames()}`).close();
  files.syncDirectory(directory);
  session.close();
  // That the file is gone is known before that it was removed.
  files.syncDirectory(layout.sessions);

  const left = files.afterPowerLoss("nothing");
  const place = { files: left, layout };
  assert.equal(clearDeadSessions(place, testHost({ isAlive: () => false })).sessions, 0);
  assert.equal(temporary(left).filter((path) => path.startsWith(directory)).length, 1);
  clearUnownedFiles(place);
  assert.deepEqual(temporary(left), []);
  assert.equal(clearUnownedFiles(place), 0);
});

test("those that making the repository left behind are removed, and nothing else changes", async () => {
  const files = new SimulatedFiles();
  await makeRepository(files);
  const left = files.afterPowerLoss("nothing");
  const count = temporary(left).length;
  assert.ok(count > 0);
  assert.equal(clearUnownedFiles({ files: left, layout }), count);
  assert.deepEqual(temporary(left), []);
  assert.deepEqual(left.contents(), files.contents());
});

test("those of registered sessions stay, of other machines too, and so do registrations under way", async () => {
  const files = new SimulatedFiles();
  await makeRepository(files);
  const sessions = [await start(files, 7), await start(files, 8)];
  for (const { temporaryNames: names } of sessions) files.create(`${layout.index}/${names()}`).close();
  files.create(`${layout.sessions}/.tmp-${"0".repeat(16)}-01234567-9`).close();
  const names = temporaryNames(sessions[0]?.id ?? "", random);
  await publishByContent({ files, directory: layout.index, name: "published", temporaryNames: names }, random.bytes(10));
  const before = files.contents();
  assert.equal(clearUnownedFiles({ files, layout }), 0);
  assert.deepEqual(files.contents(), before);
});
