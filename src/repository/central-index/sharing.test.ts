import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { nodeFiles } from "../../platform/node-files.ts";
import type { SegmentLocation } from "./location.ts";
import { CentralIndex } from "./lookup.ts";
import type { SharedCentralIndex } from "./lookup.ts";
import { madeContainer, temporaryIndex, textOfLocation } from "./testing.ts";
import { writeIndexRun } from "./write-index-run.ts";

// This file is its own worker thread.
interface WorkerTask {
  readonly shared: SharedCentralIndex;
  readonly fingerprints: Uint8Array;
}

if (isMainThread) defineTests();
else findInWorker(workerData as WorkerTask);

function findInWorker({ shared, fingerprints }: WorkerTask): void {
  using index = CentralIndex.fromShared(nodeFiles(), shared);
  const found: (SegmentLocation | undefined)[] = [];
  for (let at = 0; at < fingerprints.length; at += 32) found.push(index.find(fingerprints, at));
  parentPort!.postMessage({ found, sharedBytes: index.memoryBytes.shared }, []);
}

function defineTests(): void {
  test("worker threads find the same as the thread that opened the index, with one copy of its tables", async (context) => {
    const location = temporaryIndex(context);
    const containers = [1, 2, 3].map(() => madeContainer(location.random, { segments: 3000 }));
    for (const contents of containers) await writeIndexRun({ ...location, containers: [contents] });
    using index = CentralIndex.open(location);
    const shared = index.share();
    assert.ok(shared.runs.every(({ tables }) => tables instanceof SharedArrayBuffer));

    const fingerprints = new Uint8Array([
      ...containers.flatMap(({ segments }) => [...segments.fingerprints]),
      ...location.random.bytes(3200),
    ]);
    await Promise.all(
      [1, 2].map(async () => {
        const task: WorkerTask = { shared, fingerprints };
        const worker = new Worker(new URL(import.meta.url), { workerData: task });
        const [{ found, sharedBytes }] = (await once(worker, "message")) as [
          { found: (SegmentLocation | undefined)[]; sharedBytes: number },
        ];
        await worker.terminate();
        assert.equal(sharedBytes, index.memoryBytes.shared);
        found.forEach((one, i) => {
          const here = index.find(fingerprints, i * 32);
          assert.equal(one && textOfLocation(one), here && textOfLocation(here));
          assert.equal(one !== undefined, i < 9000);
        });
      }),
    );
  });

  test("an index that was shared is refreshed where it was opened, not in the worker", (context) => {
    const location = temporaryIndex(context);
    using index = CentralIndex.open(location);
    using copy = CentralIndex.fromShared(location.files, structuredClone(index.share()));
    assert.throws(() => copy.refresh(), /Broken invariant/);
    assert.equal(index.refresh(), false);
  });
}
