// What a walk has to say besides the entries.

import { FileTreeError } from "../../platform/file-tree.ts";
import type { SourceProblem } from "../../model/backup-report.ts";

/** Something that is missing from the walk, or that the walk could not enter. It goes on all the same. */
export interface WalkProblem {
  /** Absolute, without the leading "/"; a copy. */
  readonly path: Uint8Array;
  readonly action: SourceProblem["action"];
  /** The platform's code, such as EACCES. */
  readonly code: string;
}

/**
 * Worth a line, but nothing went wrong.
 * - socket: left out, because a socket is nothing without its program.
 * - link-stored: a selected path is a symbolic link and was stored as one; with a "/" at its end it would be followed.
 * - link-followed: a selected path, or one on the way to it, is a symbolic link and was stored as the directory it leads to.
 * - excluded: a selected path is left out by a pattern.
 * - own-data: left out, because it belongs to the program that walks.
 * - ancestor-unknown: a directory on the way to a selected path may be passed but not looked at, so it is no entry.
 */
export type WalkNoticeKind = "socket" | "link-stored" | "link-followed" | "excluded" | "own-data" | "ancestor-unknown";

export interface WalkNotice {
  readonly path: Uint8Array;
  readonly kind: WalkNoticeKind;
}

export interface WalkCounts {
  /** Left out by patterns; what lies inside such a directory is not counted. */
  excluded: number;
  /** Listed, but gone when it was looked at: normal on a living system. */
  vanished: number;
  sockets: number;
  /** Directories of other file systems that were not entered. */
  mountPoints: number;
  /** Directories of which only the tag was kept. */
  tagged: number;
  problems: number;
}

/** Codes that say something about this process and not about the entry; going on would lose entry after entry. */
const ours: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "ENOMEM", "EBADF"]);

/** The code of a failed call on an entry; anything else is thrown on. */
export function codeOfEntryFailure(error: unknown): string {
  if (error instanceof FileTreeError && !ours.has(error.code)) return error.code;
  throw error;
}
