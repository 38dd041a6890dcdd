// Kills the program at every call that changes a file, and looks at what is left.
//
//   npm run kill-points -- --size full
//   npm run kill-points -- --only "next backup" --at "worker rename 1"

import { rmSync } from "node:fs";
import { LOST } from "./judge.ts";
import { runProgramme } from "./programme.ts";
import type { ProgrammeOptions } from "./programme.ts";
import { SHIFTS, Strikes, chooseStrikes, describeStrike, inParallel } from "./strikes.ts";
import type { Strike } from "./strikes.ts";
import { WRITING_CALLS, isCreation } from "./system-calls.ts";
import { Place } from "./stage.ts";

const SMALL_COUNT = 40;

export interface KillPointsReport {
  /** Calls of all workloads, and how many of the chosen ones were the last of a process. */
  readonly points: number;
  readonly chosen: number;
  readonly covered: number;
  /** Kinds of place: thread, call and kind of file; and how many of those that were chosen were met. */
  readonly sites: number;
  readonly sitesCovered: number;
  readonly kills: number;
  readonly lost: number;
  readonly violations: readonly string[];
}

export async function killPoints(options: ProgrammeOptions): Promise<KillPointsReport> {
  const { size, seed, jobs, say } = options;
  const startedMs = performance.now();
  using strikes = new Strikes();
  const isWanted = (call: string, words: string): boolean => call !== "openat" || isCreation(words);
  const ready = await strikes.makeAllReady(options, WRITING_CALLS, isWanted);
  const all = ready.flatMap((one) =>
    one.trace.points.map((point): Strike => ({ ready: one, point, fault: "signal=KILL", forGood: false })),
  );
  const siteOf = ({ point }: Strike): readonly string[] => [point.site];
  const chosen = chooseStrikes(all, options, siteOf, SMALL_COUNT);

  const violations: string[] = [];
  let covered = 0;
  const sitesCovered = new Set<string>();
  let kills = 0;
  const kill = async (strike: Strike, job: number): Promise<void> => {
    const place = new Place(strike.ready.stage.at(`run-${job}`));
    let isHit = false;
    for (const shift of SHIFTS) {
      const { outcome, hit } = await strikes.run(strike, place, shift);
      if (outcome.signal === "SIGKILL") kills++;
      isHit = outcome.signal === "SIGKILL" && hit?.ordinal === strike.point.ordinal && hit.site === strike.point.site;
      try {
        await strikes.judge(strike, place, outcome);
      } catch (error) {
        violations.push(`${describeStrike(strike)}\n${error instanceof Error ? error.message : String(error)}`);
        say(violations.at(-1) ?? "");
        break;
      }
      if (isHit) break;
    }
    if (isHit) {
      covered++;
      sitesCovered.add(strike.point.site);
    } else say(`not reached: ${describeStrike(strike)}`);
    rmSync(place.directory, { recursive: true, force: true });
  };
  for (const { workload, trace } of ready) {
    const own = chosen.filter((strike) => strike.ready.workload === workload);
    const before = covered;
    await inParallel(own, jobs, kill);
    say(`${workload.name}: killed at ${covered - before} of ${trace.points.length} calls`);
  }
  const lost = violations.filter((text) => text.includes(LOST)).length;
  const sites = new Set(chosen.flatMap(siteOf)).size;
  const report = {
    points: all.length,
    chosen: chosen.length,
    covered,
    sites,
    sitesCovered: sitesCovered.size,
    kills,
    lost,
    violations,
  };
  say(
    `kill-points (${size}, seed ${seed}): ${covered} of ${all.length} calls in ${ready.length} workloads were the last of a process ` +
      `(${sitesCovered.size} of ${sites} kinds of place); acknowledged but lost ${lost}, other violations ${violations.length - lost}; ${Math.round((performance.now() - startedMs) / 1_000)} s`,
  );
  return report;
}

if (import.meta.main) await runProgramme("kill-points", killPoints);
