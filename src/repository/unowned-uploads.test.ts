import assert from "node:assert/strict";
import { test } from "node:test";
import type { Files } from "../platform/files.ts";
import { nodeFiles } from "../platform/node-files.ts";
import { asynchronous, MemoryObjects } from "../platform/object-store/memory-objects.ts";
import type { ObjectStore, PendingUpload } from "../platform/object-store/object-store.ts";
import { systemClock } from "../platform/system-clock.ts";
import { repositoryLayout } from "./layout.ts";
import { clearUnownedUploads } from "./unowned-uploads.ts";

const DEAD = "00112233445566aa";
const ALIVE = "00112233445566bb";

test("uploads of writers that are gone are aborted, and no others", async () => {
  const uploads: PendingUpload[] = [
    { key: `r/index/.tmp-${DEAD}-1`, id: "1" },
    { key: `r/index/.tmp-${ALIVE}-1`, id: "2" },
    { key: "r/somebody else's", id: "3" },
  ];
  const aborted: string[] = [];
  const store: ObjectStore = {
    ...asynchronous(new MemoryObjects(systemClock)),
    pendingUploads: async (prefix) => uploads.filter(({ key }) => key.startsWith(prefix)),
    abortUpload: async ({ id }) => void aborted.push(id),
  };
  const files: Files = {
    ...nodeFiles(),
    objects: () => ({
      store,
      keyOf: (path) => path.slice("s3://bucket/".length),
      spool: () => assert.fail("nothing is written"),
    }),
    information: (path) => (path.endsWith(`sessions/${ALIVE}`) ? { kind: "file", sizeBytes: 1, modifiedMs: 1 } : undefined),
  };
  assert.equal(await clearUnownedUploads({ files, layout: repositoryLayout("s3://bucket/r") }), 1);
  assert.deepEqual(aborted, ["1"]);
});

test("on a disk there are none", async () => {
  assert.equal(await clearUnownedUploads({ files: nodeFiles(), layout: repositoryLayout("/nowhere") }), 0);
});
