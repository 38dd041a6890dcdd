// What a backup reads: the person's paths and patterns turned into a walk, and the name of what they make up together.

import { HoldfastError } from "../base/errors.ts";
import { textOf, utf8 } from "../base/bytes.ts";
import type { FileTree } from "../platform/file-tree.ts";
import type { Files } from "../platform/files.ts";
import { PatternList, SelectionBuilder, chooseSegmentation, parsePatternFile, walkTree } from "../sources/files/files.ts";
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
  for (let i = 0; i < selection.count && i < PATHS_NAMED; i++) paths.push(`/${textOf(selection.path(i))}`);
  const more = selection.count > PATHS_NAMED ? ` and ${selection.count - PATHS_NAMED} more` : "";
  return { source: options.source ?? `${host}:${paths.join(",")}${more}`, host, paths };
}

const PATHS_NAMED = 16;

export function openWalk(
  tree: FileTree,
  files: Files,
  selection: Selection,
  options: BackupOptions,
  listeners: WalkListeners,
): TreeWalk {
  return walkTree({
    tree,
    selection,
    excludes: new PatternList(excludePatterns(files, options)),
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
export function segmentationOf(
  options: BackupOptions,
): (path: Uint8Array, pathLength: number, sizeBytes: number, allocatedBytes: number) => number | undefined {
  const rules = { fixedSegments: new PatternList((options.fixedSegments ?? []).map(utf8)) };
  return (path, pathLength, sizeBytes, allocatedBytes) => {
    const segmentation = chooseSegmentation({ path, pathLength, sizeBytes, allocatedBytes }, rules);
    return segmentation.kind === "fixed" ? segmentation.segmentBytes : undefined;
  };
}
