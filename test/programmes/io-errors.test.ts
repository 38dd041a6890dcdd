// The small size of `npm run io-errors`; docs/testing.md has the figures of the full one.

import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { ioErrors } from "./io-errors.ts";
import { seedOfTests, whyNoStrace } from "./programme.ts";

test("when a call fails the program says so, claims no success and leaves nothing broken", { skip: whyNoStrace() }, async (t) => {
  const say = (line: string): void => t.diagnostic(line);
  const report = await ioErrors({ size: "small", seed: seedOfTests(), jobs: availableParallelism(), say });
  assert.deepEqual(report.violations, []);
});
