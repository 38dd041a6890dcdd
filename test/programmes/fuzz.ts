// Every decoder, with inputs that were valid once.
//
//   npm run fuzz -- --seconds 60                        so many seconds for every target
//   npm run fuzz -- --target key-slot --seconds 600
//   npm run fuzz -- --target key-slot --seed 7 --from 1234 --executions 1      one input once more
//
//   --keep    writes what was found to test/fixtures/fuzz, where a test replays it from then on
//
// A decoder may accept an input or refuse it with a HoldfastError that names what is wrong. Another error, more than a second,
// or more memory than the target allows is a violation; then the exit status is 1.

import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Worker, isMainThread, parentPort, workerData } from "node:worker_threads";
import { fuzz } from "./fuzz/runner.ts";
import type { FuzzOutcome } from "./fuzz/runner.ts";

const FIXTURES = join(import.meta.dirname, "..", "fixtures", "fuzz");
/** Nothing is read for so long: what stands still for this many milliseconds will not come to an end. */
const HANGING_MS = 20_000;

interface Work {
  readonly target: string;
  readonly seed: string;
  readonly seconds: number;
  readonly executions: number;
  readonly from: number;
  /** The number of the input at hand, seen from outside. */
  readonly progress: SharedArrayBuffer;
}

/** Reads in a thread of its own: one that hangs or eats all memory takes nothing with it. */
function runTarget(work: Omit<Work, "progress">): Promise<FuzzOutcome> {
  const progress = new SharedArrayBuffer(8);
  const number = new Float64Array(progress);
  const replay = (): string => `npm run fuzz -- --target ${work.target} --seed ${work.seed} --from ${number[0]} --executions 1`;
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { ...work, progress },
      resourceLimits: { maxOldGenerationSizeMb: 512 },
    });
    let [seen, since] = [-1, performance.now()];
    const watch = setInterval(() => {
      if (number[0] !== seen) [seen, since] = [number[0] ?? -1, performance.now()];
      else if (performance.now() - since > HANGING_MS) end(() => reject(new Error(`${work.target} hangs: ${replay()}`)));
    }, 1_000);
    const end = (settle: () => void): void => {
      clearInterval(watch);
      settle();
      void worker.terminate();
    };
    worker.on("message", (outcome: FuzzOutcome) => end(() => resolve(outcome)));
    worker.on("error", (cause) =>
      end(() => reject(new Error(`${work.target} ended its thread (${String(cause)}): ${replay()}`, { cause }))),
    );
    worker.on("exit", () => end(() => reject(new Error(`${work.target} ended its thread: ${replay()}`))));
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "10" },
      executions: { type: "string", default: "Infinity" },
      target: { type: "string", multiple: true, default: [] },
      seed: { type: "string", default: "1" },
      from: { type: "string", default: "0" },
      keep: { type: "boolean", default: false },
    },
  });
  const { FUZZ_TARGETS } = await import("./fuzz/targets.ts");
  const names = FUZZ_TARGETS.map(({ name }) => name).filter((name) => values.target.length === 0 || values.target.includes(name));
  if (names.length === 0) throw new Error(`No such target; there are ${FUZZ_TARGETS.map(({ name }) => name).join(", ")}`);
  const outcomes: FuzzOutcome[] = [];
  const broken: string[] = [];
  for (const target of names) {
    try {
      const { seed, from, seconds, executions } = values;
      const work = { target, seed, seconds: Number(seconds), executions: Number(executions), from: Number(from) };
      const outcome = await runTarget(work);
      outcomes.push(outcome);
      say(lineOf(outcome));
      for (const { number, what, input } of outcome.violations) {
        say(`  npm run fuzz -- --target ${target} --seed ${seed} --from ${number} --executions 1\n    ${what.slice(0, 2_000)}`);
        if (values.keep) keep(target, input);
      }
    } catch (error) {
      broken.push(target);
      say(String(error));
    }
  }
  const executions = outcomes.reduce((sum, outcome) => sum + outcome.executions, 0);
  const seconds = outcomes.reduce((sum, outcome) => sum + outcome.seconds, 0);
  const violations = broken.length + outcomes.reduce((sum, outcome) => sum + outcome.violations.length, 0);
  say(
    `fuzz: ${names.length} targets, ${executions} executions, ${Math.round(executions / seconds)} executions/s, ${violations} violations`,
  );
  process.exit(violations === 0 ? 0 : 1);
}

function lineOf({ target, executions, accepted, seconds, slowestMs, mostBytes, violations }: FuzzOutcome): string {
  const rate = Math.round(executions / seconds);
  const most = (mostBytes / 1_048_576).toFixed(1);
  return `${target}: ${executions} executions, ${rate}/s, ${accepted} accepted, slowest ${slowestMs.toFixed(0)} ms, at most ${most} MiB, ${violations.length} violations`;
}

function keep(target: string, input: Uint8Array): void {
  const directory = join(FIXTURES, target);
  mkdirSync(directory, { recursive: true });
  const name = createHash("sha256").update(input).digest("hex").slice(0, 12);
  writeFileSync(join(directory, `${name}.bin`), input);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function fuzzInThread({ target: name, progress, ...options }: Work): Promise<void> {
  const { FUZZ_TARGETS } = await import("./fuzz/targets.ts");
  const target = FUZZ_TARGETS.find((candidate) => candidate.name === name);
  if (target === undefined) throw new Error(`There is no target ${name}`);
  const shared = new Float64Array(progress);
  const onInput = (number: number): void => {
    shared[0] = number;
  };
  parentPort?.postMessage(await fuzz(target, { ...options, onInput }), []);
}

await (isMainThread ? main() : fuzzInThread(workerData as Work));
