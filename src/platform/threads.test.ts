import assert from "node:assert/strict";
import { test } from "node:test";
import type { HoldfastError } from "../base/errors.ts";
import { startWorkers, workerPort, type WorkerEntry, type WorkerThread } from "./threads.ts";

const threads = new URL("./threads.ts", import.meta.url).href;

/** A worker whose listener runs `body` with `port` and each `message`. */
function entry(body: string): WorkerEntry {
  return {
    code: `import(${JSON.stringify(threads)}).then(({ workerPort }) => {
      const port = workerPort();
      port.onMessage((message) => { ${body} });
    });`,
  };
}

function start(body: string, count = 1, patienceMs = 10_000): readonly WorkerThread<unknown, unknown>[] {
  return startWorkers({ entry: entry(body), count, patienceMs });
}

function answerOf(worker: WorkerThread<unknown, unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.onMessage(resolve);
    worker.onFailure(reject);
  });
}

function failureOf(worker: WorkerThread<unknown, unknown>): Promise<HoldfastError> {
  return new Promise((resolve) => worker.onFailure(resolve));
}

test("each worker knows its number, and answers", async () => {
  const workers = start("port.post([port.index, message * 3]);", 2);
  for (const worker of workers) worker.post(worker.index + 10);
  assert.deepEqual(await Promise.all(workers.map(answerOf)), [
    [0, 30],
    [1, 33],
  ]);
  await Promise.all(workers.map((worker) => worker.stop()));
});

test("transferred memory leaves the sender, shared memory is seen by both", async () => {
  const [worker] = start("new Uint8Array(message.shared)[0] = 7; port.post(message.given, [message.given]);");
  assert.ok(worker);
  const given = new ArrayBuffer(8);
  const shared = new SharedArrayBuffer(8);
  worker.post({ given, shared }, [given]);
  assert.equal(given.detached, true);
  assert.deepEqual(await answerOf(worker), new ArrayBuffer(8));
  assert.equal(new Uint8Array(shared)[0], 7);
  await worker.stop();
});

test("an entry can be a URL", async () => {
  const source = 'import { parentPort } from "node:worker_threads"; parentPort.postMessage("from a module");';
  const [worker] = startWorkers({
    entry: new URL(`data:text/javascript,${encodeURIComponent(source)}`),
    count: 1,
  });
  assert.ok(worker);
  assert.equal(await answerOf(worker), "from a module");
  await worker.stop();
});

test("an error in a worker is a WORKER_FAILED that carries it, told once", async () => {
  const [worker] = start('throw new RangeError("too much");');
  assert.ok(worker);
  worker.post(1);
  let told = 0;
  const failure = await new Promise<HoldfastError>((resolve) => {
    worker.onFailure((error) => {
      told++;
      resolve(error);
    });
  });
  await worker.stop();
  assert.deepEqual(
    [failure.code, failure.context, failure.message],
    ["WORKER_FAILED", { worker: 0 }, "Worker thread 0 failed: too much"],
  );
  assert.ok(failure.cause instanceof RangeError);
  assert.equal(told, 1);
  assert.equal(await failureOf(worker), failure, "a listener that comes late hears of it too");
});

test("a worker that ends by itself has failed", async () => {
  const [worker] = start("process.exit(5);");
  assert.ok(worker);
  worker.post(1);
  assert.equal((await failureOf(worker)).message, "Worker thread 0 failed: it ended unexpectedly with status 5");
});

test("an entry that cannot be loaded is a failure", async () => {
  const [worker] = startWorkers({ entry: new URL("file:///nowhere/worker.ts"), count: 1 });
  assert.ok(worker);
  assert.equal((await failureOf(worker)).code, "WORKER_FAILED");
});

test("a worker out of memory is a failure with a hint", async () => {
  // Only in the form that Node reports it: really running out of memory takes V8 anything up to minutes.
  const [worker] = start('throw Object.assign(new Error("memory limit"), { code: "ERR_WORKER_OUT_OF_MEMORY" });');
  assert.ok(worker);
  worker.post(1);
  const failure = await failureOf(worker);
  assert.deepEqual([failure.code, failure.retry], ["WORKER_FAILED", "later"]);
  assert.ok(failure.hint);
});

test("a worker that is stopped finishes what it has begun and drops what waits", async () => {
  const begun = new Int32Array(new SharedArrayBuffer(4));
  const [worker] = start(`
    port.post("begun");
    const until = Date.now() + 300;
    while (Date.now() < until);
    Atomics.add(message, 0, 1);
  `);
  assert.ok(worker);
  for (let i = 0; i < 10; i++) worker.post(begun);
  await answerOf(worker);
  worker.onFailure((error) => assert.fail(error));
  await worker.stop();
  assert.deepEqual([...begun], [1]);
});

test("a worker that does not end is ended by force, and that is no failure", async () => {
  const [worker] = start("port.post(1); for (;;);", 1, 50);
  assert.ok(worker);
  worker.post(1);
  await answerOf(worker);
  worker.onFailure((error) => assert.fail(error));
  await worker.stop();
  await worker.stop();
});

test("messages that came before the listener are delivered to it", async () => {
  const [worker] = start("port.post(message);");
  assert.ok(worker);
  worker.post(1);
  worker.post(2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const received: unknown[] = [];
  worker.onMessage((message) => received.push(message));
  assert.deepEqual(received, [1, 2]);
  await worker.stop();
});

test("the inside of a worker is not to be had outside", () => {
  assert.throws(() => workerPort(), /Broken invariant/);
});
