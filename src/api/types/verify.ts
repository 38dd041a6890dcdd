// Checking what is stored, and comparing it with what is there.

import type { RepositoryDamage, VerifyOutcome } from "../../restore/restore.ts";
import type { Difference, ImageFilter } from "./images.ts";

export interface VerifyOptions {
  /** Read this share of the data as well, 0 to 1; structure only when not given. */
  readonly readData?: number;
  readonly onProgress?: (progress: {
    readonly phase: "images" | "containers";
    readonly done: number;
    readonly total: number;
  }) => void;
  readonly signal?: AbortSignal;
}

export interface CompareOptions {
  /** Of the source, as they are now. */
  readonly paths: readonly (string | Uint8Array)[];
  /** The newest image that was made of all these paths, unless given. */
  readonly image?: string;
  readonly filter?: ImageFilter;
  /** Hears of every difference; the report holds the first thousand. */
  readonly onDifference?: (difference: SourceDifference) => void;
  readonly onProgress?: (progress: {
    readonly entriesDone: number;
    readonly bytesDone: number;
    readonly currentPath: string;
  }) => void;
  readonly signal?: AbortSignal;
}

export interface SourceDifference {
  /** At the source and not in the image, in the image and not at the source, different, or not to be read at the source. */
  readonly kind: "new" | "missing" | "changed" | "unreadable";
  readonly path: string;
  /** What differs; empty unless changed. */
  readonly changes: Extract<Difference, { kind: "changed" }>["changes"];
  /** The platform's code, of what is unreadable. */
  readonly code?: string;
}

export interface CompareReport {
  readonly imageId: string;
  readonly entries: number;
  readonly bytesRead: number;
  readonly newEntries: number;
  readonly missing: number;
  readonly changed: number;
  readonly unreadable: number;
  readonly differences: readonly SourceDifference[];
  readonly differenceCount: number;
  readonly durationMs: number;
}

export type Damage = RepositoryDamage;

export interface VerifyReport extends VerifyOutcome {
  readonly durationMs: number;
}
