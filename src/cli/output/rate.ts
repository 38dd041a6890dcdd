// How fast work goes now, from the last seconds: an average since the start would still speak of the fast beginning while
// the disk has long been stuck.

const WINDOW_MS = 10_000;
const SAMPLE_MS = 250;
/** Before that a rate is noise, and a remaining time made from it a lie. */
const SETTLED_MS = 2_000;

interface Sample {
  readonly atMs: number;
  readonly done: number;
}

export class RateMeter {
  readonly #samples: Sample[] = [];
  #last: Sample | undefined;

  add(atMs: number, done: number): void {
    this.#last = { atMs, done };
    const newest = this.#samples.at(-1);
    if (newest !== undefined && atMs - newest.atMs < SAMPLE_MS) return;
    this.#samples.push(this.#last);
    // The oldest one kept lies just outside the window, so that the window is always full.
    while ((this.#samples[1]?.atMs ?? Infinity) <= atMs - WINDOW_MS) this.#samples.shift();
  }

  /** Undefined until enough has been seen. `nowMs` may be later than the last addition: then nothing was done since. */
  perSecond(nowMs: number): number | undefined {
    const first = this.#samples[0];
    if (first === undefined || this.#last === undefined) return undefined;
    const passedMs = nowMs - first.atMs;
    return passedMs < SETTLED_MS ? undefined : ((this.#last.done - first.done) * 1000) / passedMs;
  }
}
