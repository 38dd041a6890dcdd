// The small size of the programme: test/programmes/crash-states.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Exploration } from "./programmes/crash-states/explore.ts";
import type { FoundViolation } from "./programmes/crash-states/explore.ts";

const seed = Number(process.env["HOLDFAST_TEST_SEED"] ?? 1);

test("after a power failure at any call of any operation nothing acknowledged is lost and the next run works", async (context) => {
  const violations: FoundViolation[] = [];
  const exploration = new Exploration({ states: 5_000, seed, onViolation: (violation) => violations.push(violation) });
  const figures = await exploration.run();
  context.diagnostic(`seed ${seed}: ${JSON.stringify(figures)}`);
  assert.deepEqual(violations, []);
  assert.ok(figures.judged >= 5_000 && figures.inRecovery >= 500 && figures.damaged >= 1_000, JSON.stringify(figures));
});

test("on a disk that lies about syncs the judge finds losses, each with an error of its own, and never wrong content", async () => {
  const problems: string[] = [];
  const onViolation = ({ problem }: FoundViolation): void => void problems.push(problem);
  await new Exploration({ states: 200, seed, liesAboutSyncs: true, onViolation }).run();
  assert.ok(problems.length > 50, `${problems.length} violations`);
  assert.deepEqual(
    problems.filter((problem) => /^I[35]/.test(problem)),
    [],
  );
});
