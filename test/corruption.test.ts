// A small real repository with damage of every kind. `npm run corruption -- --size full` tries all bits of all structural bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { tryCorruption } from "./programmes/corruption/run.ts";
import { testCases } from "./support/test-cases.ts";

test("whatever is damaged is noticed, nothing wrong is returned, and nothing is lost but what was damaged", async (context) => {
  const seed = process.env["HOLDFAST_TEST_SEED"] ?? "1";
  const { violations, cases, groups } = await tryCorruption({
    size: "small",
    seed,
    of: testCases(300) >= 1_000 ? 1 : 4,
    restoreEvery: 30,
  });
  context.diagnostic(`${cases} cases`);
  assert.deepEqual(violations, []);
  for (const [name, { cases: tried }] of Object.entries(groups)) assert.ok(tried > 0, `no case of ${name}`);
});
