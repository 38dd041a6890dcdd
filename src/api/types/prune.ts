// A collection as it is asked for and reported.

export interface PruneOptions {
  /** Say what would be done, and do nothing. */
  readonly dryRun?: boolean;
  /** The share of what is stored that may stay unused, 0 to 1; 0.05 unless given. 0 writes everything anew that is not needed as a whole. */
  readonly maxUnused?: number;
  /** Machines that are gone for good, or single sessions: their writers are not waited for, and could not commit any more. */
  readonly assumeDead?: readonly string[];
  /** So many segments are held in memory at a time, about 40 bytes each; more are looked at in several passes. 4 million unless given. */
  readonly segmentsInMemory?: number;
  readonly onProgress?: (progress: {
    readonly phase: "mark" | "count" | "rewrite" | "rescue" | "remove";
    readonly done: number;
    readonly total: number;
  }) => void;
  readonly onNotice?: (notice: string) => void;
  readonly signal?: AbortSignal;
}

export interface PruneReport {
  /**
   * "done": containers were removed. "nothing": there was nothing to remove. "planned": a dry run. "waiting": containers are condemned, and
   * are removed by the next run after the writers in `waitingFor` have ended.
   */
  readonly outcome: "done" | "nothing" | "planned" | "waiting";
  /** In containers, as counted before: all, what images need, and what stays unused. Zero when only an earlier collection was looked at. */
  readonly storedBytes: number;
  readonly liveBytes: number;
  readonly unusedBytes: number;
  /** Containers of which nothing was needed. */
  readonly deadContainers: number;
  readonly deadBytes: number;
  /** Containers whose needed part was written anew. */
  readonly rewrittenContainers: number;
  readonly rewrittenBytes: number;
  readonly writtenContainers: number;
  readonly writtenBytes: number;
  /** Segments that a backup had begun to use after they were condemned. */
  readonly rescuedSegments: number;
  /** What is really gone, an earlier collection that was finished now included; in a dry run, what would be. */
  readonly removedContainers: number;
  readonly removedBytes: number;
  /** An earlier collection was brought to its end. */
  readonly finishedEarlier: boolean;
  readonly waitingFor: readonly {
    readonly session: string;
    /** Undefined where the session cannot be read. */
    readonly host: string | undefined;
    readonly processId: number | undefined;
    readonly startedAtMs: number | undefined;
  }[];
  readonly durationMs: number;
}
