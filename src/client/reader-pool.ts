// The reading threads as the walking thread sees them: requests go to whichever has least to do, responses come
// back in any order, and the amount of work on its way is bounded.

import { errorFrom } from "../base/errors.ts";

/** One reading thread. `serve` resolves with the packed response; it rejects when the thread or its sink failed. */
export interface ReadingThread {
  serve(request: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

interface Load {
  readonly thread: ReadingThread;
  bytes: number;
  requests: number;
}

/** Enough that no thread waits for the walk, little enough that a request is answered soon. */
const REQUESTS_PER_THREAD = 4;

export class ReaderPool {
  readonly #loads: Load[];
  #failure: Error | undefined;
  #inFlight = 0;
  #wake: (() => void) | undefined;

  constructor(threads: readonly ReadingThread[]) {
    this.#loads = threads.map((thread) => ({ thread, bytes: 0, requests: 0 }));
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get isSaturated(): boolean {
    return this.#inFlight >= this.#loads.length * REQUESTS_PER_THREAD;
  }

  /** `onResponse` runs when the response is there; a failure surfaces at the next `progress`. */
  dispatch(request: Uint8Array<ArrayBuffer>, expectedBytes: number, onResponse: (response: Uint8Array) => void): void {
    const load = this.#leastLoaded();
    load.bytes += expectedBytes;
    load.requests++;
    this.#inFlight++;
    void this.#serve(load, request, expectedBytes, onResponse);
  }

  /** Never rejects. */
  async #serve(
    load: Load,
    request: Uint8Array<ArrayBuffer>,
    expectedBytes: number,
    onResponse: (response: Uint8Array) => void,
  ): Promise<void> {
    try {
      onResponse(await load.thread.serve(request));
    } catch (error) {
      this.#failure ??= errorFrom(error);
    }
    load.bytes -= expectedBytes;
    load.requests--;
    this.#inFlight--;
    this.#wake?.();
  }

  #leastLoaded(): Load {
    let best = this.#loads[0] as Load;
    for (const load of this.#loads) {
      if (load.bytes < best.bytes || (load.bytes === best.bytes && load.requests < best.requests)) best = load;
    }
    return best;
  }

  /** Throws what a thread failed with, if one did. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves at the next response; at once when nothing is on its way. Throws what a thread failed with. */
  async progress(): Promise<void> {
    this.check();
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    this.check();
  }
}
