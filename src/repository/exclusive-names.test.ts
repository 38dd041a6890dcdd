import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../base/errors.ts";
import { nodeFiles } from "../platform/node-files.ts";
import type { Files } from "../platform/files.ts";
import { asynchronous, MemoryObjects } from "../platform/object-store/memory-objects.ts";
import type { ObjectStore } from "../platform/object-store/object-store.ts";
import { systemClock } from "../platform/system-clock.ts";
import { systemRandom } from "../platform/system-random.ts";
import { requireExclusiveNames } from "./exclusive-names.ts";

function filesIn(store: ObjectStore): Files {
  const place = { store, keyOf: (path: string) => path, spool: () => assert.fail("nothing is written") };
  return { ...nodeFiles(), objects: () => place };
}

test("a store that gives a name once will do, and nothing stays of the question", async () => {
  const store = new MemoryObjects(systemClock);
  await requireExclusiveNames(filesIn(asynchronous(store)), "s3://bucket", systemRandom);
  assert.deepEqual(store.list(""), { objects: [], prefixes: [] });
});

test("a store that ignores the condition is refused", async () => {
  const store = new MemoryObjects(systemClock);
  const careless: ObjectStore = { ...asynchronous(store), put: async (key, content) => store.put(key, content) };
  await assert.rejects(requireExclusiveNames(filesIn(careless), "s3://bucket", systemRandom), (error) =>
    hasCode(error, "PLATFORM_UNSUPPORTED"),
  );
  assert.deepEqual(store.list(""), { objects: [], prefixes: [] });
});

test("a disk is not asked", async () => {
  await requireExclusiveNames(nodeFiles(), "/nowhere", systemRandom);
});
