// What a backup reads: the person's paths and patterns turned into a walk, and the name of what they make up together.

import { HoldfastError } from "../base/errors.ts";
import { textOf, utf8 } from "../base/bytes.ts";
import type { BackupRunSettings } from "../client/client.ts";
import type { FileTree } from "../platform/file-tree.ts";
import type { Files } from "../platform/files.ts";
import {
  PatternList,
  SelectionBuilder,
  chooseSegmentation,
  literalPattern,
  parsePatternFile,
  walkTree,
} from "../sources/files/files.ts";
import type { Selection, TreeWalk, WalkNotice, WalkProblem } from "../sources/files/files.ts";
import type { BackupOptions } from "./types.ts";

const PATTERN_FILE_LIMIT = 16 * 1024 * 1024;

export interface SourceName {
  readonly source: string;
  readonly host: string;
  /** Absolute, for people. */
  readonly paths: readonly string[];
}

export interface WalkListeners {
  readonly onProblem: (problem: WalkProblem) => void;
  readonly onNotice: (notice: WalkNotice) => void;
}

/** Merges what was chosen; USAGE when nothing was. */
export function selectionOf(options: BackupOptions, workingDirectory: string): Selection {
  const builder = new SelectionBuilder(utf8(workingDirectory));
  for (const path of options.paths ?? []) builder.addPath(typeof path === "string" ? utf8(path) : path);
  for (const { bytes, separator } of options.filesFrom ?? []) builder.addList(bytes, separator);
  const selection = builder.build();
  if (selection.count > 0) return selection;
  throw new HoldfastError("USAGE", {
    message: "Nothing was chosen to back up",
    hint: "Name at least one path.",
  });
}

/** Names a source by host and paths, unless the person named it; long lists are cut short, and a name says so. */
export function nameSource(options: BackupOptions, selection: Selection, hostName: string): SourceName {
  const host = options.host ?? hostName;
  const paths: string[] = [];
  for (let i = 0; i < selection.count && i < PATHS_RECORDED; i++) paths.push(`/${textOf(selection.path(i))}`);
  const more = selection.count > PATHS_NAMED ? ` and ${selection.count - PATHS_NAMED} more` : "";
  return { source: options.source ?? `${host}:${paths.slice(0, PATHS_NAMED).join(",")}${more}`, host, paths };
}

const PATHS_NAMED = 8;
const PATHS_RECORDED = 1_000;

export interface WalkParts {
  readonly tree: FileTree;
  readonly files: Files;
  readonly selection: Selection;
  readonly options: BackupOptions;
  /** Absolute paths of what is Holdfast's own: a repository inside its own source would grow with every backup. */
  readonly ownPlaces: readonly string[];
}

export function openWalk({ tree, files, selection, options, ownPlaces }: WalkParts, listeners: WalkListeners): TreeWalk {
  const own = ownPlaces.map((path) => literalPattern(utf8(path)));
  return walkTree({
    tree,
    selection,
    excludes: new PatternList([...excludePatterns(files, options), ...own]),
    oneFileSystem: options.oneFileSystem ?? false,
    excludeCaches: options.excludeCaches ?? false,
    excludeIfPresent: (options.excludeIfPresent ?? []).map(utf8),
    ...listeners,
  });
}

function excludePatterns(files: Files, options: BackupOptions): readonly Uint8Array[] {
  const patterns = (options.exclude ?? []).map(utf8);
  for (const path of options.excludeFiles ?? []) {
    const bytes = files.read(path, PATTERN_FILE_LIMIT);
    if (bytes === undefined) {
      throw new HoldfastError("USAGE", { message: `Cannot read the patterns in "${path}": there is no such file` });
    }
    patterns.push(...(parsePatternFile(bytes) as Uint8Array<ArrayBuffer>[]));
  }
  return patterns;
}

/** Segment size for files that are changed in place, undefined for all others. */
export function segmentationOf(options: BackupOptions): BackupRunSettings["fixedSegmentBytes"] {
  const fixedSegments = new PatternList((options.fixedSegments ?? []).map(utf8));
  return (file, before) => {
    const segmentation = chooseSegmentation(file, { fixedSegments, before });
    return segmentation.kind === "fixed" ? segmentation.segmentBytes : undefined;
  };
}
