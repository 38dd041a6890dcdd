// So many bytes for all, and each takes what it is going to need before it begins: who comes when too few are left waits, first come,
// first served.

interface Waiting {
  readonly bytes: number;
  readonly begin: () => void;
}

export class ByteBudget {
  readonly #totalBytes: number;
  #freeBytes: number;
  #waiting: Waiting[] = [];

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
    this.#freeBytes = totalBytes;
  }

  /**
   * Resolves when the bytes are there, with what gives them back; call it once. Rejects with the signal's reason. Who needs more than
   * there are at all gets all of them.
   */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    const needed = Math.min(bytes, this.#totalBytes);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { bytes: needed, begin: resolve };
    const onAbort = (): void => {
      this.#waiting = this.#waiting.filter((each) => each !== waiting);
      reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
      // Smaller ones may have waited behind it.
      this.#serve();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#waiting.push(waiting);
    this.#serve();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    return () => {
      this.#freeBytes += needed;
      this.#serve();
    };
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next !== undefined && next.bytes <= this.#freeBytes; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#freeBytes -= next.bytes;
      next.begin();
    }
  }
}
