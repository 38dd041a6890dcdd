// Keeps the number of runs small. Called after a backup has written its run, by any process at any time.

import { openLiveRuns } from "./live-runs.ts";
import { mergeRuns } from "./merge-runs.ts";
import { excludedIn } from "./merged-sections.ts";
import type { ContainerSet } from "./merged-sections.ts";
import { planMerge } from "./plan-merge.ts";
import { removeRuns } from "./run-directory.ts";
import type { WritableIndexLocation } from "./run-directory.ts";

export interface TidyIndexOptions extends WritableIndexLocation {
  /**
   * Condemned containers. Runs that name one are left alone: the collection will write them anew without it, and a merge that ends
   * after that would bring it back.
   */
  readonly condemned?: ContainerSet;
  readonly signal?: AbortSignal;
}

/** When other processes merge as fast as this one, they do its work; it may as well stop. */
const ATTEMPTS = 20;

/** Merges until there are few enough runs and removes what interrupted merges left. Resolves with the number of merges. */
export async function tidyIndex(options: TidyIndexOptions): Promise<number> {
  let merges = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { readers, leftovers } = openLiveRuns(options);
    const sizes = readers
      .filter((reader) => excludedIn(reader, options.condemned) === undefined)
      .map(({ name, counts }) => ({ name, segments: counts.segments, containers: counts.containers }));
    for (const reader of readers) reader.close();
    if (leftovers.length > 0) {
      // The run that replaces them may be so new that only this makes its name durable.
      options.files.syncDirectory(options.directory);
      removeRuns(options.files, options.directory, leftovers);
    }
    const plan = planMerge(sizes);
    if (plan.length === 0) break;
    const outcome = await mergeRuns({ ...options, runs: plan });
    if (outcome.kind === "merged") merges++;
  }
  return merges;
}
