// A worker that runs in the thread that starts it: for simulations, whose disk exists in one thread only, and in which nothing
// may happen at the same time. Messages are copied as between threads.

import { HoldfastError, messageOf } from "../base/errors.ts";
import type { WorkerPort, WorkerThread } from "./threads.ts";

/** Does what the script of a worker thread would. */
export interface WorkerInThisThread {
  readonly serve: (port: WorkerPort<never, unknown>) => void;
}

export function startInThisThread<In, Out>(entry: WorkerInThisThread, index: number): WorkerThread<In, Out> {
  const toWorker = new Mailbox<In>();
  const toStarter = new Mailbox<Out>();
  let failure: HoldfastError | undefined;
  let onFailure: ((error: HoldfastError) => void) | undefined;
  const port: WorkerPort<In, Out> = {
    index,
    post: (message, transfer) => toStarter.post(message, transfer),
    onMessage: (listener) => toWorker.listen(listener),
  };
  try {
    entry.serve(port as WorkerPort<never, unknown>);
  } catch (error) {
    const message = `Worker ${index} failed: ${messageOf(error)}`;
    failure = new HoldfastError("WORKER_FAILED", { message, context: { worker: index }, cause: error });
    queueMicrotask(() => onFailure?.(failure as HoldfastError));
  }
  return {
    index,
    post: (message, transfer) => {
      if (failure === undefined) toWorker.post(message, transfer);
    },
    onMessage: (listener) => toStarter.listen(listener),
    onFailure: (listener) => {
      onFailure = listener;
    },
    stop: async () => {
      toWorker.close();
      // What has begun comes to its end; it waits for nothing but promises.
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      toStarter.close();
    },
  };
}

/** Delivers each message in a turn of its own, those that came before there was a listener too. */
class Mailbox<Message> {
  #waiting: Message[] = [];
  #listener: ((message: Message) => void) | undefined;
  #closed = false;

  post(message: Message, transfer: Parameters<WorkerPort<unknown, unknown>["post"]>[1] = []): void {
    this.#waiting.push(structuredClone(message, { transfer: [...transfer] }));
    queueMicrotask(() => this.#deliver());
  }

  listen(listener: (message: Message) => void): void {
    this.#listener = listener;
    this.#deliver();
  }

  close(): void {
    this.#closed = true;
  }

  #deliver(): void {
    if (this.#listener === undefined) return;
    const messages = this.#waiting;
    this.#waiting = [];
    for (const message of messages) if (!this.#closed) this.#listener(message);
  }
}
