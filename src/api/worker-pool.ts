// The worker threads of one job: requests with numbers, answers in any order, a failure ends everything.

import { assert } from "../base/assert.ts";
import { releaseNow } from "../engine/engine.ts";
import { startWorkers } from "../platform/threads.ts";
import type { WorkerThread } from "../platform/threads.ts";
import type { Services } from "./services.ts";
import { errorOf, plainError } from "../base/plain-error.ts";
import type { TransferStep, WorkerReply, WorkerRequest, WorkerSetup } from "./worker-messages.ts";

export type PublishedContainer = Extract<WorkerReply, { kind: "container" }>;
type Question = Extract<WorkerReply, { kind: "ask" }>;

export interface WorkerListeners {
  /** Hears of every container that a worker has published. */
  readonly onContainer?: (container: PublishedContainer) => void;
  /** Answers what a worker asks while it serves a request. */
  readonly onAsk?: (step: TransferStep, bytes: Uint8Array) => Promise<Uint8Array>;
}

interface Waiting {
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

type StartedThread = WorkerThread<WorkerRequest, WorkerReply>;

/**
 * Threads that are started before anybody knows what they are to do: while the passphrase becomes a key, which takes its time whatever
 * else is done meanwhile.
 */
export class SpareThreads {
  readonly #services: Services;
  #threads: StartedThread[] = [];

  constructor(services: Services) {
    this.#services = services;
  }

  start(count: number): void {
    this.#threads.push(...startThreads(this.#services, count));
  }

  /** One that was started ahead, or a new one; stopping it is the caller's business. */
  take(): StartedThread {
    return this.#threads.pop() ?? (startThreads(this.#services, 1)[0] as StartedThread);
  }

  /** Ends those that nobody took. */
  async stop(): Promise<void> {
    const threads = this.#threads;
    this.#threads = [];
    await Promise.all(threads.map((thread) => thread.stop()));
  }
}

function startThreads({ workerEntry }: Services, count: number): readonly StartedThread[] {
  return startWorkers<WorkerRequest, WorkerReply>({
    entry: workerEntry,
    count,
    // Small young generations: what the workers allocate dies at once, and memory is counted per thread.
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
  });
}

/** Begins with its first request: a backup of nothing new needs no threads. */
class Thread {
  readonly #start: () => StartedThread;
  readonly #listeners: WorkerListeners;
  readonly #waiting = new Map<number, Waiting>();
  #worker: StartedThread | undefined;
  #number = 0;
  #failure: Error | undefined;
  #isStopped = false;

  constructor(start: () => StartedThread, listeners: WorkerListeners) {
    this.#start = start;
    this.#listeners = listeners;
  }

  #started(): StartedThread {
    if (this.#worker !== undefined) return this.#worker;
    const worker = this.#start();
    this.#worker = worker;
    worker.onMessage((reply) => {
      if (reply.kind === "container") this.#listeners.onContainer?.(reply);
      else if (reply.kind === "ask") void this.#answer(worker, reply);
      else this.#settle(reply);
    });
    worker.onFailure((error) => {
      this.#failure = error;
      for (const waiting of this.#waiting.values()) waiting.reject(error);
      this.#waiting.clear();
    });
    return worker;
  }

  /** Never rejects. */
  async #answer(worker: StartedThread, { number, step, bytes }: Question): Promise<void> {
    const { onAsk } = this.#listeners;
    assert(onAsk !== undefined, "who starts workers that ask answers them");
    try {
      worker.post({ kind: "answer", number, bytes: await onAsk(step, bytes) });
    } catch (error) {
      worker.post({ kind: "refusal", number, error: plainError(error) });
    }
  }

  #settle(reply: Exclude<WorkerReply, { kind: "container" | "ask" }>): void {
    const waiting = this.#waiting.get(reply.number);
    if (waiting === undefined) return;
    this.#waiting.delete(reply.number);
    if (reply.kind === "failed") waiting.reject(errorOf(reply.error));
    else waiting.resolve(reply.kind === "served" ? reply.bytes : new Uint8Array(0));
  }

  serve(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    return this.#request((number) => {
      this.#started().post({ kind: "serve", number, bytes });
      releaseNow(bytes);
    });
  }

  async flush(): Promise<void> {
    if (this.#worker === undefined) return;
    await this.#request((number) => this.#started().post({ kind: "flush", number }));
  }

  #request(post: (number: number) => void): Promise<Uint8Array> {
    assert(!this.#isStopped, "a thread that was stopped is asked for nothing more");
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const number = this.#number++;
      this.#waiting.set(number, { resolve, reject });
      post(number);
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#worker?.stop();
  }
}

export class WorkerPool implements AsyncDisposable {
  readonly threads: readonly Thread[];

  constructor(spare: SpareThreads, count: number, setup: WorkerSetup, listeners: WorkerListeners = {}) {
    const begin = (): StartedThread => {
      const thread = spare.take();
      thread.post({ kind: "begin", setup });
      return thread;
    };
    this.threads = Array.from({ length: count }, () => new Thread(begin, listeners));
  }

  /** Resolves when everything served so far is published and durable. */
  async flush(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.flush()));
  }

  /** Never rejects; a second call waits for the first. */
  async stop(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.stop()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
