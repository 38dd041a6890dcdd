// The words of the programmes' command lines, and what they print.

import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { whyNot } from "../support/holdfast-process.ts";

export interface ProgrammeOptions {
  /** "each": every call once, in one way; "full": every call in every way. */
  readonly size: "small" | "each" | "full";
  /** Of the choice that a smaller size makes. */
  readonly seed: number;
  /** How many runs at once. */
  readonly jobs: number;
  /** This workload alone. */
  readonly only?: string | undefined;
  /** This call alone, as a failure names it. */
  readonly at?: string | undefined;
  readonly say: (line: string) => void;
}

const WORDS = {
  size: { type: "string", default: "small" },
  seed: { type: "string", default: "1" },
  jobs: { type: "string", default: String(availableParallelism()) },
  only: { type: "string" },
  at: { type: "string" },
} as const;

/** Runs a programme as the words of the process say; its exit status tells whether all was well. */
export async function runProgramme(
  name: string,
  run: (options: ProgrammeOptions) => Promise<{ readonly violations: readonly string[] }>,
): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const missing = whyNoStrace();
  if (missing !== false) {
    say(`${name}: not run: ${missing}`);
    return;
  }
  const { size, seed, jobs, only, at } = parseArgs({ options: WORDS }).values;
  if (size !== "small" && size !== "each" && size !== "full") throw new Error(`--size is small, each or full, not ${size}`);
  const { violations } = await run({ size, seed: Number(seed), jobs: Number(jobs), only, at, say });
  process.exitCode = violations.length > 0 ? 1 : 0;
}

/** False, or why nothing can be struck here. Some containers have strace and do not let it trace. */
export function whyNoStrace(): string | false {
  const missing = whyNot({ tools: ["strace"] });
  if (missing !== false) return missing;
  const { status, stderr } = spawnSync("strace", ["-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO", "true"], {
    encoding: "utf8",
  });
  return status !== 0 && `strace does not work here: ${stderr.trim()}`;
}

export function seedOfTests(): number {
  return Number(process.env["HOLDFAST_TEST_SEED"] ?? 1);
}
