// What the passes of one restore share.

import { HoldfastError } from "../base/errors.ts";
import type { FileTree } from "../platform/file-tree.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";
import { EntryStream } from "./entry-stream.ts";
import type { WantedPath } from "./image-selection.ts";
import { PositionSet } from "./position-set.ts";
import { FirstOfMany, compareTexts, shownPath } from "./report.ts";
import type { ProblemList, RestoreCounts, RestorePhase, RestoreProgress } from "./report.ts";
import { readResults } from "./results.ts";
import type { ResultListener } from "./results.ts";
import type { SegmentPlaces } from "./segment-places.ts";
import type { PoolTask, TaskPool } from "./task-pool.ts";

export interface RunContextParts {
  readonly source: PageSource;
  readonly root: EntryTreeRoot;
  readonly tree: FileTree;
  readonly places: SegmentPlaces;
  readonly pool: TaskPool;
  readonly counts: RestoreCounts;
  readonly problems: ProblemList;
  /** Everything is planned, nothing is touched. */
  readonly isDryRun: boolean;
  readonly expected: { readonly files: number; readonly bytes: number } | undefined;
  readonly onProgress: ((progress: RestoreProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface PlannedAgain {
  readonly path: Uint8Array;
  readonly body: Uint8Array;
  readonly position: number;
}

export class RunContext {
  readonly parts: RunContextParts;
  /** Entries that are not at the target as the image has them, by their position. */
  readonly notRestored = new PositionSet();
  /** Pages that could not be read, or entries that are not believed: what the image has is not known in full. */
  isImageDamaged = false;
  /** The image has names like those of our temporary files: then none that is found may be taken for a leftover. */
  holdsTemporaryNames = false;
  /** Paths of what was removed, or would be. */
  readonly removed = new FirstOfMany<string>(compareTexts);
  /** Entries whose block turned out to be damaged: other copies are tried. */
  again: PlannedAgain[] = [];
  #phase: RestorePhase = "plan";
  #currentPath = "/";

  constructor(parts: RunContextParts) {
    this.parts = parts;
  }

  get isDryRun(): boolean {
    return this.parts.isDryRun;
  }

  begin(phase: RestorePhase): void {
    this.#phase = phase;
  }

  /** Only the first pass tells of damage: the others meet the same. */
  stream(wanted: readonly WantedPath[], isFirst = false): EntryStream {
    const { source, root, problems } = this.parts;
    const onDamage = (path: Uint8Array, error: HoldfastError): void => {
      this.isImageDamaged = true;
      if (isFirst) problems.add(path, "read entries", error.code);
    };
    return new EntryStream({ source, root, wanted, onDamage });
  }

  /** Between two pieces of work: lets threads report, and stops when that was asked for. `path` is where the work stands. */
  async turn(path: () => Uint8Array): Promise<void> {
    const { signal, pool, onProgress } = this.parts;
    if (signal?.aborted === true) throw interrupted();
    if (onProgress !== undefined) this.#currentPath = shownPath(path());
    this.#tellProgress();
    if (pool.pending > 0) await new Promise((resolve) => setImmediate(resolve));
    pool.check();
  }

  /** Waits until at most `count` tasks are pending; stops when that was asked for. */
  async below(count: number): Promise<void> {
    const { pool, signal } = this.parts;
    while (pool.pending > count) {
      if (signal?.aborted === true) throw interrupted();
      await pool.progress();
      this.#tellProgress();
    }
    pool.check();
  }

  #tellProgress(): void {
    const { onProgress, counts, expected } = this.parts;
    onProgress?.({
      phase: this.#phase,
      filesDone: counts.filesDone,
      filesTotal: expected?.files,
      bytesDone: counts.bytesDone,
      bytesTotal: expected?.bytes,
      currentPath: this.#currentPath,
    });
  }

  task(bytes: Uint8Array<ArrayBuffer>, changes: Partial<ResultListener> = {}): PoolTask {
    return {
      bytes,
      done: (results) => readResults(results, { ...this.#listener, ...changes }),
    };
  }

  /** `detail`: which container, and what is wrong with it, where it is the repository that fails. */
  fail(path: Uint8Array, position: number, code: string, detail?: string): void {
    // A dry run opens nothing up: what it cannot see may well be restored.
    this.parts.problems.add(path, this.isDryRun && code === "EACCES" ? "look at the target" : "restore", code, detail);
    this.notRestored.add(position);
    this.parts.counts.filesDone++;
  }

  /** Something at the target had to go. */
  noteRemoved(path: Uint8Array): void {
    this.parts.counts.deleted++;
    this.removed.add(shownPath(path));
  }

  readonly #listener: ResultListener = {
    problem: (path, action, code) => this.parts.problems.add(path, action, code),
    removed: (path) => this.removed.add(shownPath(path)),
    again: (path, body, position) => {
      this.again.push({ path: new Uint8Array(path), body: new Uint8Array(body), position });
    },
    pieceAgain: () => undefined,
    badBlock: (location, code) => this.parts.places.noteBadBlock(location, code),
    badSegment: (location, code) => this.parts.places.noteBadSegment(location, code),
    notRestored: (position) => this.notRestored.add(position),
    totals: (totals) => {
      const { counts } = this.parts;
      counts.restoredFiles += totals.restoredFiles;
      counts.restoredBytes += totals.restoredBytes;
      counts.skippedUnchanged += totals.skippedUnchanged;
      counts.skippedExisting += totals.skippedExisting;
      counts.verifiedFiles += totals.verifiedFiles;
      counts.filesDone += totals.filesDone;
      counts.bytesDone += totals.bytesDone;
      counts.replacedFiles += totals.replacedFiles;
      counts.restoredOthers += totals.restoredOthers;
      counts.deleted += totals.removed;
    },
  };
}

export function interrupted(): HoldfastError {
  return new HoldfastError("INTERRUPTED", {
    message: "The restore was interrupted",
    retry: "now",
    hint: "Start it again: what is restored already is left as it is.",
  });
}
