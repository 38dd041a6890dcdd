import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { SessionSegments } from "./session-segments.ts";
import { seededRandom, testSeed } from "./testing.ts";

// This file is its own worker thread.
interface WorkerTask {
  readonly table: SharedArrayBuffer;
  readonly fingerprints: SharedArrayBuffer;
  readonly start: SharedArrayBuffer;
  readonly stride: number;
}

if (isMainThread) defineTests();
else insertAll(workerData as WorkerTask);

/** Inserts every fingerprint, in an order of its own, and reports which ones were new. */
function insertAll({ table, fingerprints, start, stride }: WorkerTask): void {
  const segments = SessionSegments.fromShared(table);
  const bytes = new Uint8Array(fingerprints);
  const count = bytes.length / 32;
  const isNew = new Uint8Array(count);
  const ready = new Int32Array(start);
  Atomics.sub(ready, 0, 1);
  while (Atomics.load(ready, 0) > 0); // all at once, so that they meet
  for (let i = 0, at = 0; i < count; i++, at = (at + stride) % count) if (segments.insert(bytes, at * 32)) isNew[at]!++;
  parentPort!.postMessage(isNew, []);
}

/** For each fingerprint, how many threads were told that it is new. */
async function hammer(table: SessionSegments, fingerprints: Uint8Array, strides: readonly number[]): Promise<Uint8Array> {
  const shared = new SharedArrayBuffer(fingerprints.length);
  new Uint8Array(shared).set(fingerprints);
  const start = new SharedArrayBuffer(4);
  new Int32Array(start)[0] = strides.length;
  const winners = new Uint8Array(fingerprints.length / 32);
  await Promise.all(
    strides.map(async (stride) => {
      const task: WorkerTask = { table: table.share(), fingerprints: shared, start, stride };
      const worker = new Worker(new URL(import.meta.url), { workerData: task });
      const [isNew] = (await once(worker, "message")) as [Uint8Array];
      isNew.forEach((value, i) => (winners[i]! += value));
      await worker.terminate();
    }),
  );
  return winners;
}

function defineTests(): void {
  const random = seededRandom(`session ${testSeed}`);

  test("a fingerprint is new once", () => {
    const segments = SessionSegments.create();
    const fingerprints = random.bytes(1000 * 32);
    for (let at = 0; at < fingerprints.length; at += 32) assert.equal(segments.has(fingerprints, at), false);
    for (let at = 0; at < fingerprints.length; at += 32) assert.equal(segments.insert(fingerprints, at), true);
    for (let at = 0; at < fingerprints.length; at += 32) assert.equal(segments.insert(fingerprints, at), false);
    for (let at = 0; at < fingerprints.length; at += 32) assert.equal(segments.has(fingerprints, at), true);
    assert.deepEqual([segments.size, segments.unrecorded], [1000, 0]);
  });

  test("fingerprints that differ in any one of the bytes that are kept are different", () => {
    const segments = SessionSegments.create();
    const base = random.bytes(32);
    assert.ok(segments.insert(base));
    for (let i = 0; i < 16; i++) {
      const other = base.slice();
      other[i]! ^= 0x80;
      assert.ok(segments.insert(other), `byte ${i}`);
    }
    assert.ok(segments.insert(new Uint8Array(32)));
    assert.ok(!segments.insert(new Uint8Array(32)));
  });

  test("fingerprints that all fall on the same slots are kept apart", () => {
    const segments = SessionSegments.create();
    const fingerprints = Array.from({ length: 500 }, () => {
      const fingerprint = random.bytes(32);
      fingerprint.fill(0xff, 16, 24); // these bytes choose slot and tag
      return fingerprint;
    });
    for (const fingerprint of fingerprints) assert.ok(segments.insert(fingerprint));
    for (const fingerprint of fingerprints) assert.ok(!segments.insert(fingerprint));
  });

  test("memory is small at first and grows with what is stored", () => {
    const segments = SessionSegments.create();
    assert.ok(segments.memoryBytes < 1_000_000);
    const count = 200_000;
    const fingerprints = random.bytes(count * 32);
    for (let at = 0; at < fingerprints.length; at += 32) assert.ok(segments.insert(fingerprints, at));
    for (let at = 0; at < fingerprints.length; at += 32) assert.ok(!segments.insert(fingerprints, at));
    assert.equal(segments.size, count);
    assert.ok(segments.memoryBytes < count * 110, `${segments.memoryBytes / count} bytes per segment`);
  });

  test("an expected number gets a table that need not grow", () => {
    const segments = SessionSegments.create({ expected: 20_000 });
    const before = segments.memoryBytes;
    const fingerprints = random.bytes(20_000 * 32);
    for (let at = 0; at < fingerprints.length; at += 32) segments.insert(fingerprints, at);
    assert.equal(segments.memoryBytes, before);
  });

  test("a full table calls unknown fingerprints new every time and still knows the others", () => {
    const segments = SessionSegments.create({ maximum: 1 });
    const capacity = (2 ** 14 / 4) * 3;
    const fingerprints = random.bytes(capacity * 32);
    for (let at = 0; at < fingerprints.length; at += 32) assert.ok(segments.insert(fingerprints, at));
    const late = random.bytes(32);
    assert.deepEqual([segments.insert(late), segments.insert(late), segments.has(late)], [true, true, false]);
    assert.deepEqual([segments.size, segments.unrecorded], [capacity, 2]);
    for (let at = 0; at < fingerprints.length; at += 32) assert.ok(!segments.insert(fingerprints, at));
  });

  test("of all threads that insert a fingerprint exactly one is told that it is new", async (context) => {
    const count = 150_000; // several times the first table, so that the threads also meet while it grows
    const fingerprints = random.bytes(count * 32);
    // The same order brings the threads together on each slot, different orders on the borders of the tables.
    for (const strides of [
      [1, 1, 1, 1],
      [1, 7, 149_999, 74_999],
    ]) {
      const segments = SessionSegments.create();
      const started = performance.now();
      const winners = await hammer(segments, fingerprints, strides);
      context.diagnostic(`${strides.length} threads, ${count} fingerprints: ${Math.round(performance.now() - started)} ms`);
      assert.ok(winners.every((value) => value === 1));
      // How many places are lost to races is up to the scheduler; no thread can lose more than one for each fingerprint.
      assert.ok(segments.size >= count && segments.size <= count * strides.length, `${segments.size} places`);
      assert.equal(segments.unrecorded, 0);
    }
  });

  test("threads that insert few fingerprints over and over agree on one winner each", async () => {
    const distinct = random.bytes(500 * 32);
    const fingerprints = new Uint8Array(200 * distinct.length);
    for (let copy = 0; copy < 200; copy++) fingerprints.set(distinct, copy * distinct.length);
    const winners = await hammer(SessionSegments.create(), fingerprints, [1, 1, 1, 1]);
    const perFingerprint = new Uint32Array(500);
    winners.forEach((value, i) => (perFingerprint[i % 500]! += value));
    assert.ok(perFingerprint.every((value) => value === 1));
  });
}
