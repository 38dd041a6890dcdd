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

/** Of a dry run: what the restore would do, as far as that can be seen beforehand. */
export interface RestoreOutcome {
  readonly plan: RestorePlan;
  readonly restoredFiles: number;
  readonly restoredBytes: number;
  /** So many of the restored files stand where something else was. */
  readonly replacedFiles: number;
  /** Links, FIFOs, devices. */
  readonly restoredOthers: number;
  readonly madeDirectories: number;
  readonly skippedUnchanged: number;
  readonly skippedExisting: number;
  /** Entries that were removed: those that the image lacks, and directories that had to give way with what was in them. */
  readonly deleted: number;
  /** Their paths as the image would have them, for people: the first 1,000 in the order of their text. */
  readonly removed: readonly string[];
  readonly verifiedFiles: number;
  /** The first 1,000 in the order of paths. */
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
  replacedFiles: number;
  restoredOthers: number;
  madeDirectories: number;
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
    replacedFiles: 0,
    restoredOthers: 0,
    madeDirectories: 0,
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

/** More are counted and told to the listener, but not kept: a full disk makes a problem for every file. */
const KEPT = 1_000;

/**
 * The first of many in their order, whatever the order in which they come: threads report as they get on, and what a person
 * reads is to be the same in two runs that do the same.
 */
export class FirstOfMany<Item> {
  #items: Item[] = [];
  readonly #compare: (a: Item, b: Item) => number;

  constructor(compare: (a: Item, b: Item) => number) {
    this.#compare = compare;
  }

  get kept(): readonly Item[] {
    return this.#items.toSorted(this.#compare).slice(0, KEPT);
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#items.length >= 2 * KEPT) this.#items = [...this.kept];
  }
}

export class ProblemList {
  count = 0;
  readonly #first = new FirstOfMany<RestoreProblem>(compareProblems);
  readonly #listener: ((problem: RestoreProblem) => void) | undefined;

  constructor(listener?: (problem: RestoreProblem) => void) {
    this.#listener = listener;
  }

  get kept(): readonly RestoreProblem[] {
    return this.#first.kept;
  }

  add(path: Uint8Array, action: string, code: string, detail?: string): void {
    const problem = { path: shownPath(path), action, code, ...(detail === undefined ? {} : { detail }) };
    this.count++;
    this.#first.add(problem);
    this.#listener?.(problem);
  }
}

function compareProblems(a: RestoreProblem, b: RestoreProblem): number {
  return compareTexts(a.path, b.path) || compareTexts(a.action, b.action) || compareTexts(a.code, b.code);
}

export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
