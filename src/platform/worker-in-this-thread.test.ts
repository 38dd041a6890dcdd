import assert from "node:assert/strict";
import { test } from "node:test";
import { startWorkers } from "./threads.ts";
import type { WorkerPort, WorkerThread } from "./threads.ts";

type Message = { readonly bytes: Uint8Array<ArrayBuffer> };

function start(serve: (port: WorkerPort<Message, unknown>) => void): WorkerThread<Message, unknown> {
  const [worker] = startWorkers<Message, unknown>({ entry: { serve }, count: 1 });
  assert.ok(worker !== undefined);
  return worker;
}

test("it gets messages as copies, and answers in order", async () => {
  const worker = start((port) => port.onMessage(({ bytes }) => port.post((bytes[0] ?? 0) * 3)));
  const answers: unknown[] = [];
  const bytes = Uint8Array.of(1);
  for (let number = 1; number <= 3; number++) {
    bytes[0] = number;
    worker.post({ bytes });
  }
  const moved = Uint8Array.of(4);
  worker.post({ bytes: moved }, [moved.buffer]);
  assert.equal(moved.length, 0, "memory that is handed over is gone here");
  worker.onMessage((answer) => answers.push(answer));
  assert.deepEqual(answers, [], "nothing happens before this turn is over");
  await worker.stop();
  assert.deepEqual(answers, []);
});

test("what has begun is finished by a stop, what has not is dropped", async () => {
  const done: number[] = [];
  const worker = start((port) =>
    port.onMessage(({ bytes }) => {
      void Promise.resolve().then(() => done.push(bytes[0] ?? 0));
    }),
  );
  worker.post({ bytes: Uint8Array.of(1) });
  await Promise.resolve();
  const stopped = worker.stop();
  worker.post({ bytes: Uint8Array.of(2) });
  await stopped;
  assert.deepEqual(done, [1]);
});

test("one that cannot start tells it as a failure", async () => {
  const worker = start(() => {
    throw new Error("no such volume");
  });
  const failure = await new Promise<Error>((resolve) => worker.onFailure(resolve));
  assert.match(failure.message, /no such volume/);
  await worker.stop();
});
