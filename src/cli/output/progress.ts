// Work reports how far it is as often as it likes; this decides when something is shown. Shown is at most once per
// interval, and the latest report is shown even when no further one comes: the name of a huge file must not stay behind
// that of the small one before it.

import type { CommandWorld } from "../world.ts";
import { RateMeter } from "./rate.ts";

export interface ProgressState {
  /** What is being done, such as "backup" or "verify". */
  readonly phase: string;
  /** What is counted, in the plural. */
  readonly unit: "files" | "images" | "containers";
  readonly done: number;
  readonly total: number | undefined;
  readonly bytesDone?: number;
  readonly bytesTotal?: number | undefined;
  readonly currentPath?: string;
}

export interface ProgressView extends ProgressState {
  /** Bytes per second, or units where no bytes are counted. */
  readonly perSecond: number | undefined;
  /** 0 to 1. Undefined when the whole is not known, or more is done than was expected. */
  readonly fraction: number | undefined;
  readonly secondsRemaining: number | undefined;
}

export interface ProgressSink {
  /** Also how long work may take without showing anything. */
  readonly everyMs: number;
  draw(view: ProgressView): void;
  /** Takes back what was drawn, as far as that is possible. */
  erase(): void;
}

type Timer = Pick<CommandWorld, "clock" | "repeat">;

export class Progress {
  readonly #timer: Timer;
  readonly #sink: ProgressSink | undefined;
  readonly #stopTimer: (() => void) | undefined;
  #meter = new RateMeter();
  #state: ProgressState | undefined;
  #drawnAtMs: number;

  /** Without a sink nothing is ever shown. */
  constructor(timer: Timer, sink: ProgressSink | undefined) {
    this.#timer = timer;
    this.#sink = sink;
    this.#drawnAtMs = timer.clock.elapsedMs();
    if (sink !== undefined) this.#stopTimer = timer.repeat(sink.everyMs, () => this.#drawWhenDue());
  }

  update(state: ProgressState): void {
    if (this.#sink === undefined) return;
    if (state.phase !== this.#state?.phase || state.unit !== this.#state.unit) this.#meter = new RateMeter();
    this.#state = state;
    this.#meter.add(this.#timer.clock.elapsedMs(), state.bytesDone ?? state.done);
    this.#drawWhenDue();
  }

  stop(): void {
    this.#stopTimer?.();
    this.#state = undefined;
    this.#sink?.erase();
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #drawWhenDue(): void {
    const nowMs = this.#timer.clock.elapsedMs();
    if (this.#sink === undefined || this.#state === undefined || nowMs - this.#drawnAtMs < this.#sink.everyMs) return;
    this.#drawnAtMs = nowMs;
    this.#sink.draw(viewOf(this.#state, this.#meter.perSecond(nowMs)));
  }
}

function viewOf(state: ProgressState, perSecond: number | undefined): ProgressView {
  const [done, total] = state.bytesDone === undefined ? [state.done, state.total] : [state.bytesDone, state.bytesTotal];
  if (total === undefined || total <= 0 || done > total) {
    return { ...state, perSecond, fraction: undefined, secondsRemaining: undefined };
  }
  const secondsRemaining = perSecond === undefined || perSecond <= 0 ? undefined : (total - done) / perSecond;
  return { ...state, perSecond, fraction: done / total, secondsRemaining };
}
