// The index anew from the containers, which hold everything it says.

import type { ContainerContents } from "./container-contents.ts";
import { removeRuns } from "./run-directory.ts";
import type { RunName, WritableIndexLocation } from "./run-directory.ts";
import { writeIndexRun } from "./write-index-run.ts";

export interface RebuildIndexOptions extends WritableIndexLocation {
  readonly containers: AsyncIterable<ContainerContents>;
  /**
   * Runs to be replaced, by default none: what is written then adds to the index. To replace everything, give
   * `listRuns(…)` taken before the containers are listed: a container is published before the run that mentions it,
   * so the list of containers then has all that those runs know. None of them is opened; they may be damaged.
   */
  readonly replaces?: readonly RunName[];
  /** A batch is written when it holds this many. Memory: about 55 bytes per segment. */
  readonly segmentsPerRun?: number;
  readonly signal?: AbortSignal;
}

export interface RebuiltIndex {
  readonly runs: readonly RunName[];
  readonly containers: number;
  readonly segments: number;
}

const SEGMENTS_PER_RUN = 1_000_000;

/**
 * Writes runs for all `containers` as they come; the last one takes the place of `replaces`, which are then removed.
 * After a failure the old runs are as they were and what was written so far adds to them.
 */
export async function rebuildIndex(options: RebuildIndexOptions): Promise<RebuiltIndex> {
  const replaces = options.replaces ?? [];
  const limit = options.segmentsPerRun ?? SEGMENTS_PER_RUN;
  const runs: RunName[] = [];
  let batch: ContainerContents[] = [];
  let batchSegments = 0;
  let containers = 0;
  let segments = 0;

  for await (const contents of options.containers) {
    options.signal?.throwIfAborted();
    if (batch.length > 0 && batchSegments + contents.segments.lengths.length > limit) {
      runs.push(await writeIndexRun({ ...options, containers: batch }));
      batch = [];
      batchSegments = 0;
    }
    batch.push(contents);
    batchSegments += contents.segments.lengths.length;
    containers++;
    segments += contents.segments.lengths.length;
  }
  // With nothing to index, an empty run is still what takes the place of the old ones.
  if (batch.length > 0 || replaces.length > 0) {
    runs.push(await writeIndexRun({ ...options, containers: batch, supersedes: replaces }));
    removeRuns(options.files, options.directory, replaces);
  }
  return { runs, containers, segments };
}
