// An object store for code that cannot wait for promises: a thread of its own talks to the store, and whoever asks stands still
// until the answer is there. The same thread also serves who can wait, meanwhile.

import { MessageChannel, receiveMessageOnPort, Worker, workerData } from "node:worker_threads";
import type { MessagePort } from "node:worker_threads";
import { HoldfastError } from "../../base/errors.ts";
import { errorOf, plainError } from "../../base/plain-error.ts";
import type { PlainError } from "../../base/plain-error.ts";
import type { BlockingObjectStore, ObjectStore } from "./object-store.ts";

type Call = keyof ObjectStore;

const CALLS: readonly Call[] = [
  "put",
  "get",
  "getRange",
  "head",
  "list",
  "levels",
  "remove",
  "copy",
  "pendingUploads",
  "abortUpload",
  "counts",
];

interface Question {
  readonly number: number;
  readonly call: Call;
  readonly given: readonly unknown[];
}

type Answer = { readonly number: number; readonly value: unknown } | { readonly number: number; readonly error: PlainError };

/** What the thread begins with. */
interface StoreStart<Settings> {
  readonly settings: Settings;
  readonly blockingPort: MessagePort;
  readonly waitingPort: MessagePort;
  /** [0] counts blocking answers, [1] beats as long as the thread lives. */
  readonly signals: Int32Array<SharedArrayBuffer>;
}

const ANSWERS = 0;
const BEATS = 1;
const BEAT_MS = 1_000;
/** A thread that has not beaten for so long is dead: no call blocks it. */
const DEAD_AFTER_MS = 120_000;

export interface StoreThread {
  readonly blocking: BlockingObjectStore;
  readonly waiting: ObjectStore;
  /** Calls that are under way are never answered. */
  close(): Promise<void>;
}

/** Starts the thread; `entry` is a script that calls `serveStore`. It keeps no process alive that waits for nothing of it. */
export function startStoreThread<Settings>(entry: { readonly code: string }, settings: Settings): StoreThread {
  const blocking = new MessageChannel();
  const waiting = new MessageChannel();
  const signals = new Int32Array(new SharedArrayBuffer(8));
  const start: StoreStart<Settings> = { settings, blockingPort: blocking.port2, waitingPort: waiting.port2, signals };
  const worker = new Worker(entry.code, {
    eval: true,
    workerData: start,
    transferList: [blocking.port2, waiting.port2],
  });
  worker.unref();
  const caller = new WaitingCaller(waiting.port1, worker);
  return {
    blocking: storeOf((call, given) => askAndBlock(blocking.port1, signals, call, given)) as unknown as BlockingObjectStore,
    waiting: storeOf((call, given) => caller.ask(call, given)) as unknown as ObjectStore,
    close: async () => {
      blocking.port1.close();
      waiting.port1.close();
      await worker.terminate();
    },
  };
}

function storeOf(ask: (call: Call, given: readonly unknown[]) => unknown): Record<Call, unknown> {
  return Object.fromEntries(CALLS.map((call) => [call, (...given: unknown[]) => ask(call, given)])) as Record<Call, unknown>;
}

function askAndBlock(port: MessagePort, signals: Int32Array<SharedArrayBuffer>, call: Call, given: readonly unknown[]): unknown {
  port.postMessage({ number: 0, call, given } satisfies Question, []);
  let beats = Atomics.load(signals, BEATS);
  let silentMs = 0;
  for (;;) {
    // Read before looking, so that an answer that comes in between ends the wait at once.
    const answers = Atomics.load(signals, ANSWERS);
    const received: { readonly message: Answer } | undefined = receiveMessageOnPort(port);
    if (received !== undefined) return valueOf(received.message);
    if (Atomics.wait(signals, ANSWERS, answers, BEAT_MS) !== "timed-out") continue;
    const now = Atomics.load(signals, BEATS);
    silentMs = now === beats ? silentMs + BEAT_MS : 0;
    beats = now;
    if (silentMs >= DEAD_AFTER_MS) throw threadFailed("it does not answer any more");
  }
}

function valueOf(answer: Answer): unknown {
  if ("error" in answer) throw errorOf(answer.error);
  return answer.value;
}

class WaitingCaller {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #failure: Error | undefined;
  #last = 0;

  constructor(port: MessagePort, worker: Worker) {
    this.#port = port;
    port.on("message", (answer: Answer) => this.#take(answer));
    port.unref();
    worker.on("error", (error) => this.#fail(threadFailed(error instanceof Error ? error.message : String(error))));
    worker.on("exit", () => this.#fail(threadFailed("it ended")));
  }

  ask(call: Call, given: readonly unknown[]): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const number = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject });
      this.#port.ref();
      this.#port.postMessage({ number, call, given } satisfies Question, []);
    });
  }

  #take(answer: Answer): void {
    const waiting = this.#waiting.get(answer.number);
    this.#waiting.delete(answer.number);
    if (this.#waiting.size === 0) this.#port.unref();
    if ("error" in answer) waiting?.reject(errorOf(answer.error));
    else waiting?.resolve(answer.value);
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.#port.unref();
  }
}

function threadFailed(problem: string): HoldfastError {
  return new HoldfastError("WORKER_FAILED", { message: `The thread that talks to the object store failed: ${problem}` });
}

// --- inside the thread -------------------------------------------------------------------------

/** Only inside a thread that `startStoreThread` has started. */
export function serveStore<Settings>(open: (settings: Settings) => ObjectStore): void {
  const { settings, blockingPort, waitingPort, signals } = workerData as StoreStart<Settings>;
  const store = open(settings);
  blockingPort.on("message", (question: Question) => {
    void answerTo(store, blockingPort, question).then(() => {
      Atomics.add(signals, ANSWERS, 1);
      return Atomics.notify(signals, ANSWERS);
    });
  });
  waitingPort.on("message", (question: Question) => void answerTo(store, waitingPort, question));
  setInterval(() => Atomics.add(signals, BEATS, 1), BEAT_MS).unref();
}

async function answerTo(store: ObjectStore, port: MessagePort, { number, call, given }: Question): Promise<void> {
  try {
    const ask = store[call].bind(store) as (...values: readonly unknown[]) => Promise<unknown>;
    const value = await ask(...given);
    port.postMessage({ number, value } satisfies Answer, value instanceof Uint8Array ? [value.buffer as ArrayBuffer] : []);
  } catch (error) {
    port.postMessage({ number, error: plainError(error) } satisfies Answer, []);
  }
}
