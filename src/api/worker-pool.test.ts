import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { HoldfastError } from "../base/errors.ts";
import { services } from "../main/services.ts";
import type { WorkerPort } from "../platform/threads.ts";
import { open } from "./api.ts";
import { newRepository, temporaryDirectory } from "./browsing-harness.contract.ts";
import type { Services } from "./services.ts";
import { plainError } from "../base/plain-error.ts";
import { serveWorker } from "./worker.ts";
import type { WorkerReply, WorkerRequest } from "./worker.ts";

const there = await newRepository();
const source = temporaryDirectory();
writeFileSync(`${source}/file`, "content");
await there.backUp({ paths: [source], source: "home" });
const repository = `${there.directory}/repository`;

/** The world with workers that note when they start and what they are asked, and do their work all the same. */
function watched(): { readonly world: Services; readonly events: string[] } {
  const events: string[] = [];
  const world = services();
  const serve = (port: WorkerPort<WorkerRequest, WorkerReply>): void => {
    events.push("a thread starts");
    serveWorker(
      { ...port, onMessage: (listen) => port.onMessage((request) => (events.push(request.kind), listen(request))) },
      world,
    );
  };
  return { world: { ...world, workerEntry: { serve } }, events };
}

function optionsIn(events: string[], more: { readonly startThreads?: boolean; readonly passphrase?: string } = {}) {
  const { passphrase = "x", ...rest } = more;
  const ask = (): string => (events.push("the passphrase is asked for"), passphrase);
  return { repository, cacheDirectory: temporaryDirectory(), threads: 2, passphrase: ask, ...rest };
}

test("threads can start between the passphrase and the first job, which then uses them", async () => {
  const { world, events } = watched();
  await using opened = await open(world, optionsIn(events, { startThreads: true }));
  assert.deepEqual(events, ["the passphrase is asked for", "a thread starts", "a thread starts"]);
  await opened.verify({ readData: 1 });
  const begun = events.filter((event) => event === "a thread starts" || event === "begin");
  assert.deepEqual(begun.slice(0, 3), ["a thread starts", "a thread starts", "begin"]);
  assert.equal(begun.filter((event) => event === "a thread starts").length, 2);
  assert.ok(events.includes("serve"));
});

test("without being told to, a thread starts when there is work for it", async () => {
  const { world, events } = watched();
  await using opened = await open(world, optionsIn(events));
  assert.deepEqual(events, ["the passphrase is asked for"]);
  await opened.verify({ readData: 1 });
  assert.deepEqual(events.slice(0, 4), ["the passphrase is asked for", "a thread starts", "begin", "serve"]);
});

test("when all reading threads fail, a backup says what they failed with", async () => {
  const failing = (port: WorkerPort<WorkerRequest, WorkerReply>): void => {
    const error = plainError(new HoldfastError("SEAL_BROKEN", { message: "a run of the index is damaged" }));
    port.onMessage((request) => {
      if (request.kind !== "begin") port.post({ kind: "failed", number: request.number, error });
    });
  };
  await using opened = await open({ ...services(), workerEntry: { serve: failing } }, optionsIn([]));
  const backup = opened.backup({ paths: [source], source: "another", forceRescan: true });
  await assert.rejects(backup, { code: "SEAL_BROKEN", message: "a run of the index is damaged" });
});

/** Real threads of this process, by what became of them. */
const threads = { started: 0, ended: 0 };
process.on("worker", (worker) => {
  threads.started++;
  worker.on("exit", () => threads.ended++);
});

test("threads that were started for a repository that cannot be opened are ended", async () => {
  const before = { ...threads };
  const opening = open(services(), optionsIn([], { startThreads: true, passphrase: "wrong" }));
  await assert.rejects(opening, { code: "WRONG_PASSPHRASE" });
  assert.deepEqual(threads, { started: before.started + 2, ended: before.ended + 2 });
});

test("threads that got no work are ended when the repository is closed", async () => {
  const before = { ...threads };
  const opened = await open(services(), optionsIn([], { startThreads: true }));
  await opened.close();
  assert.deepEqual(threads, { started: before.started + 2, ended: before.ended + 2 });
});
