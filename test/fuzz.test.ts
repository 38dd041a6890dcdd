// Every decoder with a few thousand inputs that were valid once, and every input that was taken wrongly before.
// `npm run fuzz` does the same for as long as one likes.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fuzz, judge } from "./programmes/fuzz/runner.ts";
import { FUZZ_TARGETS } from "./programmes/fuzz/targets.ts";
import { testCases } from "./support/test-cases.ts";

const FIXTURES = join(import.meta.dirname, "fixtures", "fuzz");
const seed = process.env["HOLDFAST_TEST_SEED"] ?? "1";

for (const target of FUZZ_TARGETS) {
  test(`${target.name}: whatever is read is accepted or refused by name, at once and in little memory`, async () => {
    const { violations } = await fuzz(target, { seed, executions: testCases(500), seconds: 600 });
    const replay = (number: number | undefined): string =>
      `npm run fuzz -- --target ${target.name} --seed ${seed} --from ${number} --executions 1`;
    assert.deepEqual(
      violations.map(({ number, what }) => `${what}\n${replay(number)}`),
      [],
    );
  });
}

test("what was once taken wrongly is taken right", async () => {
  for (const directory of existsSync(FIXTURES) ? readdirSync(FIXTURES) : []) {
    const target = FUZZ_TARGETS.find(({ name }) => name === directory);
    assert.ok(target !== undefined, `test/fixtures/fuzz/${directory} belongs to no target`);
    for (const name of readdirSync(join(FIXTURES, directory))) {
      const { problem } = await judge(target, Uint8Array.from(readFileSync(join(FIXTURES, directory, name))));
      assert.equal(problem, undefined, `test/fixtures/fuzz/${directory}/${name}`);
    }
  }
});
