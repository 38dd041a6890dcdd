// Explores the collection protocol whole, in all scenarios.
//
//   npm run collection-model              the full size, some minutes
//   npm run collection-model -- reduced   what the tests explore
//   npm run collection-model -- <mutation>  the shortest way to what goes wrong when a rule is broken

import { collectionModel } from "./collection-model.ts";
import { explore } from "./explore.ts";
import { MUTATIONS, rulesWith } from "./scenario.ts";
import { COUNTEREXAMPLES, FULL, REDUCED } from "./scenarios.ts";

const [argument = "full"] = process.argv.slice(2);
const started = performance.now();

if (argument in MUTATIONS) showCounterexample(argument as keyof typeof MUTATIONS);
else if (argument === "full" || argument === "reduced") exploreAll(argument === "full" ? FULL : REDUCED);
else {
  say(`There is no size or mutation "${argument}"; mutations: ${Object.keys(MUTATIONS).join(", ")}`);
  process.exitCode = 2;
}

function showCounterexample(mutation: keyof typeof MUTATIONS): void {
  const { counterexample } = explore(collectionModel(COUNTEREXAMPLES[mutation]!, rulesWith(mutation)));
  say(`When ${MUTATIONS[mutation]}:`);
  for (const label of counterexample?.trace ?? []) say(`  ${label}`);
  say(counterexample?.problem ?? "nothing goes wrong");
}

function exploreAll(chosen: typeof FULL): void {
  let states = 0;
  let transitions = 0;
  let violations = 0;
  for (const scenario of chosen) {
    const found = explore(collectionModel(scenario, rulesWith()), { statesLimit: 60_000_000 });
    say(`${scenario.name}: ${found.states} states, ${found.transitions} transitions, depth ${found.depth}`);
    if (found.counterexample !== undefined) {
      violations++;
      say(["  VIOLATION", found.counterexample.problem, ...found.counterexample.trace].join("\n  "));
    }
    states += found.states;
    transitions += found.transitions;
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  say(
    `collection-model: ${chosen.length} scenarios, ${states} states, ${transitions} transitions, violations ${violations}, ${seconds} s`,
  );
  if (violations > 0) process.exitCode = 1;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
