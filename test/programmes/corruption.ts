// A small real repository with every kind of damage, one at a time.
//
//   npm run corruption -- --size small
//   npm run corruption -- --size full                   hours; all bits of all structural bytes
//   npm run corruption -- --size full --seconds 600     as many of them as that takes, of every kind
//   npm run corruption -- --size full --part 0 --of 2   one half of them, for two processes
//
// For each: somebody notices (opening refuses, or `verify --read-data` reports it), nothing wrong is ever returned, and nothing is
// lost that does not need what was damaged. Otherwise the exit status is 1.

import { parseArgs } from "node:util";
import { tryCorruption } from "./corruption/run.ts";

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "small" },
    seed: { type: "string", default: "1" },
    seconds: { type: "string", default: "Infinity" },
    part: { type: "string", default: "0" },
    of: { type: "string", default: "1" },
    "restore-every": { type: "string", default: "400" },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const report = await tryCorruption({
  size: values.size === "full" ? "full" : "small",
  seed: values.seed,
  seconds: Number(values.seconds),
  part: Number(values.part),
  of: Number(values.of),
  restoreEvery: Number(values["restore-every"]),
  onProgress: say,
});
for (const violation of report.violations) say(`violation: ${violation}`);
let [detected, undetectable] = [0, 0];
for (const [name, figures] of Object.entries(report.groups)) {
  detected += figures.detected;
  undetectable += figures.undetectable;
  say(
    `${name}: ${figures.cases} cases, ${figures.detected} detected, ${figures.undetectable} that are as good as what a person may do`,
  );
}
const rate = report.cases === undetectable ? 100 : (100 * detected) / (report.cases - undetectable);
say(
  `corruption: ${report.cases} of ${report.planned} cases, ${rate.toFixed(2)} % detected, ${report.restores} full restores, ` +
    `${report.violations.length} violations, ${Math.round(report.cases / report.seconds)} cases/s`,
);
process.exitCode = report.violations.length === 0 ? 0 : 1;
