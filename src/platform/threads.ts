// Worker threads, as far as we use them: start some, send messages both ways, learn of every failure.

import { isMainThread, parentPort, Worker, workerData, type ResourceLimits, type Transferable } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { HoldfastError, messageOf } from "../base/errors.ts";

/** A file, or in a single-file executable the text of a CommonJS script. */
export type WorkerEntry = URL | { readonly code: string };

export interface WorkerOptions {
  readonly entry: WorkerEntry;
  readonly count: number;
  /** Given to each worker; shared memory in it is shared, the rest copied. */
  readonly workerData: unknown;
  readonly resourceLimits?: ResourceLimits;
}

/** One started worker. `In` is what it is sent, `Out` what it sends. */
export interface WorkerThread<In, Out> {
  readonly index: number;
  post(message: In, transfer?: readonly Transferable[]): void;
  /** One listener; messages that came before it are delivered when it is set. */
  onMessage(listener: (message: Out) => void): void;
  /** One listener, called at most once: a worker that failed does nothing more. */
  onFailure(listener: (error: HoldfastError) => void): void;
  /** Ends the worker wherever it is. To let it finish, send it a message of your own and wait for the answer first. */
  stop(): Promise<void>;
}

/** Starts `count` workers, numbered from 0. */
export function startWorkers<In, Out>(options: WorkerOptions): readonly WorkerThread<In, Out>[] {
  return Array.from({ length: options.count }, (_, index) => new StartedWorker<In, Out>(options, index));
}

class StartedWorker<In, Out> implements WorkerThread<In, Out> {
  readonly index: number;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #stopping = false;
  #messages: Out[] = [];
  #listener: ((message: Out) => void) | undefined;
  #failure: HoldfastError | undefined;
  #failureListener: ((error: HoldfastError) => void) | undefined;

  constructor(options: WorkerOptions, index: number) {
    this.index = index;
    const { entry, resourceLimits } = options;
    const inside: WorkerStart = { index, data: options.workerData };
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
    await this.#worker.terminate();
    await this.#exited;
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

interface WorkerStart {
  readonly index: number;
  readonly data: unknown;
}

/** The inside of a worker. `In` is what it is sent, `Out` what it sends. */
export interface WorkerPort<In, Out> {
  readonly index: number;
  /** What the starter gave as `workerData`; the receiver decides what it must be. */
  readonly data: unknown;
  post(message: Out, transfer?: readonly Transferable[]): void;
  /** The worker lives as long as it listens. */
  onMessage(listener: (message: In) => void): void;
}

/** Only inside a worker started by `startWorkers`. */
export function workerPort<In, Out>(): WorkerPort<In, Out> {
  const port = parentPort;
  assert(!isMainThread && port !== null, "a worker port exists only in a worker thread");
  const { index, data } = workerData as WorkerStart;
  return {
    index,
    data,
    post: (message, transfer = []) => port.postMessage(message, [...transfer]),
    onMessage: (listener) => {
      port.on("message", listener);
    },
  };
}
