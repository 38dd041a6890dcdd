// The worker threads as the planning thread sees them. Tasks that were planned together lie in the order of the
// containers, which is nearly that of the directories. Each thread gets a stretch of its own of them and helps the others
// only when it has finished, so that two threads seldom create files in the same directory, where the kernel would let one wait
// for the other.

import { HoldfastError, messageOf } from "../base/errors.ts";
import type { RestoreThread } from "./parts.ts";

export interface PoolTask {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Runs when the results are there. */
  readonly done: (results: Uint8Array) => void;
}

interface Lane {
  readonly thread: RestoreThread;
  readonly tasks: PoolTask[];
  inFlight: number;
}

/** The second waits in the thread's own queue, so that it never waits for us. */
const TASKS_PER_THREAD = 2;

export class TaskPool {
  readonly #lanes: readonly Lane[];
  #pending = 0;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #isCancelled = false;

  constructor(threads: readonly RestoreThread[]) {
    this.#lanes = threads.map((thread) => ({ thread, tasks: [], inFlight: 0 }));
  }

  /** Tasks waiting or on their way. */
  get pending(): number {
    return this.#pending;
  }

  get threadCount(): number {
    return this.#lanes.length;
  }

  /** Divides tasks into stretches, one for each thread. */
  add(tasks: readonly PoolTask[]): void {
    const count = this.#lanes.length;
    this.#lanes.forEach((lane, number) => {
      for (const task of tasks.slice(
        Math.floor((number * tasks.length) / count),
        Math.floor(((number + 1) * tasks.length) / count),
      )) {
        lane.tasks.push(task);
      }
    });
    this.#pending += tasks.length;
    this.#start();
  }

  /** For the thread that has least to do. */
  addOne(task: PoolTask): void {
    const waiting = (lane: Lane): number => lane.tasks.length + lane.inFlight;
    const idlest = this.#lanes.reduce((best, lane) => (waiting(lane) < waiting(best) ? lane : best));
    idlest.tasks.push(task);
    this.#pending++;
    this.#start();
  }

  /** Resolves when at most `count` tasks are pending. Throws what a thread failed with. */
  async below(count: number): Promise<void> {
    while (this.#pending > count) await this.progress();
    this.check();
  }

  /** Resolves when another task is done; at once when there is none. Throws what a thread failed with. */
  async progress(): Promise<void> {
    this.check();
    if (this.#pending === 0) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.check();
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Gives every thread its first task and does not wait: threads start while the first tasks are planned. */
  begin(taskFor: (thread: number) => Uint8Array<ArrayBuffer>): void {
    this.broadcast(taskFor).catch((error: unknown) => {
      this.#fail(error);
      this.#wake?.();
    });
  }

  /** Gives every thread a task outside of the queues; resolves with their results. */
  broadcast(taskFor: (thread: number) => Uint8Array<ArrayBuffer>): Promise<readonly Uint8Array[]> {
    return Promise.all(this.#lanes.map((lane, number) => lane.thread.serve(taskFor(number))));
  }

  /** Forgets what waits; resolves when nothing is on its way any more, however it ended. */
  async cancel(): Promise<void> {
    this.#isCancelled = true;
    for (const lane of this.#lanes) {
      this.#pending -= lane.tasks.length;
      lane.tasks.length = 0;
    }
    while (this.#lanes.some((lane) => lane.inFlight > 0)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #start(): void {
    if (this.#isCancelled) return;
    for (const lane of this.#lanes) {
      while (lane.inFlight < TASKS_PER_THREAD) {
        const task = this.#take(lane);
        if (task === undefined) break;
        this.#run(lane, task);
      }
    }
  }

  #take(lane: Lane): PoolTask | undefined {
    const own = lane.tasks.shift();
    if (own !== undefined) return own;
    // From the end of the longest, which its own thread reaches last.
    return this.#lanes.reduce((best, other) => (other.tasks.length > best.tasks.length ? other : best)).tasks.pop();
  }

  /** The first failure is the one that counts. */
  #fail(error: unknown): void {
    this.#failure ??=
      error instanceof Error ? error : new HoldfastError("WORKER_FAILED", { message: `A thread failed: ${messageOf(error)}` });
  }

  #run(lane: Lane, task: PoolTask): void {
    lane.inFlight++;
    const settle = (): void => {
      lane.inFlight--;
      this.#pending--;
    };
    const serve = async (): Promise<void> => {
      try {
        const results = await lane.thread.serve(task.bytes);
        task.done(results);
      } catch (error) {
        this.#fail(error);
      } finally {
        settle();
        if (this.#failure === undefined) this.#start();
        this.#wake?.();
      }
    };
    void serve();
  }
}
