import assert from "node:assert/strict";
import { test } from "node:test";
import { measureEngine } from "./engine.ts";

test("the benchmark of the engine measures every stage of every kind of data", () => {
  const results = measureEngine(2);
  for (const data of ["words", "program", "random"]) assert.equal(results.filter((result) => result.data === data).length, 9);
  assert.ok(results.every(({ megabytesPerSecond }) => megabytesPerSecond > 0));
});
