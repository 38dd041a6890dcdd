// Waiting.

import { setTimeout } from "node:timers/promises";

/** Resolves after so many milliseconds; rejects with the signal's reason when that is aborted first. */
export type Delay = (ms: number, signal?: AbortSignal) => Promise<void>;

export const delay: Delay = async (ms, signal) => {
  await setTimeout(ms, undefined, signal === undefined ? {} : { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
};
