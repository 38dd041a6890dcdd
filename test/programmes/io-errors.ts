// Lets the program's calls on files fail, one after the other, once and for good, and looks at what it says and leaves.
//
//   npm run io-errors -- --size each                        every call once, in one of the ways in which it may fail
//   npm run io-errors -- --size full                        every call in every way, once and for good: a night
//   npm run io-errors -- --only "next backup" --at "main fsync 3"

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { hasTool, holdfast, assertNoStackTrace } from "../support/holdfast-process.ts";
import type { Outcome } from "../support/holdfast-process.ts";
import { LOST, assertNextRunWorks, assertPromiseKept } from "./judge.ts";
import { runProgramme } from "./programme.ts";
import type { ProgrammeOptions } from "./programme.ts";
import { SHIFTS, Strikes, chooseStrikes, describeStrike, inParallel } from "./strikes.ts";
import type { Ready, Strike } from "./strikes.ts";
import { READING_CALLS, WRITING_CALLS } from "./system-calls.ts";
import type { CallPoint } from "./system-calls.ts";
import { Place, isAcknowledged } from "./stage.ts";

const SMALL_COUNT = 40;

/** Those that change something whatever their words are. */
const WRITING: ReadonlySet<string> = new Set<string>(WRITING_CALLS.filter((call) => call !== "openat"));

/** How each call may fail. A write that takes nothing is the only short one that can be injected: strace makes no call then. */
const FAULTS: Readonly<Record<string, readonly string[]>> = {
  pwrite64: ["error=EIO", "error=ENOSPC", "retval=0"],
  write: ["error=EIO", "error=ENOSPC"],
  fsync: ["error=EIO"],
  fdatasync: ["error=EIO"],
  ftruncate: ["error=EIO"],
  rename: ["error=EIO", "error=ENOSPC"],
  link: ["error=EIO", "error=ENOSPC"],
  unlink: ["error=EIO", "error=EROFS"],
  rmdir: ["error=EIO"],
  mkdir: ["error=ENOSPC", "error=EROFS"],
  openat: ["error=EMFILE", "error=EIO", "error=EROFS"],
  read: ["error=EIO"],
  pread64: ["error=EIO"],
  getdents64: ["error=EIO"],
};

/** Files end here: what is written over the limit is written in part, and the rest refused. */
const SIZE_LIMITS = [1, 100, 300, 512, 1_000, 4_095, 4_097, 8_192, 20_000, 50_000, 100_000, 300_000];

export interface IoErrorsReport {
  readonly runs: number;
  readonly calls: number;
  readonly sites: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly lost: number;
  readonly violations: readonly string[];
}

export async function ioErrors(options: ProgrammeOptions): Promise<IoErrorsReport> {
  const { size, seed, jobs, at, say } = options;
  const startedMs = performance.now();
  using strikes = new Strikes();
  const calls = [...new Set([...WRITING_CALLS, ...READING_CALLS])].filter((call) => FAULTS[call] !== undefined);
  const ready = await strikes.makeAllReady(options, calls, () => true);
  const all = ready.flatMap((one) =>
    one.trace.points.flatMap((point) =>
      (FAULTS[point.call] ?? []).flatMap((fault) =>
        // No system takes nothing for ever and says that all is well.
        (fault === "retval=0" ? [false] : [false, true]).map((forGood): Strike => ({ ready: one, point, fault, forGood })),
      ),
    ),
  );
  // For the small size all reading is one kind of place for each call: there is much of it, in one way through few functions.
  const placeOf = ({ call, site }: CallPoint): string => (WRITING.has(call) || site.includes(".tmp-") ? site : call);
  const keysOf = ({ point, fault, forGood }: Strike): readonly string[] => [placeOf(point), `${point.call} ${fault} ${forGood}`];
  const chosen = chooseStrikes(all, options, keysOf, SMALL_COUNT);

  const violations: string[] = [];
  const struck = new Set<string>();
  const counts = { succeeded: 0, failed: 0, runs: 0 };
  const note = async (what: string, outcome: Outcome, judge: () => Promise<void>): Promise<void> => {
    counts.runs++;
    counts[outcome.status === 0 ? "succeeded" : "failed"]++;
    try {
      assertHonest(outcome);
      await judge();
    } catch (error) {
      const said = `ended with ${outcome.status ?? outcome.signal}: ${outcome.stdout.slice(-600)}${outcome.stderr.slice(-600)}`;
      violations.push(`${what}\n${error instanceof Error ? error.message : String(error)}\n${said}`);
      say(violations.at(-1) ?? "");
    }
  };
  const strikeOne = async (strike: Strike, job: number): Promise<void> => {
    const place = new Place(strike.ready.stage.at(`run-${job}`));
    for (const shift of SHIFTS) {
      const { outcome, hit } = await strikes.run(strike, place, shift);
      // A call on a file of somebody else: another matter.
      if (hit?.site !== strike.point.site) continue;
      struck.add(keyOf(strike));
      await note(describeStrike(strike), outcome, () => strikes.judge(strike, place, outcome));
      break;
    }
    if (!struck.has(keyOf(strike))) say(`not reached: ${describeStrike(strike)}`);
    rmSync(place.directory, { recursive: true, force: true });
  };
  for (const { workload } of ready) {
    const own = chosen.filter((strike) => strike.ready.workload === workload);
    const before = counts.runs;
    await inParallel(own, jobs, strikeOne);
    say(`${workload.name}: ${counts.runs - before} runs`);
  }
  if (at === undefined) await shortWrites(ready, options, note);

  const reachable = new Set(all.map(keyOf)).size;
  const lost = violations.filter((text) => text.includes(LOST)).length;
  const sites = new Set(chosen.map(({ point }) => point.site)).size;
  say(
    `io-errors (${size}, seed ${seed}): ${struck.size} of ${reachable} calls in ${ready.length} workloads failed (${sites} kinds of place), ` +
      `${counts.runs} runs: ${counts.failed} ended with an error, ${counts.succeeded} rightly with success; ` +
      `acknowledged but lost ${lost}, other violations ${violations.length - lost}; ${Math.round((performance.now() - startedMs) / 1_000)} s`,
  );
  return { ...counts, calls: struck.size, sites, lost, violations };
}

function keyOf({ ready, point }: Strike): string {
  return `${ready.workload.name} ${point.role} ${point.call} ${point.ordinal}`;
}

type Note = (what: string, outcome: Outcome, judge: () => Promise<void>) => Promise<void>;

/** Short writes for real: a limit on the size of files. */
async function shortWrites(ready: readonly Ready[], { size, jobs, seed }: ProgrammeOptions, note: Note): Promise<void> {
  if (!hasTool("prlimit")) return;
  const all = ready.flatMap((one) => SIZE_LIMITS.map((limit) => ({ one, limit })));
  const chosen = size === "small" ? all.filter((_, index) => (index + seed) % 19 === 0) : all;
  await inParallel(chosen, jobs, async ({ one, limit }, job) => {
    const { stage, prepared, workload } = one;
    const place = new Place(stage.at(`run-${job}`));
    stage.template.copyTo(place);
    const outcome = await holdfast(place.words(...prepared.command), { under: ["prlimit", `--fsize=${limit}`] });
    await note(`${workload.name}: files may have ${limit} bytes`, outcome, async () => {
      const copy = new Place(`${place.directory}-copy`);
      place.copyTo(copy);
      await assertPromiseKept(copy, prepared, isAcknowledged(outcome));
      await assertNextRunWorks(place, prepared);
    });
  });
}

/** It ended by itself, and a failure is said in words for people. */
function assertHonest(outcome: Outcome): void {
  assert.equal(outcome.signal, undefined, "it had to be killed, or ended by a signal");
  assertNoStackTrace(outcome);
  if (outcome.status === 0) return;
  assert.equal(outcome.status, 1, "not the status of a failure");
  const said = `${outcome.stdout}${outcome.stderr}`;
  assert.match(said, /"event":"(?:error|notice)".*"message":"[^"]|"event":"(?:damage|loss)".*"problem":"[^"]/, "no message");
}

if (import.meta.main) await runProgramme("io-errors", ioErrors);
