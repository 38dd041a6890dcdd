import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ByteBudget } from "./byte-budget.ts";

const never = new AbortController().signal;

describe("a budget of bytes", () => {
  test("lets in what fits, and the others in their order when bytes come back", async () => {
    const budget = new ByteBudget(100);
    const order: string[] = [];
    const take = async (name: string, bytes: number) => {
      const giveBack = await budget.take(bytes, never);
      order.push(name);
      return giveBack;
    };
    const first = await take("60", 60);
    const large = take("50", 50);
    const small = take("10", 10);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(order, ["60"]);
    first();
    (await large)();
    (await small)();
    assert.deepEqual(order, ["60", "50", "10"]);
  });

  test("gives all there is to who needs more", async () => {
    const budget = new ByteBudget(100);
    const giveBack = await budget.take(1_000, never);
    giveBack();
    (await budget.take(100, never))();
  });

  test("forgets who gave up, and goes on with those behind", async () => {
    const budget = new ByteBudget(100);
    const held = await budget.take(50, never);
    const abort = new AbortController();
    const large = budget.take(80, abort.signal);
    const small = budget.take(50, never);
    abort.abort(new Error("gone"));
    await assert.rejects(large, { message: "gone" });
    (await small)();
    held();
    await assert.rejects(budget.take(1, abort.signal), { message: "gone" });
    (await budget.take(100, never))();
  });
});
