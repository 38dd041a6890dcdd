import type { Clock, EpochMs } from "./clock.ts";

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now() as EpochMs,
  elapsedMs: () => performance.now(),
};
