// Which runs to merge next: pure, from their sizes alone. Few runs make lookups fast (every absent fingerprint asks
// every run's filter); rare merges of large runs keep the writing small. Allowed are eight runs and one more for each
// doubling beyond 65536 segments, so a small index is merged every eighth backup and a large run only when the
// younger ones together have grown to its size.

import { MAX_RUN_CONTAINERS, MAX_RUN_SEGMENTS } from "../../formats/index-run.ts";
import type { RunName } from "./run-directory.ts";

export interface RunSize {
  readonly name: RunName;
  readonly segments: number;
  readonly containers: number;
}

const FREE_RUNS = 8;
const SMALL_INDEX_SEGMENTS = 65_536;
/** Each run being merged takes an open file and page buffers. */
const MAX_MERGED_RUNS = 64;

/** How many runs an index of this many segments may have. */
export function allowedRuns(segments: number): number {
  return FREE_RUNS + Math.max(0, Math.floor(Math.log2(segments / SMALL_INDEX_SEGMENTS)));
}

/**
 * The runs to merge into one now; empty when there are few enough. Always the smallest ones, and never one of them
 * without the others of its size: a set is taken only if the next larger run exceeds it as a whole. Of the sets that
 * help, the one with the least to write per run it removes. Merging and asking again ends with an empty plan.
 */
export function planMerge(runs: readonly RunSize[]): RunName[] {
  const bySize = [...runs].sort((a, b) => a.segments - b.segments || (a.name < b.name ? -1 : 1));
  const total = bySize.reduce((sum, { segments }) => sum + segments, 0);
  const surplus = bySize.length - allowedRuns(total);
  if (surplus <= 0) return [];

  let best = 0;
  let bestCost = Infinity;
  let largestPossible = 0;
  let segments = 0;
  let containers = 0;
  for (let count = 1; count <= Math.min(bySize.length, MAX_MERGED_RUNS); count++) {
    const run = bySize[count - 1]!;
    segments += run.segments;
    containers += run.containers;
    if (segments > MAX_RUN_SEGMENTS || containers > MAX_RUN_CONTAINERS) break;
    largestPossible = count;
    const next = bySize[count];
    const isClosed = next === undefined || next.segments > segments;
    const cost = segments / (count - 1);
    if (count - 1 >= surplus && isClosed && cost < bestCost) {
      best = count;
      bestCost = cost;
    }
  }
  // So many runs that one merge cannot bring them down to the limit: begin with as many small ones as possible.
  const chosen = best > 0 ? best : largestPossible;
  return chosen < 2 ? [] : bySize.slice(0, chosen).map(({ name }) => name);
}
