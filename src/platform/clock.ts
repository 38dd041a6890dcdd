import type { Brand } from "../base/brand.ts";

/** Milliseconds since 1970-01-01T00:00:00Z, a whole number. */
export type EpochMs = Brand<number, "EpochMs">;

export interface Clock {
  now(): EpochMs;
  /** For measuring durations: milliseconds from an arbitrary start, never going back. */
  elapsedMs(): number;
}
