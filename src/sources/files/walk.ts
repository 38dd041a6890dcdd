// Walks what was selected, in the order of entries, one entry per call: the caller pulls, and may pause as long as it
// likes. A directory comes before what lies in it. Memory holds one listing per directory on the way to the present
// entry and nothing else of the tree; the number of open directories is bounded; nothing is allocated per entry but a view.
//
// What cannot be read is reported and passed by. The walk fails only when a required path is missing at the start, or
// for a reason of its own (no handles left). It follows no link except on the way to a selected path, so it cannot loop.

import { textOf } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import { PATH_LIMIT } from "../../formats/entry-page.ts";
import type { SourceProblem } from "../../model/backup-report.ts";
import { isWithin, nameStartOf, PATH_SEPARATOR } from "../../model/path-order.ts";
import type { DirectoryHandle, ExtendedAttribute, FileTree, StatBuffer } from "../../platform/file-tree.ts";
import { KIND_DIRECTORY, KIND_SOCKET, KIND_SYMBOLIC_LINK, KIND_UNKNOWN, newStatBuffer } from "../../platform/file-tree.ts";
import { withoutTagged } from "./directory-tags.ts";
import { OpenLevels, type Level } from "./open-levels.ts";
import { PathBuffer } from "./path-buffer.ts";
import { noPatterns, type PatternList } from "./patterns.ts";
import { SelectedPaths } from "./selected-paths.ts";
import type { Selection } from "./selection.ts";
import { codeOfEntryFailure, type WalkCounts, type WalkNotice, type WalkNoticeKind, type WalkProblem } from "./walk-report.ts";

export interface WalkOptions {
  readonly tree: FileTree;
  readonly selection: Selection;
  /** What to leave out. */
  readonly excludes?: PatternList;
  /** Do not enter directories of other file systems than that of the selected path; they are entries all the same. */
  readonly oneFileSystem?: boolean;
  /** Of directories with a cache directory tag keep only the tag. */
  readonly excludeCaches?: boolean;
  /** Of directories that hold an entry of one of these names keep only those entries. */
  readonly excludeIfPresent?: readonly Uint8Array[];
  readonly onProblem: (problem: WalkProblem) => void;
  readonly onNotice?: (notice: WalkNotice) => void;
  readonly signal?: AbortSignal | undefined;
  /** Directories open at a time, apart from two at the selected path and the present entry. */
  readonly maximumOpenDirectories?: number;
}

/** The entry the walk stands at. Everything here is used again: it is valid until the next call of `next`. */
export interface TreeWalk {
  /** Goes to the next entry; false after the last. Throws when `signal` is aborted. */
  next(): boolean;
  /** Its first `pathLength` bytes are the path: absolute, without the leading "/", empty for the root directory. */
  readonly path: Uint8Array;
  readonly pathLength: number;
  /** Where the last component begins. */
  readonly nameStart: number;
  readonly stat: StatBuffer;
  /**
   * The entry is `name` in `directory`. When the name is empty it is `directory` itself: the root directory, or a
   * link on the way to a selected path that was followed.
   */
  readonly directory: DirectoryHandle;
  readonly name: Uint8Array;
  /** A directory on the way to a selected path; only what was selected follows inside. */
  readonly isAncestor: boolean;
  readonly counts: Readonly<WalkCounts>;
  /** The entry's extended attributes, by whatever handle is at hand. */
  extendedAttributes(): readonly ExtendedAttribute[];
  /** Releases what is open; harmless when repeated. Reaching the end does it too. */
  close(): void;
}

const DEFAULT_OPEN_DIRECTORIES = 64;
const ENTRIES_PER_LOOK_AT_SIGNAL = 256;

/** Throws SOURCE_MISSING when a required path of the selection does not exist. */
export function walkTree(options: WalkOptions): TreeWalk {
  SelectedPaths.check(options.tree, options.selection);
  return new Walk(options);
}
