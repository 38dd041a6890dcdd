// Worker threads, as far as we use them: start some, send messages both ways, learn of every failure.

import { isMainThread, parentPort, Worker, workerData, type ResourceLimits, type Transferable } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { HoldfastError, messageOf } from "../base/errors.ts";
import { startInThisThread } from "./worker-in-this-thread.ts";
import type { WorkerInThisThread } from "./worker-in-this-thread.ts";

/** A file; in a single-file executable the text of a CommonJS script; in a simulation a function, which gets no thread of its own. */
export type WorkerEntry = URL | { readonly code: string } | WorkerInThisThread;

export interface WorkerOptions {
  readonly entry: WorkerEntry;
  readonly count: number;
  readonly resourceLimits?: ResourceLimits;
  /** How long a worker that is asked to end may take before it is ended by force; ten seconds unless told. */
  readonly patienceMs?: number;
}

/** One started worker. `In` is what it is sent, `Out` what it sends. */
export interface WorkerThread<In, Out> {
  readonly index: number;
  /** Shared memory in the message is shared, what is transferred moves, the rest is copied. */
  post(message: In, transfer?: readonly Transferable[]): void;
  /** One listener; messages that came before it are delivered when it is set. */
  onMessage(listener: (message: Out) => void): void;
  /** One listener, called at most once: a worker that failed does nothing more. */
  onFailure(listener: (error: HoldfastError) => void): void;
  /**
   * Asks the worker to end; messages that it has not begun with are dropped. Ends it by force when its patience is at an end,
   * since it may wait for a disk that never answers. Not sooner: ended in the middle of a call into zlib, a worker can take
   * the process with it (Node.js 26.10: "close before init").
   */
  stop(): Promise<void>;
}

/** Starts `count` workers, numbered from 0. */
export function startWorkers<In, Out>(options: WorkerOptions): readonly WorkerThread<In, Out>[] {
  const { entry } = options;
  return Array.from({ length: options.count }, (_, index) =>
    "serve" in entry ? startInThisThread<In, Out>(entry, index) : new StartedWorker<In, Out>(options, entry, index),
  );
}

class StartedWorker<In, Out> implements WorkerThread<In, Out> {
  readonly index: number;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #stopFlag = new Int32Array(new SharedArrayBuffer(4));
  readonly #patienceMs: number;
  #stopping = false;
  #messages: Out[] = [];
  #listener: ((message: Out) => void) | undefined;
  #failure: HoldfastError | undefined;
  #failureListener: ((error: HoldfastError) => void) | undefined;

  constructor(options: WorkerOptions, entry: Exclude<WorkerEntry, WorkerInThisThread>, index: number) {
    this.index = index;
    const { resourceLimits } = options;
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
    const inside: WorkerStart = { index, stopFlag: this.#stopFlag };
    const given = { workerData: inside, ...(resourceLimits === undefined ? {} : { resourceLimits }) };
    this.#worker = entry instanceof URL ? new Worker(entry, given) : new Worker(entry.code, { ...given, eval: true });
    this.#worker.on("message", (message: Out) => {
      if (this.#listener === undefined) this.#messages.push(message);
      else this.#listener(message);
    });
    this.#worker.on("messageerror", (error) => this.#fail("a message could not be read", error));
    this.#worker.on("error", (error) => this.#fail(messageOf(error), error));
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", (status) => {
        this.#fail(`it ended unexpectedly with status ${status}`);
        resolve();
      });
    });
  }

  post(message: In, transfer: readonly Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  onMessage(listener: (message: Out) => void): void {
    this.#listener = listener;
    const waiting = this.#messages;
    this.#messages = [];
    for (const message of waiting) listener(message);
  }

  onFailure(listener: (error: HoldfastError) => void): void {
    this.#failureListener = listener;
    if (this.#failure !== undefined) listener(this.#failure);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    Atomics.store(this.#stopFlag, 0, 1);
    this.#worker.postMessage(STOP, []);
    const force = setTimeout(() => void this.#worker.terminate(), this.#patienceMs);
    await this.#exited;
    clearTimeout(force);
  }

  /** Only the first: an uncaught error is followed by an exit. */
  #fail(problem: string, cause?: unknown): void {
    if (this.#stopping || this.#failure !== undefined) return;
    const outOfMemory = cause instanceof Error && "code" in cause && cause.code === "ERR_WORKER_OUT_OF_MEMORY";
    this.#failure = new HoldfastError("WORKER_FAILED", {
      message: `Worker thread ${this.index} failed: ${problem}`,
      retry: outOfMemory ? "later" : "never",
      context: { worker: this.index },
      ...(outOfMemory ? { hint: "The machine or the memory limit of the process leaves too little memory." } : {}),
      ...(cause === undefined ? {} : { cause }),
    });
    this.#failureListener?.(this.#failure);
  }
}

/** Tells a worker that waits for messages that no more will come. */
const STOP = "holdfast: stop";
const PATIENCE_MS = 10_000;

interface WorkerStart {
  readonly index: number;
  /** Becomes 1 when the worker is to end: seen at once, while a message waits for its turn. */
  readonly stopFlag: Int32Array<SharedArrayBuffer>;
}

/** The inside of a worker. `In` is what it is sent, `Out` what it sends. */
export interface WorkerPort<In, Out> {
  readonly index: number;
  post(message: Out, transfer?: readonly Transferable[]): void;
  /** The worker lives as long as it listens: until it is stopped. */
  onMessage(listener: (message: In) => void): void;
}

/** Only inside a worker started by `startWorkers`. */
export function workerPort<In, Out>(): WorkerPort<In, Out> {
  const port = parentPort;
  assert(!isMainThread && port !== null, "a worker port exists only in a worker thread");
  const { index, stopFlag } = workerData as WorkerStart;
  return {
    index,
    post: (message, transfer = []) => port.postMessage(message, [...transfer]),
    onMessage: (listener) => {
      port.on("message", (message: In | typeof STOP) => {
        if (message === STOP) port.close();
        else if (Atomics.load(stopFlag, 0) === 0) listener(message);
      });
    },
  };
}
