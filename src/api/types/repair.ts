// Mending, and what it says of losses.

import type { OpenOptions } from "./opening.ts";
import type { Damage } from "./verify.ts";

export interface RebuildReport {
  readonly containers: number;
  readonly segments: number;
  readonly images: number;
  /** Containers whose directory cannot be read; what they hold is missing from the index. */
  readonly damaged: readonly { readonly container: string; readonly problem: string }[];
}

export interface RepairOptions {
  /** Look and report; change nothing. */
  readonly dryRun?: boolean;
  /** Another repository from which lost content is taken. It is only read. */
  readonly from?: Pick<OpenOptions, "repository" | "passphrase">;
  readonly onProgress?: (progress: {
    readonly phase: "containers" | "salvage" | "images";
    readonly done: number;
    readonly total: number;
  }) => void;
  /** Hears of every loss; the report holds the first thousand. */
  readonly onLoss?: (loss: ImageLoss) => void;
  readonly signal?: AbortSignal;
}

/** Something of an image that cannot be given back. */
export interface ImageLoss {
  readonly image: string;
  readonly source: string;
  readonly startedAtMs: number;
  /** "entries": the list of so many entries, the first of them at `path`, cannot be read. */
  readonly kind: "file" | "entries";
  readonly path: string;
  readonly entries: number;
  /** Of the file's content, stored nowhere; undefined when that is not known. */
  readonly bytes: number | undefined;
}

export interface RepairedContainer {
  readonly container: string;
  readonly volume: string;
  readonly problem: string;
  /** Segments that were stored again, those of which another whole copy existed, and those that cannot be read. */
  readonly savedSegments: number;
  readonly safeSegments: number;
  readonly lostSegments: number;
  /** False when not even what it held is known: neither its directory nor the index says it. */
  readonly isKnown: boolean;
  /** Where its file lies now; undefined in a dry run. */
  readonly setAside: string | undefined;
}

export interface RepairedRecord {
  /** The name of the file in the repository. */
  readonly what: string;
  readonly problem: string;
  readonly code: string;
  /** Where its file lies now; undefined in a dry run, and for what is left where it is. */
  readonly setAside: string | undefined;
}

export interface RepairReport {
  readonly isDryRun: boolean;
  /** All that were looked at, the damaged ones included. */
  readonly containers: number;
  readonly bytesRead: number;
  readonly damagedContainers: readonly RepairedContainer[];
  /** Containers that the index names and no volume has. */
  readonly missingContainers: readonly string[];
  /** Image records, annotations, checkpoints, trail records and key slots. */
  readonly damagedRecords: readonly RepairedRecord[];
  /** What was wrong with the index; undefined when nothing was. */
  readonly indexProblem: string | undefined;
  readonly savedSegments: number;
  readonly savedBytes: number;
  /** Taken from the other repository. */
  readonly takenSegments: number;
  readonly takenBytes: number;
  readonly images: number;
  /** Those of which everything is stored, after the repair. */
  readonly wholeImages: number;
  /** What is lost, image by image: the first thousand. Empty and unknown when `lossesKnown` is false. */
  readonly losses: readonly ImageLoss[];
  readonly lossCount: number;
  /** False in a dry run with an index that cannot be read: only a repair would tell. */
  readonly lossesKnown: boolean;
  readonly transients: readonly Damage[];
  readonly durationMs: number;
}
