// Every sequence of up to three operations, and of damage and interruptions between them; every call of the last operation as the
// moment when the power goes; and of what it may leave as many states as asked for. Sequences that begin alike share their
// beginning: each is run once.

import { createHash } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { fingerprintOf } from "../../../src/platform/disk-fingerprint.ts";
import { seededStream } from "../../../src/platform/seeded-stream.ts";
import { SimulatedFiles } from "../../../src/platform/simulated-files.ts";
import type { CrashState } from "../../../src/platform/simulated-files.ts";
import type { SimulatedDisk } from "../../../src/platform/simulated-disk.ts";
import { EVENT_NAMES, happen } from "./events.ts";
import type { EventName, Situation } from "./events.ts";
import { judge } from "./judge.ts";
import type { Step } from "./judge.ts";
import { NOTHING, expectationsOf } from "./model.ts";
import type { Interruption } from "./model.ts";
import { OPERATIONS, begun, operate } from "./operations.ts";
import type { OperationName } from "./operations.ts";
import type { ProcessContext } from "./simulated-process.ts";
import { Violation, described } from "./violation.ts";

// Most memory here is short-lived and outside of the heap; cleaning up after every few megabytes takes a third of the time.
setFlagsFromString("--heap-growing-percent=400");

export interface ExploreOptions {
  /** Distinct states to judge. */
  readonly states: number;
  readonly seed: number;
  /** Only sequences that begin with these operations. */
  readonly only?: readonly (OperationName | EventName)[];
  /** The disk confirms every sync and keeps nothing: what is promised does not hold then, and the judge must see it. */
  readonly liesAboutSyncs?: boolean;
  readonly onViolation: (violation: FoundViolation) => void;
  readonly onProgress?: (figures: Figures) => void;
}

export interface FoundViolation {
  readonly sequence: readonly string[];
  /** The call after which the power went, and again in the recovery if it did. */
  readonly crash: readonly string[];
  readonly problem: string;
}

export interface Figures {
  sequences: number;
  /** Calls after which the power went in at least one state. */
  crashPoints: number;
  /** States that were made, of which some are alike. */
  made: number;
  /** States that were judged, no two of them alike. */
  judged: number;
  /** Of these, with a second power failure during recovery. */
  inRecovery: number;
  /** Of these, of a repository in which something was damaged before. */
  damaged: number;
  violations: number;
}

/** An operation with a picture of the disk after each of its calls: those after `from`, up to `to`. */
interface Recorded {
  readonly sequence: readonly string[];
  readonly files: SimulatedFiles;
  readonly from: number;
  readonly to: number;
  readonly interruption: Interruption;
}

const OPERATION_NAMES = Object.keys(OPERATIONS) as OperationName[];
const PREPARED = "(two backups)";
const LONGEST = 3;
/** So many states of a sequence in one round: the next one damages other files and cuts off at other moments. */
const MOST_AT_ONCE = 12;
/** Of so many judged states, one is interrupted again at a few calls of its recovery. */
const RECOVERY_SHARE = 16;
/** Of so many, one is looked at by a fresh process in the end. */
const FRESH_SHARE = 5;
const RECOVERY_STATES = 2;

export class Exploration {
  readonly figures: Figures = { sequences: 0, crashPoints: 0, made: 0, judged: 0, inRecovery: 0, damaged: 0, violations: 0 };
  readonly #options: ExploreOptions;
  readonly #judged = new Set<string>();
  /** Rounds differ in it: each looks at other calls and other states. */
  #round = 0;

  constructor(options: ExploreOptions) {
    this.#options = options;
  }

  /** Until as many states are judged as asked for, or three rounds bring nothing new. */
  async run(): Promise<Figures> {
    const sequences = sequenceCount();
    for (let barren = 0; this.figures.judged < this.#options.states && barren < 3; this.#round++) {
      const before = this.figures.judged;
      const missing = this.#options.states - before;
      const quota = Math.min(MOST_AT_ONCE, Math.ceil(missing / sequences));
      await this.#branch([], { files: new SimulatedFiles(), model: NOTHING }, quota);
      await this.#branch([PREPARED], await this.#prepared(), quota);
      barren = this.figures.judged === before ? barren + 1 : 0;
    }
    return this.figures;
  }

  /** What sequences that do not begin with `init` begin with. */
  async #prepared(): Promise<Situation> {
    const files = new SimulatedFiles();
    let model = NOTHING;
    for (const name of ["init", "backup", "backup"] as const) model = await operate(name, files, model, this.#context(0));
    return { files, model };
  }

  #context(failures: number): ProcessContext {
    return { bootId: `boot-${failures}`, seed: String(this.#options.seed) };
  }

  async #branch(sequence: readonly string[], { files, model }: Situation, quota: number): Promise<void> {
    const isPrepared = sequence[0] === PREPARED;
    const length = sequence.length - (isPrepared ? 1 : 0);
    if (length === LONGEST) return;
    const { only } = this.#options;
    const isAsked = (name: string): boolean => (only?.[length] ?? name) === name;
    for (const name of OPERATION_NAMES.filter(isAsked)) {
      // Without a repository there is nothing else to do; with one prepared, that is no beginning.
      if (length === 0 && (name === "init") === isPrepared) continue;
      const next = [...sequence, name];
      if (this.#round === 0) this.figures.sequences += 1;
      const recording = files.copy({ record: true, losesSync: () => this.#options.liesAboutSyncs === true });
      const after = await this.#attempt(next, () => operate(name, recording, model, this.#context(0)));
      if (after === undefined) continue;
      const interruption = { before: begun(name, model), after };
      await this.#interrupt({ sequence: next, files: recording, from: 0, to: recording.calls, interruption }, quota);
      await this.#branch(next, { files: recording.copy(), model: after }, quota);
    }
    // Something happens between two operations, and each thing once.
    if (length === LONGEST - 1) return;
    for (const name of EVENT_NAMES.filter(isAsked)) {
      if (sequence.includes(name)) continue;
      const next = [...sequence, name];
      const context = { ...this.#context(0), chance: this.#stream(next.join()).below(2 ** 30) };
      const situation = await this.#attempt(next, () => happen(name, { files, model }, context));
      if (situation !== undefined) await this.#branch(next, situation, quota);
    }
  }

  /** What fails although the power stays is told, and nothing comes after it. */
  async #attempt<T>(sequence: readonly string[], work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.figures.violations += 1;
      this.#options.onViolation({ sequence, crash: ["nothing is cut off"], problem: described(error) });
      return undefined;
    }
  }

  /** Judges up to `quota` states of this operation. */
  async #interrupt(recorded: Recorded, quota: number): Promise<void> {
    const { files } = recorded;
    // Such as making a repository where there is one.
    if (files.calls === 0) return;
    const stream = this.#stream(recorded.sequence.join());
    let judged = 0;
    const order = shuffled(files.calls, stream);
    if (this.#round === 0) this.figures.crashPoints += order.length;
    const limit = Math.max(8, Math.ceil((2 * quota) / order.length));
    // The first state of each is of another kind, so that few states are of all kinds.
    let points = order.map((call, number) => ({
      call,
      states: files.crashStates(call, { limit, seed: 5 * stream.below(2 ** 28) + number }),
    }));
    while (points.length > 0) {
      const unfinished: typeof points = [];
      for (const point of points) {
        if (judged >= quota || this.figures.judged >= this.#options.states) return;
        const { value: state } = point.states.next() as IteratorResult<CrashState, undefined>;
        if (state === undefined) continue;
        unfinished.push(point);
        const crash = [`call ${point.call} of ${files.calls} (${files.callAt(point.call)}), ${state.survival}`];
        if (await this.#judge(recorded.sequence, crash, state.disk, interruptionAt(recorded, point.call))) judged += 1;
      }
      points = unfinished;
    }
  }

  /** False when a state like this one was judged before. */
  async #judge(
    sequence: readonly string[],
    crash: readonly string[],
    disk: SimulatedDisk,
    interruption: Interruption,
  ): Promise<boolean> {
    const { figures } = this;
    figures.made += 1;
    const identity = identityOf(disk, interruption);
    if (this.#judged.has(identity)) return false;
    this.#judged.add(identity);
    figures.judged += 1;
    if (crash.length > 1) figures.inRecovery += 1;
    if (interruption.after.damage !== undefined) figures.damaged += 1;
    const steps: Recorded[] = [];
    const goesOn = crash.length === 1 && figures.judged % RECOVERY_SHARE === 0;
    try {
      const onStep = (step: Step): void => void steps.push({ ...step, sequence: [...sequence, `recovery by ${step.name}`] });
      const looksAfresh = figures.judged % FRESH_SHARE === 0;
      const repairsFirst = figures.judged % 2 === 0;
      const options = { ...this.#context(crash.length), looksAfresh, repairsFirst };
      await judge(disk, interruption, { ...options, ...(goesOn ? { onStep } : {}) });
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      figures.violations += 1;
      this.#options.onViolation({ sequence, crash, problem: error.message });
    }
    this.#options.onProgress?.(figures);
    for (const step of steps) await this.#interruptRecovery(crash, step);
    return true;
  }

  async #interruptRecovery(crash: readonly string[], recorded: Recorded): Promise<void> {
    const { sequence, files, from, to } = recorded;
    const stream = this.#stream(crash.join());
    for (let count = 0; count < RECOVERY_STATES; count++) {
      const call = from + 1 + stream.below(to - from);
      const states = [...files.crashStates(call, { limit: 8, seed: stream.below(2 ** 30) })];
      const state = states[stream.below(states.length)];
      if (state === undefined || this.figures.judged >= this.#options.states) return;
      const again = `then call ${call - from} of ${to - from} (${files.callAt(call)}), ${state.survival}`;
      await this.#judge(sequence, [...crash, again], state.disk, interruptionAt(recorded, call));
    }
  }

  #stream(what: string): ReturnType<typeof seededStream> {
    const hash = createHash("sha256").update(`${this.#options.seed} ${this.#round} ${what}`).digest();
    return seededStream(hash.readUInt32LE(0));
  }
}

/** After the last call the operation was acknowledged: what it did must be there. */
function interruptionAt({ to, interruption }: Recorded, call: number): Interruption {
  const { after } = interruption;
  return call === to ? { before: after, after } : interruption;
}

/** About as many as there are: not everything can happen everywhere. */
function sequenceCount(): number {
  const [many, events] = [OPERATION_NAMES.length, EVENT_NAMES.length];
  return many + (many + events) * many + (many + events) ** 2 * many;
}

/** The numbers 1 … count in an order of chance. */
function shuffled(count: number, stream: ReturnType<typeof seededStream>): number[] {
  const numbers = Array.from({ length: count }, (_, position) => position + 1);
  for (let position = count - 1; position > 0; position--) {
    const other = stream.below(position + 1);
    [numbers[position], numbers[other]] = [numbers[other] as number, numbers[position] as number];
  }
  return numbers;
}

/** The same for states that are alike in every byte and of which the same is expected. */
function identityOf(disk: SimulatedDisk, { before, after }: Interruption): string {
  return [...[before, after].map(expectationsOf), fingerprintOf(disk)].join("\n");
}
