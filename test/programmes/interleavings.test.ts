import assert from "node:assert/strict";
import { after, test } from "node:test";
import { planOf } from "./interleavings/plan.ts";
import { Actors } from "./interleavings/scheduler.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 8, 9];

const actors = new Actors();
after(() => actors[Symbol.asyncDispose]());

for (const seed of SEEDS) {
  const names = planOf(seed).actors.map(({ name }) => name);
  test(`${names.length} actors in the order of seed ${seed} lose nothing and leave nothing behind`, async (context) => {
    const { violations, turns, switches } = await actors.play(planOf(seed));
    const replay = `node test/programmes/interleavings.ts --seed ${seed}`;
    assert.deepEqual(violations, [], `${replay}\n${violations.join("\n")}`);
    context.diagnostic(`${turns} turns, ${switches} changes of actor`);
  });
}

test("a seed gives the same run again", async () => {
  const [first, second] = [await actors.play(planOf(3)), await actors.play(planOf(3))];
  assert.deepEqual(first, second);
});
