import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { seededRandom } from "../engine/testing.ts";
import { temporaryNames } from "../media/media.ts";
import { SimulatedFiles } from "../platform/simulated-files.ts";
import type { Host } from "../platform/host.ts";
import { repositoryLayout } from "./layout.ts";
import type { RepositoryLayout } from "./layout.ts";
import { clearDeadSessions, endSession, endSessionsOf, listSessions, startSession } from "./sessions.ts";
import type { Session } from "./sessions.ts";
import { REPOSITORY_PATH, makeRepository, openWith, testHost, tickingClock } from "./testing.ts";

const clock = tickingClock();

interface Place {
  readonly files: SimulatedFiles;
  readonly layout: RepositoryLayout;
}

async function place(): Promise<Place> {
  const files = new SimulatedFiles();
  await makeRepository(files);
  return { files, layout: repositoryLayout(REPOSITORY_PATH) };
}

let seed = 0;
function start(where: Place, host: Host = testHost()): Promise<Session> {
  return startSession({ ...where, host, clock, random: seededRandom(`session ${seed++}`) });
}

/** Temporary files in every directory where a writer may leave some. */
function leaveFiles({ files, layout }: Place, session: Session): readonly string[] {
  const main = layout.mainVolume;
  const directories = [layout.keys, layout.trails, layout.index, layout.sessions, main];
  for (const area of ["containers", "images", "annotations", "checkpoints"]) directories.push(`${main}/${area}`);
  return directories.map((directory) => {
    const path = `${directory}/${session.temporaryNames()}`;
    files.create(path).write(new Uint8Array(100), 0);
    return path;
  });
}

function present({ files }: Place, paths: readonly string[]): number {
  return paths.filter((path) => files.information(path) !== undefined).length;
}

const dead = testHost({ isAlive: () => false });

test("a session that is closed leaves nothing behind", async () => {
  const where = await place();
  const before = where.files.contents();
  const session = await start(where);
  assert.equal(listSessions(where, testHost()).sessions.length, 1);
  const paths = leaveFiles(where, session);
  session.close();
  session.close();
  assert.equal(present(where, paths), 0);
  assert.deepEqual(where.files.contents(), before);
});

test("temporary files of a dead writer are removed, in every directory, and the repository is as before", async () => {
  const where = await place();
  const before = where.files.contents();
  const paths = leaveFiles(where, await start(where));
  assert.deepEqual(clearDeadSessions(where, dead), { sessions: 1, files: paths.length, bytes: 100 * paths.length });
  assert.deepEqual(where.files.contents(), before);
  assert.deepEqual(clearDeadSessions(where, dead), { sessions: 0, files: 0, bytes: 0 });
});

test("a writer of an earlier start of the machine is dead, whatever its number means now", async () => {
  const where = await place();
  const paths = leaveFiles(where, await start(where, testHost({ bootId: "boot-0" })));
  clearDeadSessions(where, testHost());
  assert.equal(present(where, paths), 0);
});

test("temporary files of living writers and of other machines stay", async () => {
  const where = await place();
  const living = leaveFiles(where, await start(where));
  const elsewhere = leaveFiles(where, await start(where, testHost({ name: "another", bootId: "boot-9" })));
  const unregistered = `${where.layout.index}/${temporaryNames("ffffffffffffffff", seededRandom(1))()}`;
  where.files.create(unregistered);
  assert.equal(clearDeadSessions(where, testHost({ processId: 200 })).files, 0);
  assert.equal(clearDeadSessions(where, testHost({ name: "third", isAlive: () => false })).files, 0);
  assert.equal(present(where, [...living, ...elsewhere, unregistered]), living.length + elsewhere.length + 1);
  assert.deepEqual(
    new Map(listSessions(where, testHost()).sessions.map(({ writer, alive }) => [writer.host, alive])),
    new Map<string, boolean | string>([
      ["another", "elsewhere"],
      ["tester", true],
    ]),
  );
});

test("a session file that says nothing is reported and left alone, with its files", async () => {
  const where = await place();
  const session = await start(where);
  const paths = leaveFiles(where, session);
  for (const damage of [
    "",
    "{",
    "[]",
    '{"host":"tester"}',
    '{"host":"tester","bootId":"","processId":-1,"startedAtMs":1}',
    "\xff",
  ]) {
    where.files.tamper(`${where.layout.sessions}/${session.id}`, () => Buffer.from(damage, "latin1"));
    assert.equal(clearDeadSessions(where, dead).sessions, 0);
    assert.deepEqual(
      listSessions(where, dead).unreadable.map(({ id }) => id),
      [session.id],
    );
  }
  assert.equal(present(where, paths), paths.length);
});

test("a clearing that is cut off is finished by the next", async () => {
  const where = await place();
  const before = where.files.contents();
  leaveFiles(where, await start(where));
  const files = where.files.afterPowerLoss("everything", { atCall: 4, kind: "for good" });
  assert.throws(() => clearDeadSessions({ ...where, files }, dead));
  const after = files.afterPowerLoss("everything");
  clearDeadSessions({ ...where, files: after }, dead);
  assert.deepEqual(after.contents(), before);
});

test("a session is registered durably before its first temporary file", async () => {
  const where = await place();
  await start(where);
  const left = where.files.afterPowerLoss("nothing");
  assert.equal(listSessions({ ...where, files: left }, testHost()).sessions.length, 1);
  await openWith(left, "correct");
});

test("a session that was ended may not commit, and its temporary files are gone before its file is", async () => {
  const where = await place();
  const session = await start(where);
  session.requireNotEnded();
  const paths = leaveFiles(where, session);
  assert.deepEqual(endSession(where, session.id), { files: paths.length, bytes: 100 * paths.length });
  assert.equal(present(where, paths), 0);
  assert.throws(() => session.requireNotEnded(), isSessionEnded);
  assert.deepEqual(listSessions(where, testHost()).sessions, []);
  assert.deepEqual(endSession(where, session.id), { files: 0, bytes: 0 });
});

test("cut off at any call, an ending is final once it has begun, and the next writer finishes it", async () => {
  for (let atCall = 1, completed = false; !completed; atCall++) {
    const where = await place();
    const session = await start(where);
    leaveFiles(where, session);
    const files = where.files.afterPowerLoss("everything", { atCall, kind: "for good" });
    try {
      endSession({ ...where, files }, session.id);
      completed = true;
    } catch {
      // The power went.
    }
    const after = files.afterPowerLoss("everything");
    const { sessions } = listSessions({ ...where, files: after }, testHost());
    const left = [...after.contents().keys()].filter((path) => path.includes(`.tmp-${session.id}-`));
    // While the session is there without a mark, nothing was touched; without the session there is no temporary file.
    if (sessions.length > 0 && after.information(`${where.layout.sessions}/${session.id}-ended`) === undefined) {
      assert.equal(left.length, 9, `after call ${atCall}`);
    }
    if (sessions.length === 0) assert.deepEqual(left, [], `after call ${atCall}`);
    endSession({ ...where, files: after }, session.id);
    clearDeadSessions({ ...where, files: after }, testHost());
    assert.deepEqual(after.list(where.layout.sessions), []);
  }
});

function isSessionEnded(error: unknown): boolean {
  return error instanceof HoldfastError && error.code === "SESSION_ENDED";
}

test("a session says when it makes the index anew; one that says so in other words cannot be read", async () => {
  const where = await place();
  const { id } = await startSession({ ...where, host: testHost(), clock, random: seededRandom("rebuild"), rebuilds: true });
  await start(where);
  const rebuilding = listSessions(where, testHost()).sessions.filter(({ writer }) => writer.rebuilds === true);
  assert.deepEqual(
    rebuilding.map((session) => session.id),
    [id],
  );
  where.files.tamper(`${where.layout.sessions}/${id}`, (bytes) => utf8(Buffer.from(bytes).toString().replace("true", '"yes"')));
  const [unreadable] = listSessions(where, testHost()).unreadable;
  assert.match(unreadable?.problem.message ?? "", /rebuilds.* is there and not true/);
});

test("when a machine is said to be gone, its sessions end, and what began to register there; others stay", async () => {
  const where = await place();
  const here = await start(where);
  const desktop = await start(where, testHost({ name: "desktop" }));
  const paths = leaveFiles(where, await start(where, testHost({ name: "laptop" })));
  // The first digits of the SHA-256 of "laptop" and of "desktop".
  const [ofLaptop, ofDesktop] = [".tmp-0123456789abcdef-5eec0dc4-7", ".tmp-0123456789abcdef-68693d02-7"];
  for (const name of [ofLaptop, ofDesktop]) where.files.create(`${where.layout.sessions}/${name}`).close();
  endSessionsOf(where, testHost(), ["laptop"], here.id);
  assert.equal(present(where, paths), 0);
  assert.deepEqual(where.files.list(where.layout.sessions)?.toSorted(), [here.id, desktop.id, ofDesktop].toSorted());
  // This machine, and one session that cannot be read.
  const alsoHere = await start(where);
  const unreadable = "00112233aabbccdd";
  where.files.create(`${where.layout.sessions}/${unreadable}`).close();
  endSessionsOf(where, testHost(), [testHost().name, unreadable], here.id);
  assert.notEqual(alsoHere.id, here.id);
  assert.deepEqual(where.files.list(where.layout.sessions)?.toSorted(), [here.id, desktop.id, ofDesktop].toSorted());
});
