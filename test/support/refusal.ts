// For tests: what the program says when it does not do what it was asked for.

import assert from "node:assert/strict";
import { HoldfastError } from "../../src/base/errors.ts";

/** The error with which this work fails: it must fail, and with words that were written for a person. */
export async function refusal(work: Promise<unknown>): Promise<HoldfastError> {
  const error: unknown = await work.then(
    () => assert.fail("it did not refuse"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof HoldfastError, String(error));
  return error;
}
