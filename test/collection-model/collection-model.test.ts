import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { collectionModel } from "./collection-model.ts";
import { explore } from "./explore.ts";
import { MUTATIONS, rulesWith } from "./scenario.ts";
import { COUNTEREXAMPLES, FULL, REDUCED } from "./scenarios.ts";

const scenarios = process.env["HOLDFAST_COLLECTION_MODEL"] === "full" ? FULL : REDUCED;

describe("the collection protocol loses nothing and comes to an end:", () => {
  for (const scenario of scenarios) {
    test(scenario.name, (context) => {
      const { states, transitions, depth, counterexample } = explore(collectionModel(scenario, rulesWith()));
      assert.equal(counterexample, undefined, text(counterexample));
      context.diagnostic(`${states} states, ${transitions} transitions, depth ${depth}`);
    });
  }
});

// Images committed after the listing are not among those recorded as marked, so what they need is rescued.
test("listing images before containers does no harm", () => {
  for (const scenario of scenarios.slice(0, 3)) {
    const { counterexample } = explore(collectionModel(scenario, rulesWith("marksBeforeListing")));
    assert.equal(counterexample, undefined, text(counterexample));
  }
});

// What a writer may count on of them it is waited for, and what it used is rescued.
test("condemning containers that the index does not know, as on a full disk, does no harm", () => {
  for (const scenario of scenarios) {
    const { counterexample } = explore(collectionModel(scenario, rulesWith("condemnsUnknown")));
    assert.equal(counterexample, undefined, text(counterexample));
  }
});

describe("the checker finds what goes wrong when", () => {
  for (const [mutation, scenario] of Object.entries(COUNTEREXAMPLES)) {
    if (scenario === undefined) continue;
    const name = mutation as keyof typeof MUTATIONS;
    test(MUTATIONS[name], (context) => {
      const { counterexample } = explore(collectionModel(scenario, rulesWith(name)));
      assert.ok(counterexample !== undefined, "no counterexample was found");
      assert.ok(counterexample.trace.every((label) => label !== ""));
      context.diagnostic(`${counterexample.problem} after ${counterexample.trace.length} steps`);
    });
  }
});

function text(counterexample: { readonly problem: string; readonly trace: readonly string[] } | undefined): string {
  return counterexample === undefined ? "" : [counterexample.problem, ...counterexample.trace].join("\n  ");
}
