// Every sequence of up to three operations and of what may happen between them, cut off by a power failure at every call of the
// last that changes the disk (docs/testing.md).
//
//   npm run crash-states -- --states 100000 --seed 1
//   npm run crash-states -- --seed 7 --only backup,forget       sequences that begin so; also "container damaged" and what
//                                                               else may happen (crash-states/events.ts)
//
// The last line has the figures; the status is 1 when anything promised was broken.

import { parseArgs } from "node:util";
import { Exploration } from "./crash-states/explore.ts";
import type { ExploreOptions, Figures } from "./crash-states/explore.ts";

const { values } = parseArgs({
  options: {
    states: { type: "string", default: "5000" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
  },
});
const seed = Number(values.seed);
const only = values.only?.split(",") as ExploreOptions["only"];
const started = performance.now();
const seconds = (): number => Math.round((performance.now() - started) / 1000);

const exploration = new Exploration({
  states: Number(values.states),
  seed,
  ...(only === undefined ? {} : { only }),
  onViolation: ({ sequence, crash, problem }) => {
    const lines = [`VIOLATION (--seed ${seed}): ${sequence.join(", ")}`, ...crash, problem];
    process.stdout.write(`${lines.join("\n  ")}\n`);
  },
  onProgress: ({ judged, violations }) => {
    if (judged % 5_000 === 0) process.stderr.write(`${judged} states, ${violations} violations, ${seconds()} s\n`);
  },
});
const figures = await exploration.run();
process.stdout.write(`${closingLine(figures)}\n`);
process.exitCode = figures.violations > 0 ? 1 : 0;

function closingLine({ made, judged, inRecovery, damaged, crashPoints, sequences, violations }: Figures): string {
  return (
    `crash-states: ${made} states tried, ${judged} distinct (${inRecovery} after a second failure in recovery, ${damaged} after damage), ` +
    `${crashPoints} crash points, ${sequences} sequences, ${violations} violations, seed ${seed}, ${seconds()} s`
  );
}
