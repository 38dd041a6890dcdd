import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_RUN_SEGMENTS } from "../../formats/index-run.ts";
import { allowedRuns, planMerge } from "./plan-merge.ts";
import type { RunSize } from "./plan-merge.ts";
import type { RunName } from "./run-directory.ts";
import { seededRandom, testSeed } from "./testing.ts";

function runsOf(...sizes: readonly number[]): RunSize[] {
  return sizes.map((segments, i) => ({ name: `run ${i}` as RunName, segments, containers: 1 }));
}

/** The sizes that would be merged. */
function planned(...sizes: readonly number[]): number[] {
  const runs = runsOf(...sizes);
  const names = new Set(planMerge(runs));
  return runs.filter(({ name }) => names.has(name)).map(({ segments }) => segments);
}

test("few runs are left alone, however different", () => {
  assert.deepEqual(planned(), []);
  assert.deepEqual(planned(5), []);
  assert.deepEqual(planned(1, 1, 1, 1, 1, 1, 1, 1), []);
  assert.deepEqual(planned(1, 1, 1, 1, 1, 1, 1, 1_000_000_000), []);
});

test("the ninth small run makes one of them all", () => {
  assert.deepEqual(planned(10, 10, 10, 10, 10, 10, 10, 10, 10), [10, 10, 10, 10, 10, 10, 10, 10, 10]);
});

test("a large run is left out while the others together are smaller", () => {
  assert.deepEqual(planned(60_000, 1, 2, 3, 4, 5, 6, 7, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual(
    planned(50_000, 9000, 8000, 7000, 6000, 5000, 4000, 3000, 2000),
    [9000, 8000, 7000, 6000, 5000, 4000, 3000, 2000],
  );
  assert.equal(planned(40_000, 9000, 8000, 7000, 6000, 5000, 4000, 3000, 2000).length, 9);
});

test("very many runs are merged a part at a time, the smallest first", () => {
  const sizes = Array.from({ length: 300 }, (_, i) => 1000 + i);
  assert.deepEqual(planned(...sizes), sizes.slice(0, 64));
});

test("runs too large for one are left apart", () => {
  assert.deepEqual(planned(...Array.from({ length: 100 }, () => MAX_RUN_SEGMENTS)), []);
  const half = Array.from({ length: 100 }, () => MAX_RUN_SEGMENTS / 2);
  assert.equal(planned(...half).length, 2);
  const manyContainers = runsOf(...Array.from({ length: 100 }, () => 10)).map((run) => ({ ...run, containers: 2 ** 20 }));
  assert.equal(planMerge(manyContainers).length, 4);
});

test("thousands of backups leave few runs, and each segment is written few times", (context) => {
  const random = seededRandom(`plan ${testSeed}`);
  const sessions = 3000;
  for (const [kind, sizeOf] of Object.entries({
    "equal sizes": () => 10_000,
    "all sizes": () => Math.floor(2 ** ((random.bytes(2)[0]! / 256) * 20)),
    "one large, then small": (i: number) => (i === 0 ? 50_000_000 : 500),
  })) {
    let runs: RunSize[] = [];
    let total = 0;
    let written = 0;
    let most = 0;
    for (let session = 0; session < sessions; session++) {
      const segments = sizeOf(session);
      total += segments;
      runs.push({ name: `run ${session}` as RunName, segments, containers: 1 });
      for (let plan = planMerge(runs), step = 0; plan.length > 0; plan = planMerge(runs), step++) {
        assert.ok(step < 5 && plan.length >= 2);
        const names = new Set(plan);
        const merged = runs.filter(({ name }) => names.has(name)).reduce((sum, run) => sum + run.segments, 0);
        written += merged;
        runs = runs.filter(({ name }) => !names.has(name));
        runs.push({ name: `merged ${session} ${step}` as RunName, segments: merged, containers: 1 });
      }
      assert.ok(runs.length <= allowedRuns(total));
      most = Math.max(most, runs.length);
    }
    const rewrites = written / total;
    context.diagnostic(`${kind}: at most ${most} runs for ${total} segments, each merged ${rewrites.toFixed(1)} times`);
    assert.ok(rewrites < Math.log2(sessions), `${kind}: each segment was merged ${rewrites} times`);
  }
});
