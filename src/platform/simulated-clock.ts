import type { Clock, EpochMs } from "./clock.ts";

/** A clock that goes on by the same step at every look, so that a run repeated sees the same times. */
export function simulatedClock(startMs = 1_750_000_000_000, stepMs = 1): Clock {
  let now = startMs;
  return {
    now: () => {
      now += stepMs;
      return now as EpochMs;
    },
    elapsedMs: () => now,
  };
}
