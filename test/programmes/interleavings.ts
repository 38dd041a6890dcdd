// Writers, two collectors, one who forgets, one who verifies and one who changes the key work on one repository at the same time, in an
// order that comes from a seed alone.
//
//   npm run interleavings                     the full size
//   npm run interleavings -- --size small     what the tests run
//   npm run interleavings -- --runs 500 --first 1000
//   npm run interleavings -- --seed 42        one of them again, with what each actor did
//
// Each actor is a thread with the real library in it, on real files. Before every call of `Files` on the repository it waits for its turn,
// so at any time one of them runs, and no two calls ever happen in another order when the seed is the same. Its worker threads run in its
// own thread, clock and chance are simulated, and nothing is synced: this is about order, not about power.

import { parseArgs } from "node:util";
import { planOf } from "./interleavings/plan.ts";
import { Actors } from "./interleavings/scheduler.ts";
import type { Interleaving } from "./interleavings/scheduler.ts";

const SIZES: Readonly<Record<string, number>> = { small: 12, full: 2000 };

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "full" },
    runs: { type: "string" },
    first: { type: "string", default: "1" },
    seed: { type: "string" },
  },
});

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await using actors = new Actors();
if (values.seed === undefined) await playMany(Number(values.first), Number(values.runs ?? SIZES[values.size]));
else await playOne(Number(values.seed));

async function playOne(seed: number): Promise<void> {
  const plan = planOf(seed);
  const run = await actors.play(plan);
  for (const [number, { name, isElsewhere }] of plan.actors.entries()) {
    const { results } = run.results[number]!;
    say(`${name}${isElsewhere ? " (elsewhere)" : ""}${plan.kill?.actor === number ? " (killed)" : ""}`);
    for (const result of results) say(`  ${JSON.stringify(result)}`);
  }
  report(run);
}

async function playMany(first: number, runs: number): Promise<void> {
  const started = performance.now();
  const counted = { turns: 0, switches: 0, images: 0, violations: 0, pruned: 0, waiting: 0, rescued: 0, ended: 0, killed: 0 };
  for (let seed = first; seed < first + runs; seed++) {
    const plan = planOf(seed);
    const run = await actors.play(plan);
    if (run.violations.length > 0) report(run);
    counted.turns += run.turns;
    counted.switches += run.switches;
    counted.images += run.images;
    counted.violations += run.violations.length;
    for (const result of run.results.flatMap(({ results }) => results)) {
      if (result.kind === "pruned") counted.pruned += result.removed;
      if (result.kind === "pruned") counted.rescued += result.rescued;
      if (result.kind === "pruned" && result.outcome === "waiting") counted.waiting++;
      if (result.kind === "failed" && result.code === "SESSION_ENDED") counted.ended++;
      if (result.kind === "failed" && result.code === "Killed") counted.killed++;
    }
    if ((seed - first) % 100 === 99) say(`${seed - first + 1} of ${runs} runs, violations ${counted.violations}`);
  }
  const seconds = Math.round((performance.now() - started) / 1000);
  const { turns, switches, images, pruned, rescued, waiting, ended, violations } = counted;
  say(
    `interleavings: ${runs} runs from seed ${first}, ${turns} turns, ${switches} changes of actor, ${images} images restored, ` +
      `${pruned} containers removed, ${rescued} segments rescued, ${waiting} prunes waited, ${ended} writers ended, violations ${violations}, ${seconds} s`,
  );
  if (violations > 0) process.exitCode = 1;
}

function report({ seed, turns, trace, violations }: Interleaving): void {
  say(`seed ${seed}: ${turns} turns, trace ${trace.toString(16)}, violations ${violations.length}`);
  for (const violation of violations) say(`  ${violation}`);
}
