// A restore, as the planning thread conducts it, in passes over the image's entries:
//   1. directories are made, everything else is planned and given to the threads (content-planner.ts)
//   2. further names of files become hard links
//   3. what the image does not have is removed, when that was asked for
//   4. what was written is read again and compared, when that was asked for
//   5. directories get their attributes, files their flags
// Each pass streams the pages anew, so memory does not grow with the image: what passes hand on to each other is a few bits for
// each entry. docs/design/restore.md says why.

import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { textOf } from "../base/bytes.ts";
import type { FileTree } from "../platform/file-tree.ts";
import type { Random } from "../platform/random.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";
import { AttributeSetter } from "./attributes.ts";
import { restoreAttributes } from "./attribute-pass.ts";
import { ContentPlanner } from "./content-planner.ts";
import { deleteOthers } from "./delete-pass.ts";
import { Subject, codeOfFailure } from "./entry-writer.ts";
import { isInImage } from "./entry-stream.ts";
import { FileMaker } from "./file-maker.ts";
import { removeLeftovers } from "./in-the-way.ts";
import { commonPaths, entryPathOf, outermostPaths, wantedPaths } from "./image-selection.ts";
import type { WantedPath } from "./image-selection.ts";
import { LargeFiles } from "./large-files.ts";
import type { LargeFileTarget } from "./large-files.ts";
import { restoreLinks } from "./link-pass.ts";
import type { OwnerRules } from "./owners.ts";
import { PlanPass } from "./plan-pass.ts";
import type { RestoreThread, SegmentLookup } from "./parts.ts";
import { Rehearsal } from "./rehearsal.ts";
import { ProblemList, newRestoreCounts } from "./report.ts";
import type { OverwriteMode, RestoreOutcome, RestoreProblem, RestoreProgress } from "./report.ts";
import { RunContext } from "./run-context.ts";
import { encodeBegin, temporaryNames, temporaryPrefix } from "./run-settings.ts";
import type { RunSettings, TargetIdentity } from "./run-settings.ts";
import { SegmentPlaces } from "./segment-places.ts";
import { TargetDirectories } from "./target-directories.ts";
import { openOrMakeTarget, openTargetAsFound } from "./target.ts";
import type { OpenedTarget } from "./target.ts";
import { TaskPool } from "./task-pool.ts";
import { TASK_END } from "./tasks.ts";
import { verifyRestored } from "./verify-pass.ts";

export interface RestoreParts {
  readonly source: PageSource;
  readonly index: SegmentLookup;
  /** Of this thread; each worker thread has its own. */
  readonly tree: FileTree;
  /** Each with a RestoreWriter behind it, and nothing else to do meanwhile. */
  readonly threads: readonly RestoreThread[];
  readonly random: Random;
  /** The effective user id; 0 for whoever may change owners. */
  readonly userId: number;
}

export interface RestoreRunOptions {
  /** Of the image's entries. */
  readonly root: EntryTreeRoot;
  /** Absolute path of the target directory. Entries get their full paths below it; "/" restores in place. */
  readonly target: Uint8Array;
  /** Absolute paths in the image; everything unless given. */
  readonly paths?: readonly Uint8Array[] | undefined;
  /**
   * The absolute paths that the image was made of: below them, and only there, it tells all there is. Nothing is deleted
   * elsewhere; without them nothing is.
   */
  readonly completePaths?: readonly Uint8Array[] | undefined;
  readonly overwrite?: OverwriteMode | undefined;
  readonly delete?: boolean | undefined;
  readonly verify?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly owners: OwnerRules;
  /** What the image as a whole holds, for the progress; ignored when paths are selected. */
  readonly expected?: { readonly files: number; readonly bytes: number } | undefined;
  readonly onProgress?: ((progress: RestoreProgress) => void) | undefined;
  readonly onProblem?: ((problem: RestoreProblem) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export class Restore {
  readonly #parts: RestoreParts;

  constructor(parts: RestoreParts) {
    assert(parts.threads.length > 0, "a restore has a thread to write with");
    this.#parts = parts;
  }

  /**
   * Restores, or with `dryRun` only looks and tells what it would do. Problems with single entries are in the outcome and stop nothing. Throws USAGE or
   * PATH_NOT_IN_IMAGE before anything is touched, TARGET_WRITE_FAILED when the target cannot be used, INTERRUPTED, and
   * what a thread failed with.
   */
  async run(options: RestoreRunOptions): Promise<RestoreOutcome> {
    const { source } = this.#parts;
    const selected = outermostPaths(options.paths?.map(entryPathOf));
    const complete = options.delete === true ? outermostPaths((options.completePaths ?? []).flatMap(pathsInImage)) : [];
    if (options.paths !== undefined) {
      for (const path of selected) if (!(await isInImage(source, options.root, path))) throw notInImage(path);
    }
    const context = this.#context(options);
    const wanted = wantedPaths(selected);
    if (options.dryRun === true) {
      await this.#rehearse(context, options, wanted, commonPaths(selected, complete));
    } else {
      const target = openOrMakeTarget(this.#parts.tree, options.target);
      try {
        const run = new Run(this.#parts, context, options, target);
        await run.carryOut(wanted, commonPaths(selected, complete));
      } finally {
        this.#parts.tree.close(target.handle);
      }
    }
    return outcomeOf(context);
  }

  #context(options: RestoreRunOptions): RunContext {
    const { source, index, tree, threads } = this.#parts;
    return new RunContext({
      source,
      root: options.root,
      tree,
      places: new SegmentPlaces(index),
      pool: new TaskPool(threads),
      counts: newRestoreCounts(),
      problems: new ProblemList(options.onProblem),
      isDryRun: options.dryRun === true,
      expected: options.paths === undefined ? options.expected : undefined,
      onProgress: options.onProgress,
      signal: options.signal,
    });
  }

  /** The passes that decide, with the rules of a run that writes. */
  async #rehearse(
    context: RunContext,
    options: RestoreRunOptions,
    wanted: readonly WantedPath[],
    scopes: readonly Uint8Array[],
  ): Promise<void> {
    const { tree } = this.#parts;
    const target = openTargetAsFound(tree, options.target);
    const root = target?.handle;
    const settings = settingsOf(this.#parts, options, target?.identity ?? { ...NO_TARGET, path: options.target });
    const rehearsal = new Rehearsal({ context, tree, settings, root });
    const onRemoved = (path: Uint8Array): void => context.noteRemoved(path);
    const directories = root === undefined ? undefined : new TargetDirectories(tree, root, settings, onRemoved);
    try {
      context.begin("plan");
      const planner = new ContentPlanner(context, new LargeFiles(context, rehearsal), rehearsal);
      const plan = new PlanPass(context, planner, directories);
      await plan.run(wanted);
      const temporaryName = (): Uint8Array => new Uint8Array(0);
      if (plan.hasLinks) await restoreLinks({ context, tree, root, settings, planner, temporaryName, rehearsal }, wanted);
      if (root === undefined || scopes.length === 0) return;
      context.begin("delete");
      await deleteOthers({ context, tree, root }, scopes);
    } finally {
      rehearsal.close();
      directories?.close();
      if (root !== undefined) tree.close(root);
    }
  }
}

/** One restore that writes: what it opens and begins is closed and ended with it. */
class Run {
  readonly #parts: RestoreParts;
  readonly #context: RunContext;
  readonly #options: RestoreRunOptions;
  readonly #target: OpenedTarget;
  readonly #settings: RunSettings;
  readonly #temporaryName: () => Uint8Array;

  constructor(parts: RestoreParts, context: RunContext, options: RestoreRunOptions, target: OpenedTarget) {
    this.#parts = parts;
    this.#context = context;
    this.#options = options;
    this.#target = target;
    this.#settings = settingsOf(parts, options, target.identity);
    this.#temporaryName = temporaryNames(this.#settings.temporaryPrefix, 0);
  }

  async carryOut(wanted: readonly WantedPath[], scopes: readonly Uint8Array[]): Promise<void> {
    const { tree } = this.#parts;
    const { handle } = this.#target;
    const { pool } = this.#context.parts;
    const directories = new TargetDirectories(tree, handle, this.#settings, (path) => this.#context.noteRemoved(path));
    const large = new LargeFiles(this.#context, this.#largeFileTarget(directories));
    pool.begin((thread) => encodeBegin(this.#settings, thread + 1));
    try {
      await this.#passes(wanted, scopes, directories, large);
    } finally {
      await pool.cancel();
      large.abandonAll();
      directories.close();
      await endThreads(pool);
    }
  }

  async #passes(
    wanted: readonly WantedPath[],
    scopes: readonly Uint8Array[],
    directories: TargetDirectories,
    large: LargeFiles,
  ): Promise<void> {
    const { tree } = this.#parts;
    const context = this.#context;
    const settings = this.#settings;
    const root = this.#target.handle;
    context.begin("restore");
    const planner = new ContentPlanner(context, large);
    const plan = new PlanPass(context, planner, directories);
    await plan.run(wanted);
    if (plan.hasLinks) {
      const temporaryName = this.#temporaryName;
      await restoreLinks({ context, tree, root, settings, planner, temporaryName }, wanted);
    }
    if (scopes.length > 0) {
      context.begin("delete");
      await deleteOthers({ context, tree, root }, scopes);
    }
    if (this.#options.verify === true) {
      context.begin("verify");
      await verifyRestored(context, wanted);
    }
    context.begin("restore");
    const includesTarget = this.#target.isNew || (this.#target.isRoot && this.#options.paths === undefined);
    await restoreAttributes({ context, settings, directories, includesTarget }, wanted);
    if (!includesTarget && !context.holdsTemporaryNames) this.#removeLeftovers();
  }

  /** In a target that was there before and keeps its attributes; for the directories below the threads do it. */
  #removeLeftovers(): void {
    const { tree } = this.#parts;
    const { problems } = this.#context.parts;
    removeLeftovers(tree, this.#target.handle, (name, code) => problems.add(name, "remove leftover", code));
  }

  #largeFileTarget(directories: TargetDirectories): LargeFileTarget {
    const { tree } = this.#parts;
    const { problems } = this.#context.parts;
    const settings = this.#settings;
    const subject = new Subject();
    const setter = new AttributeSetter(tree, settings.owners, (action, code) => problems.add(subject.path, action, code));
    const { ways } = directories;
    const files = new FileMaker({ tree, setter, settings, directories: ways, temporaryName: this.#temporaryName });
    return { tree, settings, setter, files, ways, subject };
  }
}

const NO_TARGET = { inodeLow: 0, inodeHigh: 0, deviceMajor: 0, deviceMinor: 0 };

function settingsOf(parts: RestoreParts, options: RestoreRunOptions, target: TargetIdentity): RunSettings {
  const overwrite = options.overwrite ?? "if-changed";
  return {
    overwrite,
    removesTrees: overwrite !== "never" && options.delete === true,
    isDryRun: options.dryRun === true,
    owners: options.owners,
    userId: parts.userId,
    temporaryPrefix: temporaryPrefix(parts.random),
    target,
  };
}

/** None for what is no absolute path, as the name given to a command's output: there is nothing below it. */
function pathsInImage(path: Uint8Array): readonly Uint8Array[] {
  try {
    return [entryPathOf(path)];
  } catch (error) {
    codeOfFailure(error);
    return [];
  }
}

/** Lets the threads close what they have open, also those of which one has failed. */
async function endThreads(pool: TaskPool): Promise<void> {
  try {
    await pool.broadcast(() => Uint8Array.of(TASK_END));
  } catch {
    // A thread that failed has been told of already; its handles end with it.
  }
}

function outcomeOf(context: RunContext): RestoreOutcome {
  const { counts, problems, places } = context.parts;
  const { files, directories, others, bytes, segments, storedBytes } = counts;
  return {
    plan: { files, directories, others, bytes, segments, containers: places.neededContainers, storedBytes },
    restoredFiles: counts.restoredFiles,
    restoredBytes: counts.restoredBytes,
    replacedFiles: counts.replacedFiles,
    restoredOthers: counts.restoredOthers,
    madeDirectories: counts.madeDirectories,
    skippedUnchanged: counts.skippedUnchanged,
    skippedExisting: counts.skippedExisting,
    deleted: counts.deleted,
    removed: context.removed.kept,
    verifiedFiles: counts.verifiedFiles,
    problems: problems.kept,
    problemCount: problems.count,
  };
}

function notInImage(path: Uint8Array): HoldfastError {
  return new HoldfastError("PATH_NOT_IN_IMAGE", {
    message: `The image holds no "/${textOf(path)}"`,
    hint: "`holdfast ls IMAGE` shows what it holds.",
  });
}
