// What both programmes share: workloads made ready with their calls counted, one run struck at one call and judged, and
// the choice of calls for a small size.

import assert from "node:assert/strict";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededNumbers } from "../../src/engine/testing.ts";
import { Workplace, holdfast } from "../support/holdfast-process.ts";
import type { Outcome } from "../support/holdfast-process.ts";
import { assertNextRunWorks, assertPromiseKept } from "./judge.ts";
import { aimAt, readTrace, shimEnvironment, strace } from "./system-calls.ts";
import type { CallPoint, Trace } from "./system-calls.ts";
import { Place, Stage, isAcknowledged } from "./stage.ts";
import type { ProgrammeOptions } from "./programme.ts";
import { WORKLOADS } from "./workloads.ts";
import type { Prepared, Workload } from "./workloads.ts";

/** A workload with its template, and the calls that its command makes on our files. */
export interface Ready {
  readonly workload: Workload;
  readonly stage: Stage;
  readonly prepared: Prepared;
  readonly trace: Trace;
  /** Which calls count as points. */
  readonly isWanted: CallFilter;
}

type CallFilter = (call: string, words: string) => boolean;

export interface Strike {
  readonly ready: Ready;
  readonly point: CallPoint;
  /** As strace understands it: "signal=KILL", "error=EIO". */
  readonly fault: string;
  /** All calls of this name that follow in the thread as well. */
  readonly forGood: boolean;
}

/**
 * For tries at one call: the allocator of the C library opens a file of the system now and then, so that others come one sooner
 * or later.
 */
export const SHIFTS: readonly number[] = [0, -1, 1, 0, -2, 2];

export interface Struck {
  readonly outcome: Outcome;
  /** The call that was struck; undefined when the run never came to it. */
  readonly hit: CallPoint | undefined;
}

/** Compiled code of the program, kept for one run of a programme: every process loads the same files then. */
export class Strikes implements Disposable {
  readonly #cache = new Workplace(mkdtempSync(join(tmpdir(), "holdfast-programme-")));
  readonly #stages: Stage[] = [];

  [Symbol.dispose](): void {
    for (const stage of this.#stages) stage[Symbol.dispose]();
    this.#cache[Symbol.dispose]();
  }

  /** All workloads, or the one of this name, ready to be struck at `calls`, in their usual order. */
  async makeAllReady(options: ProgrammeOptions, calls: readonly string[], isWanted: CallFilter): Promise<readonly Ready[]> {
    const workloads = WORKLOADS.filter(({ name }) => options.only === undefined || name === options.only);
    const ready: Ready[] = [];
    await inParallel(workloads, options.jobs, async (workload) => {
      ready.push(await this.#makeReady(workload, calls, isWanted));
    });
    return ready.toSorted((a, b) => WORKLOADS.indexOf(a.workload) - WORKLOADS.indexOf(b.workload));
  }

  /** Prepares the template, then runs the command undisturbed to learn its calls. */
  async #makeReady(workload: Workload, calls: readonly string[], isWanted: CallFilter): Promise<Ready> {
    const stage = new Stage();
    this.#stages.push(stage);
    const prepared = await workload.prepare(stage);
    const place = new Place(stage.at("counted"));
    const tracePath = stage.at("counted.trace");
    // Twice: the first run may load files that the next ones find compiled.
    for (let round = 0; round < 2; round++) {
      stage.template.copyTo(place);
      const under = strace({ calls, tracePath, follow: true });
      const outcome = await this.#run(prepared, place, { under, env: shimEnvironment() });
      assert.equal(outcome.status, 0, `${workload.name}: ${outcome.stdout}${outcome.stderr}`);
      await assertPromiseKept(place, prepared, true);
      assert.deepEqual(place.leftovers(), [], workload.name);
    }
    return { workload, stage, prepared, trace: readTrace(tracePath, this.#reading(place, isWanted)), isWanted };
  }

  /** Runs the command with its fault. */
  async run(strike: Strike, place: Place, shift = 0): Promise<Struck> {
    const { ready, point, fault, forGood } = strike;
    ready.stage.template.copyTo(place);
    const aim = aimAt(point, ready.trace.totals, shift);
    const tracePath = `${place.directory}.trace`;
    const inject = `${point.call}:${fault}:when=${aim.when}${forGood ? "+" : ""}`;
    const calls = aim.follow && point.call !== "openat" ? [point.call, "openat"] : [point.call];
    const under = strace({ calls, tracePath, follow: aim.follow, inject });
    const outcome = await this.#run(ready.prepared, place, { under, env: aim.env });
    const { points } = readTrace(tracePath, this.#reading(place, ready.isWanted));
    const hit = points.find(({ role, call, when }) => role === point.role && call === point.call && when === aim.when);
    return { outcome, hit };
  }

  /** What must hold at once, and after the next run; in a copy, since looking at a repository brings its catalog up to date. */
  async judge({ ready: { prepared } }: Strike, place: Place, outcome: Outcome): Promise<void> {
    const copy = new Place(`${place.directory}-copy`);
    place.copyTo(copy);
    await assertPromiseKept(copy, prepared, isAcknowledged(outcome));
    await assertNextRunWorks(place, prepared);
  }

  #run(
    prepared: Prepared,
    place: Place,
    options: { readonly under: readonly string[]; readonly env: Record<string, string> | Readonly<Record<string, string>> },
  ): Promise<Outcome> {
    const env = { ...options.env, NODE_COMPILE_CACHE: this.#cache.at("compiled") };
    return holdfast(place.words(...prepared.command), { under: options.under, env });
  }

  #reading(place: Place, isWanted: CallFilter): Parameters<typeof readTrace>[1] {
    return {
      isOurs: (path) => path.startsWith(`${place.directory}/`),
      siteOf: (path) => siteOf(path.slice(place.directory.length + 1)),
      isWanted,
    };
  }
}

/** "repository/index/5f…" and "repository/index/.tmp-…" are each one kind of file. */
function siteOf(path: string): string {
  return path
    .replaceAll(/\.tmp-[^/]*/g, ".tmp-*")
    .replaceAll(/(?<=\/|^)(?:\.removing-)?[0-9a-f]{16,}(?=[/.]|$)/g, "*")
    .replaceAll(/(?<=\/)[0-9a-f]{2}(?=\/|$)/g, "xx")
    .replaceAll(/(?<=\/)\d{8,}/g, "*")
    .replace(/ \(deleted\)$/, "");
}

/** For the full size all strikes, or those at the call that was named; for each call one; or a choice of every kind. */
export function chooseStrikes(
  strikes: readonly Strike[],
  { at, size, seed }: ProgrammeOptions,
  keysOf: (strike: Strike) => readonly string[],
  smallCount: number,
): readonly Strike[] {
  const matching = strikes.filter(({ point }) => at === undefined || at === `${point.role} ${point.call} ${point.ordinal}`);
  if (size === "full") return matching;
  return size === "each" ? oneOfEach(matching, seed) : sample(matching, keysOf, smallCount, seed);
}

export function describeStrike({ ready, point, fault, forGood }: Strike): string {
  return `${ready.workload.name}: ${fault}${forGood ? " for good" : ""} at ${point.site}, --only "${ready.workload.name}" --at "${point.role} ${point.call} ${point.ordinal}"`;
}

/** For each call one of the ways in which it may be struck, in turn. */
function oneOfEach(strikes: readonly Strike[], seed: number): Strike[] {
  const ways = Map.groupBy(strikes, ({ point }) => point);
  return [...ways.values()].map((of, index) => of[(index + seed) % of.length] as Strike);
}

/**
 * One strike for each value of each key, at random, then as many more as are wanted: every kind at least once, and no two
 * runs of the same seed differ.
 */
function sample(
  strikes: readonly Strike[],
  keysOf: (strike: Strike) => readonly string[],
  count: number,
  seed: number,
): Strike[] {
  const next = seededNumbers(seed);
  const shuffled = strikes.map((strike) => ({ strike, order: next() })).toSorted((a, b) => a.order - b.order);
  const seen = new Set<string>();
  const chosen: Strike[] = [];
  const rest: Strike[] = [];
  for (const { strike } of shuffled) {
    const keys = keysOf(strike);
    const isNew = keys.some((key) => !seen.has(key));
    for (const key of keys) seen.add(key);
    (isNew ? chosen : rest).push(strike);
  }
  return [...chosen, ...rest.slice(0, Math.max(0, count - chosen.length))];
}

/** Each item once, `jobs` at a time; each job has its number. */
export async function inParallel<T>(
  items: readonly T[],
  jobs: number,
  work: (item: T, job: number) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  await Promise.all(
    Array.from({ length: jobs }, async (_, job) => {
      for (const item of waiting) await work(item, job);
    }),
  );
}
