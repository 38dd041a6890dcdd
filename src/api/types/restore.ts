// A restore as it is asked for and reported.

import type { OverwriteMode, RestoreOutcome, RestoreProblem, RestoreProgress } from "../../restore/restore.ts";
import type { ImageFilter } from "./images.ts";

export interface RestoreOptions {
  readonly image: string;
  readonly filter?: ImageFilter;
  /** Absolute paths in the image; everything unless given. */
  readonly paths?: readonly (string | Uint8Array)[];
  /** Created when missing. Entries get their full paths below it; "/" restores in place. */
  readonly target: string;
  readonly overwrite?: OverwriteMode;
  /**
   * Remove what the image does not have from the directories that are restored, and directories with all that is in them where the
   * image has something else.
   */
  readonly delete?: boolean;
  /** With `delete`: also for an image that left things out on purpose or could not read some; else that is refused. */
  readonly deleteExcluded?: boolean;
  /** Read what was written and compare fingerprints. */
  readonly verify?: boolean;
  /** Look at the target and tell what would be done there, with the same rules, and change nothing. */
  readonly dryRun?: boolean;
  /** How owners are found: by number as stored (for root, unless given), by name on this machine, or not at all (for others). */
  readonly owners?: "number" | "name" | "none";
  readonly onProgress?: (progress: RestoreProgress) => void;
  readonly onProblem?: (problem: RestoreProblem) => void;
  readonly signal?: AbortSignal;
}

/** What was done; with `dryRun` what would be done, as far as a look at the target tells. */
export interface RestoreReport extends RestoreOutcome {
  readonly imageId: string;
  readonly durationMs: number;
}
