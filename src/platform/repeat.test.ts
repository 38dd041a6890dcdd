import assert from "node:assert/strict";
import { test } from "node:test";
import { repeatEvery } from "./repeat.ts";

test("work is repeated, one at a time, whether it fails or not, until it is stopped", async () => {
  const failures: unknown[] = [];
  const fourth = Promise.withResolvers<void>();
  let atOnce = 0;
  let count = 0;
  const work = async (): Promise<void> => {
    assert.equal(++atOnce, 1);
    await new Promise((resolve) => setImmediate(resolve));
    atOnce--;
    if (++count === 4) fourth.resolve();
    if (count === 2) throw new Error("once");
  };
  const repetition = repeatEvery(1, work, (error) => failures.push(error));
  // It keeps no process alive by itself.
  const alive = setInterval(() => undefined, 1_000);
  await fourth.promise;
  await repetition.stop();
  clearInterval(alive);
  const stoppedAt = count;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(count, stoppedAt);
  assert.deepEqual(
    failures.map((error) => (error as Error).message),
    ["once"],
  );
});
