// What the user may choose on the command line of the benchmark.

import path from "node:path";
import { parseArgs } from "node:util";
import { CASES, type Case } from "./cases.ts";
import type { Scale } from "./datasets.ts";
import { TOOL_NAMES, type ToolName } from "./tools.ts";

export const HELP = `Compares Holdfast with restic and borg on this machine: default settings, encryption on, caches warm.

Usage: node bench/bench.ts [options]

  --cases A,B      only these cases: ${CASES.map(({ id }) => id).join(", ")}
  --tools A,B      only these of ${TOOL_NAMES.join(", ")}
  --runs N         runs of every case with every tool; medians are reported (default 5)
  --patience S     wait up to S seconds for a quiet machine before each run, and repeat a run (at most twice) during which
                   something else used 15 % of the processors; for shared machines (default 0: never)
  --scale S        full (default) or small; small needs no network for its data and says nothing about speed
  --data DIR       where peers, data, repositories and results are kept (default build/bench; full scale needs about
                   16 GB, twelve of them kept)
  --holdfast FILE  the Holdfast to measure (default build/holdfast if built, else bin/holdfast.js)
  --mirror URL     Debian mirror to fetch from (default the one that this system uses)
  --prepare        only fetch the peers and make the data
  --help

Peers and data come from Debian packages; nothing is installed. Needs Linux with apt, dpkg, bash, tar and xz.
Exit codes: 0 done, 1 failed, 2 usage, 3 done and a floor is missed (full scale).
`;

export interface Options {
  readonly help: boolean;
  readonly prepare: boolean;
  readonly cases: readonly Case[];
  readonly tools: readonly ToolName[];
  readonly runs: number;
  readonly patienceSeconds: number;
  readonly scale: Scale;
  readonly directory: string;
  readonly holdfast: string | undefined;
  readonly mirror: string | undefined;
}

/** Throws an Error whose message is for the user. */
export function readOptions(args: readonly string[], projectDirectory: string): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      cases: { type: "string" },
      tools: { type: "string" },
      runs: { type: "string", default: "5" },
      patience: { type: "string", default: "0" },
      scale: { type: "string", default: "full" },
      data: { type: "string", default: path.join(projectDirectory, "build/bench") },
      holdfast: { type: "string" },
      mirror: { type: "string" },
      prepare: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const ids = chosen(
    "case",
    values.cases,
    CASES.map(({ id }) => id),
  );
  if (values.scale !== "small" && values.scale !== "full")
    throw new Error(`--scale must be small or full, not "${values.scale}"`);
  return {
    help: values.help,
    prepare: values.prepare,
    cases: CASES.filter(({ id }) => ids.includes(id)),
    tools: chosen("tool", values.tools, TOOL_NAMES),
    runs: wholeNumber("--runs", values.runs, 1),
    patienceSeconds: wholeNumber("--patience", values.patience, 0),
    scale: values.scale,
    directory: path.resolve(values.data),
    holdfast: values.holdfast === undefined ? undefined : path.resolve(values.holdfast),
    mirror: values.mirror,
  };
}

function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`${option} must be a whole number from ${least}, not "${text}"`);
  return value;
}

function chosen<Name extends string>(what: string, list: string | undefined, known: readonly Name[]): readonly Name[] {
  if (list === undefined) return known;
  const names = list.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !known.some((candidate) => candidate === name));
  if (unknown !== undefined) throw new Error(`there is no ${what} "${unknown}"; known are ${known.join(", ")}`);
  return known.filter((name) => names.includes(name));
}
