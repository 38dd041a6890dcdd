import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { containersOf, kindOf, temporaryRepository } from "../../test/support/temporary-repository.ts";
import { contentsOf, forget, threeImages, writerElsewhere } from "./prune-harness.contract.ts";
import { repositoryLayout } from "../repository/layout.ts";
import { startSession } from "../repository/repository.ts";

test("a collection that goes on later removes no container that holds the only readable copy, when verify has told the other damaged", async () => {
  await using made = await temporaryRepository();
  const [, second, first = ""] = await threeImages(made);
  const before = await contentsOf(made.repository, first);
  const originals = new Set(containersOf(made));
  forget(made, second);
  const writer = await writerElsewhere(made);
  assert.equal((await made.repository.prune({ maxUnused: 0 })).outcome, "waiting");
  writer.close();
  for (const path of containersOf(made).filter((p) => !originals.has(p) && kindOf(p) === "data")) {
    const bytes = readFileSync(path);
    for (let at = 300; at < bytes.length - 8_000; at += 2_000) bytes[at]! ^= 1;
    rmSync(path);
    writeFileSync(path, bytes);
  }
  await using t = await made.reopen();
  assert.ok((await t.repository.verify({ readData: 1 })).damages.length > 0);
  assert.deepEqual(await contentsOf(t.repository, first), before);
  await assert.rejects(t.repository.prune({ maxUnused: 0 }), { code: "REPOSITORY_DAMAGED", hint: /holdfast repair/ });
  assert.equal((await t.repository.repair()).lossCount, 0);
  assert.notEqual((await t.repository.prune({ maxUnused: 0 })).outcome, "waiting");
  await using later = await t.reopen();
  assert.deepEqual(await contentsOf(later.repository, first), before);
});

test("a writer of this machine whose process number is somebody else's by now can be ended", async () => {
  await using t = await temporaryRepository();
  const [, second] = await threeImages(t);
  forget(t, second);
  // Killed; number 1 is taken by init, as in a container that was started again.
  await startSession({ ...t.services, layout: repositoryLayout(t.path), host: { ...t.services.host, processId: 1 } });
  assert.equal((await t.repository.prune({ maxUnused: 0 })).outcome, "waiting");
  assert.equal((await t.repository.prune({ maxUnused: 0, assumeDead: [t.services.host.name] })).outcome, "done");
});

test("a container that is missing is looked for once, however large the repository", async () => {
  await using made = await temporaryRepository();
  const [, second] = await threeImages(made);
  const originals = new Set(containersOf(made));
  forget(made, second);
  const writer = await writerElsewhere(made);
  await made.repository.prune({ maxUnused: 0 });
  writer.close();
  for (const path of containersOf(made)) if (!originals.has(path)) rmSync(path);
  await using t = await made.reopen();
  let marks = 0;
  const prune = t.repository.prune({ maxUnused: 0, onProgress: ({ done }) => void (marks += done === 1 ? 1 : 0) });
  await assert.rejects(prune, { code: "SEGMENT_MISSING" });
  assert.equal(marks, 1);
});
