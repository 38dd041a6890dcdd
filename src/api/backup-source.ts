// What a backup reads: the person's paths and patterns turned into a walk, and the name of what they make up together.

import { createHash } from "node:crypto";
import { HoldfastError } from "../base/errors.ts";
import { textOf, utf8 } from "../base/bytes.ts";
import type { BackupRunSettings } from "../client/client.ts";
import type { FileTree } from "../platform/file-tree.ts";
import type { Files } from "../platform/files.ts";
import {
  PatternList,
  SelectionBuilder,
  chooseSegmentation,
  identityOf,
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

/**
 * Names a source by host and paths, unless the person named it. A list that is long is named by the directory that all its paths
 * lie in and a digest of them: two lists never share a name, for the rules of `forget` judge the images of one source together.
 */
export function nameSource(options: BackupOptions, selection: Selection, hostName: string): SourceName {
  const host = options.host ?? hostName;
  const paths: string[] = [];
  for (let i = 0; i < selection.count && i < PATHS_RECORDED; i++) paths.push(`/${textOf(selection.path(i))}`);
  return { source: options.source ?? `${host}:${nameOfPaths(selection, paths)}`, host, paths };
}

function nameOfPaths(selection: Selection, paths: readonly string[]): string {
  const { count } = selection;
  const plain = count <= PATHS_NAMED ? paths.join(",") : undefined;
  if (plain !== undefined && plain.length <= NAME_CHARACTERS) return plain;
  const hash = createHash("sha256");
  let common = count > 0 ? selection.path(0).slice() : new Uint8Array(0);
  for (let i = 0; i < count; i++) {
    const path = selection.path(i);
    hash.update(path).update(ZERO);
    common = common.subarray(0, commonLength(common, path));
  }
  const directory = Array.from(`/${textOf(common)}`);
  const shown = directory.length <= DIRECTORY_CHARACTERS ? directory : [...directory.slice(0, DIRECTORY_CHARACTERS), "..."];
  const digest = hash.digest("hex").slice(0, DIGEST_DIGITS);
  return `${shown.join("")} (${count} ${count === 1 ? "path" : "paths"}, ${digest})`;
}

/** Bytes of the longest directory, or path, that both lie in or are. */
function commonLength(a: Uint8Array, b: Uint8Array): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at++;
  const isWhole = (path: Uint8Array): boolean => at === path.length || path[at] === PATH_SEPARATOR;
  return isWhole(a) && isWhole(b) ? at : Math.max(0, a.subarray(0, at).lastIndexOf(PATH_SEPARATOR));
}

const ZERO = Uint8Array.of(0);
const PATH_SEPARATOR = 0x2f;
const PATHS_NAMED = 8;
const NAME_CHARACTERS = 1_000;
const DIRECTORY_CHARACTERS = 200;
const DIGEST_DIGITS = 12;
const PATHS_RECORDED = 1_000;

export interface WalkParts {
  readonly tree: FileTree;
  readonly files: Files;
  readonly selection: Selection;
  readonly options: BackupOptions;
  /** Absolute paths. A repository inside its own source would grow with every backup; what lies in the cache is of no use elsewhere. */
  readonly ownPlaces: { readonly repository: string | undefined; readonly cache: string };
}

export function openWalk({ tree, files, selection, options, ownPlaces }: WalkParts, listeners: WalkListeners): TreeWalk {
  return walkTree({
    tree,
    selection,
    excludes: new PatternList([...excludePatterns(files, options), literalPattern(utf8(ownPlaces.cache))]),
    ...(ownPlaces.repository === undefined ? {} : { ownData: ownDataAt(tree, ownPlaces.repository) }),
    oneFileSystem: options.oneFileSystem ?? false,
    excludeCaches: options.excludeCaches ?? false,
    excludeIfPresent: (options.excludeIfPresent ?? []).map(utf8),
    ...listeners,
  });
}

function ownDataAt(tree: FileTree, repository: string): NonNullable<Parameters<typeof walkTree>[0]["ownData"]> {
  const path = utf8(repository);
  return { patterns: new PatternList([literalPattern(path)]), directory: identityOf(tree, path) };
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
