// What a restore says of itself: its plan, its progress, its outcome and what went wrong.

import { textOf } from "../base/bytes.ts";

export type OverwriteMode = "never" | "if-changed" | "always";

export interface RestoreProblem {
  /** Absolute path in the image, for people. */
  readonly path: string;
  /** What was being done: "restore", "set owner", "delete", … */
  readonly action: string;
  /** The platform's code or one of ours. */
  readonly code: string;
  /** Where the repository failed: which container, and what is wrong with it. */
  readonly detail?: string;
}

export interface RestorePlan {
  readonly files: number;
  readonly directories: number;
  /** Links, FIFOs, devices. */
  readonly others: number;
  /** Content of the files, holes included; a file with several names counts once. */
  readonly bytes: number;
  readonly segments: number;
  /** Distinct containers to read from, and the bytes of the blocks that are read. */
  readonly containers: number;
  readonly storedBytes: number;
}

export type RestorePhase = "plan" | "restore" | "delete" | "verify";

export interface RestoreProgress {
  readonly phase: RestorePhase;
  readonly filesDone: number;
  readonly filesTotal: number | undefined;
  readonly bytesDone: number;
  readonly bytesTotal: number | undefined;
  readonly currentPath: string;
}

export interface RestoreOutcome {
  readonly plan: RestorePlan;
  readonly restoredFiles: number;
  readonly restoredBytes: number;
  readonly skippedUnchanged: number;
  readonly skippedExisting: number;
  readonly deleted: number;
  readonly verifiedFiles: number;
  /** The first of them. */
  readonly problems: readonly RestoreProblem[];
  readonly problemCount: number;
}

export interface RestoreCounts {
  files: number;
  directories: number;
  others: number;
  bytes: number;
  segments: number;
  storedBytes: number;
  /** What is done with, restored or not, for the progress. */
  filesDone: number;
  bytesDone: number;
  restoredFiles: number;
  restoredBytes: number;
  skippedUnchanged: number;
  skippedExisting: number;
  deleted: number;
  verifiedFiles: number;
}

export function newRestoreCounts(): RestoreCounts {
  return {
    files: 0,
    directories: 0,
    others: 0,
    bytes: 0,
    segments: 0,
    storedBytes: 0,
    filesDone: 0,
    bytesDone: 0,
    restoredFiles: 0,
    restoredBytes: 0,
    skippedUnchanged: 0,
    skippedExisting: 0,
    deleted: 0,
    verifiedFiles: 0,
  };
}

/** An entry's path as people see it. */
export function shownPath(path: Uint8Array): string {
  return `/${textOf(path)}`;
}

/** More are counted and told to the listener, but not kept: a full disk makes one for every file. */
const PROBLEMS_KEPT = 1_000;

export class ProblemList {
  readonly kept: RestoreProblem[] = [];
  count = 0;
  readonly #listener: ((problem: RestoreProblem) => void) | undefined;
  readonly #kinds = new Set<string>();

  constructor(listener?: (problem: RestoreProblem) => void) {
    this.#listener = listener;
  }

  add(path: Uint8Array, action: string, code: string, detail?: string): void {
    const problem = { path: shownPath(path), action, code, ...(detail === undefined ? {} : { detail }) };
    this.count++;
    if (this.kept.length < PROBLEMS_KEPT) this.kept.push(problem);
    this.#listener?.(problem);
  }

  /** For what concerns nearly every entry once it concerns one, as owners for an ordinary user: only the first of a kind. */
  addKind(path: Uint8Array, action: string, code: string): void {
    const kind = `${code} ${action}`;
    if (this.#kinds.has(kind)) return;
    this.#kinds.add(kind);
    this.add(path, action, code);
  }
}
