// A backup as it is asked for and reported.

import type { BackupStatistics, SourceProblem } from "../../model/backup-report.ts";

export type Compression = "off" | "fast" | "default" | "best";

export interface BackupOptions {
  /** Absolute or relative paths of files and directories. Text, or bytes for names that are not UTF-8. */
  readonly paths?: readonly (string | Uint8Array)[];
  /** More paths, as the bytes of lists; a path of a list may be missing. */
  readonly filesFrom?: readonly { readonly bytes: Uint8Array; readonly separator: "newline" | "zero" }[];
  /** Instead of paths: the output of this command becomes the content of one file. */
  readonly command?: { readonly arguments: readonly string[]; readonly fileName: string };
  /** What is protected; the host's name and the paths unless given. */
  readonly source?: string;
  readonly host?: string;
  readonly tags?: readonly string[];
  /** gitignore-style patterns, in order. */
  readonly exclude?: readonly string[];
  readonly excludeFiles?: readonly string[];
  readonly excludeCaches?: boolean;
  /** Directories that hold an entry of one of these names are skipped. */
  readonly excludeIfPresent?: readonly string[];
  readonly oneFileSystem?: boolean;
  readonly compression?: Compression;
  /**
   * Open every sealed block again and compare it with what was read before its container is written: what a fault of memory, processor or
   * library would spoil is noticed while the original is there. True unless given; docs/design/engine.md says what it costs.
   */
  readonly verifyBlocks?: boolean;
  /** Read every file whatever its attributes say. */
  readonly forceRescan?: boolean;
  /** The share of unchanged files to read all the same, 0 to 1. */
  readonly rescanFraction?: number;
  readonly ignoreInode?: boolean;
  readonly ignoreChangeTime?: boolean;
  /** Globs of files to be cut into segments of fixed size. */
  readonly fixedSegments?: readonly string[];
  /** How often to note how far it has come: after so many bytes read; 60 seconds do it too. 1 GiB unless given. */
  readonly checkpointBytes?: number;
  /** Walk and compare, store nothing. */
  readonly dryRun?: boolean;
  /** Shell commands run before and after; a failing `before` fails the backup, a failing `after` is reported. */
  readonly before?: string;
  readonly after?: string;
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly onProblem?: (problem: SourceProblem) => void;
  readonly onNotice?: (notice: string) => void;
  readonly signal?: AbortSignal;
}

export interface BackupProgress {
  readonly filesDone: number;
  readonly bytesDone: number;
  /** From the base image; undefined for a first backup. */
  readonly filesExpected: number | undefined;
  readonly bytesExpected: number | undefined;
  readonly currentPath: string;
}

export interface BackupReport {
  /** Undefined after a dry run. */
  readonly imageId: string | undefined;
  readonly source: string;
  readonly baseImageId: string | undefined;
  readonly statistics: BackupStatistics;
  /** New in the repository: before compression, and as stored including metadata. */
  readonly addedPlainBytes: number;
  readonly addedStoredBytes: number;
  readonly problems: readonly SourceProblem[];
  readonly problemCount: number;
  /** Paths of sockets, which are not stored; the first ones, all are counted in the statistics. */
  readonly skippedSockets: readonly string[];
  readonly notices: readonly string[];
  readonly durationMs: number;
  /** What went wrong with the command after the backup, if it did. */
  readonly afterFailure: string | undefined;
}
