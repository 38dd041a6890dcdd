// Walks what was selected, in the order of entries, one entry per call: the caller pulls, and may pause as long as it
// likes. A directory comes before what lies in it. Memory holds one listing per directory on the way to the present
// entry and nothing else of the tree; the number of open directories is bounded; nothing is allocated per entry but a view.
//
// What cannot be read is reported and passed by. The walk fails only when a required path is missing at the start, or
// for a reason of its own (no handles left). It follows no link except on the way to a selected path, so it cannot loop.

import { PATH_LIMIT } from "../../formats/entry-page.ts";
import type { SourceProblem } from "../../model/backup-report.ts";
import { comparePaths, nameStartOf, PATH_SEPARATOR, sharedLength } from "../../model/path-order.ts";
import type { DirectoryHandle, ExtendedAttribute, FileTree, StatBuffer } from "../../platform/file-tree.ts";
import { KIND_DIRECTORY, KIND_SOCKET, KIND_SYMBOLIC_LINK, KIND_UNKNOWN, newStatBuffer } from "../../platform/file-tree.ts";
import { withoutTagged, type TagRules } from "./directory-tags.ts";
import { isSameFile, type FileIdentity } from "./file-identity.ts";
import { OpenLevels, type Level } from "./open-levels.ts";
import { PathBuffer } from "./path-buffer.ts";
import { noPatterns, type PatternList } from "./patterns.ts";
import { checkRequiredPaths, PathFinder } from "./selected-paths.ts";
import type { Selection } from "./selection.ts";
import { codeOfEntryFailure, type WalkCounts, type WalkNotice, type WalkNoticeKind, type WalkProblem } from "./walk-report.ts";

export interface WalkOptions {
  readonly tree: FileTree;
  readonly selection: Selection;
  /** What to leave out. */
  readonly excludes?: PatternList;
  /** Left out too, with a notice: by the path it is called by, and by what it is, for it may be reached by another path. */
  readonly ownData?: { readonly patterns: PatternList; readonly directory: FileIdentity | undefined };
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
  checkRequiredPaths(options.tree, options.selection);
  return new Walk(options);
}

class Walk implements TreeWalk {
  path: Uint8Array;
  pathLength = 0;
  nameStart = 0;
  readonly stat: StatBuffer = newStatBuffer();
  directory = -1 as DirectoryHandle;
  name: Uint8Array = new Uint8Array(0);
  isAncestor = false;
  readonly counts: WalkCounts = { excluded: 0, vanished: 0, sockets: 0, mountPoints: 0, tagged: 0, problems: 0 };

  readonly #options: WalkOptions;
  readonly #tree: FileTree;
  readonly #excludes: PatternList;
  readonly #ownData: PatternList;
  readonly #ownDirectory: FileIdentity | undefined;
  readonly #hasExcludes: boolean;
  readonly #tagRules: TagRules | undefined;
  readonly #buffer = new PathBuffer();
  readonly #finder: PathFinder;
  readonly #levels: OpenLevels;
  /** The directory the walk stands at, to be listed by the next call. */
  #opened: DirectoryHandle | undefined;
  #untilLookAtSignal = 0;

  /** Which selected path comes next, and from where in it the directories on the way are still to be delivered. */
  #selected = -1;
  #ancestorsFrom = -1;
  #selectedLength = 0;
  #deviceMajor = 0;
  #deviceMinor = 0;

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#tree = options.tree;
    this.#excludes = options.excludes ?? noPatterns;
    this.#ownData = options.ownData?.patterns ?? noPatterns;
    this.#ownDirectory = options.ownData?.directory;
    this.#hasExcludes = this.#excludes.count + this.#ownData.count > 0;
    const excludeCaches = options.excludeCaches ?? false;
    const excludeIfPresent = options.excludeIfPresent ?? [];
    this.#tagRules = excludeCaches || excludeIfPresent.length > 0 ? { excludeCaches, excludeIfPresent } : undefined;
    this.#finder = new PathFinder(options.tree);
    this.#levels = new OpenLevels(options.tree, this.#buffer, options.maximumOpenDirectories ?? DEFAULT_OPEN_DIRECTORIES);
    this.path = this.#buffer.bytes;
  }

  next(): boolean {
    if (this.#opened !== undefined) this.#descend(this.#opened);
    for (;;) {
      if (--this.#untilLookAtSignal < 0) {
        this.#untilLookAtSignal = ENTRIES_PER_LOOK_AT_SIGNAL;
        this.#options.signal?.throwIfAborted();
      }
      const level = this.#levels.top;
      if (level === undefined) break;
      if (level.position >= level.listing.count) this.#levels.pop();
      else if (this.#nextChild(level)) return true;
    }
    if (this.#nextSelected()) return true;
    this.close();
    return false;
  }

  extendedAttributes(): readonly ExtendedAttribute[] {
    if (this.#opened !== undefined) return this.#tree.extendedAttributes(this.#opened);
    if (this.name.length === 0) return this.#tree.extendedAttributes(this.directory);
    return this.#tree.extendedAttributesAt(this.directory, this.name);
  }

  close(): void {
    this.#closeOpened();
    this.#levels.closeAll();
    this.#finder.close();
    this.#selected = this.#options.selection.count;
    this.#ancestorsFrom = -1;
  }

  // --- inside a selected path ------------------------------------------------------------------

  /** Goes to the next entry of the innermost directory; false when it is none that the caller sees. */
  #nextChild(level: Level): boolean {
    const position = level.position++;
    const { listing, childStart } = level;
    const name = listing.name(position);
    const kind = listing.kind(position);
    const end = this.#buffer.put(childStart, name);
    this.path = this.#buffer.bytes;
    this.pathLength = end;
    this.nameStart = childStart;
    if (this.#hasExcludes && kind !== KIND_UNKNOWN && this.#isExcluded(kind === KIND_DIRECTORY)) return false;
    if (end > PATH_LIMIT) return this.#problem("examine", "ENAMETOOLONG");
    const directory = level.handle ?? this.#regain(level);
    if (directory === undefined) return false;
    try {
      if (!this.#tree.statAt(directory, name, this.stat)) {
        this.counts.vanished++;
        return false;
      }
    } catch (error) {
      return this.#problem("examine", codeOfEntryFailure(error));
    }
    if (this.#hasExcludes && kind === KIND_UNKNOWN && this.#isExcluded(this.stat.kind === KIND_DIRECTORY)) return false;
    this.directory = directory;
    this.name = name;
    return this.#accept();
  }

  #isChosenBy(patterns: PatternList, isDirectory: boolean): boolean {
    return patterns.matches(this.path, this.pathLength, this.nameStart, this.#selectedLength, isDirectory);
  }

  #isExcluded(isDirectory: boolean): boolean {
    if (!this.#isChosenBy(this.#excludes, isDirectory)) {
      if (!this.#isChosenBy(this.#ownData, isDirectory)) return false;
      this.#notice("own-data");
    }
    this.counts.excluded++;
    return true;
  }

  /** The entry has been looked at. Opens it when it is to be entered; false when the caller does not see it. */
  #accept(): boolean {
    const { kind } = this.stat;
    if (kind === KIND_DIRECTORY) return this.#openEntry();
    if (kind === KIND_SOCKET) {
      this.counts.sockets++;
      this.#notice("socket");
      return false;
    }
    if (kind === KIND_UNKNOWN) return this.#problem("examine", "ENOTSUP");
    return true;
  }

  #openEntry(): boolean {
    const { stat } = this;
    if (this.#ownDirectory !== undefined && isSameFile(stat, this.#ownDirectory)) {
      this.#closeOpened();
      this.counts.excluded++;
      this.#notice("own-data");
      return false;
    }
    // Only directories are judged by their device: on an overlay file system files report another one than their directory.
    const isElsewhere = stat.deviceMajor !== this.#deviceMajor || stat.deviceMinor !== this.#deviceMinor;
    if (isElsewhere && this.#options.oneFileSystem === true) {
      this.#closeOpened();
      this.counts.mountPoints++;
      return true;
    }
    if (this.#opened !== undefined) return true;
    try {
      this.#opened = this.#tree.openDirectoryAt(this.directory, this.name);
      return true;
    } catch (error) {
      const code = codeOfEntryFailure(error);
      if (code === "ENOENT") {
        this.counts.vanished++;
        return false;
      }
      if ((code === "ELOOP" || code === "ENOTDIR") && this.#hasBecomeSomethingElse()) return this.#accept();
      this.#problem("open", code);
      // Its name and attributes are known, and they are worth keeping.
      return true;
    }
  }

  /** Whether the directory that was seen is now another kind of entry, whose attributes are then in `stat`. */
  #hasBecomeSomethingElse(): boolean {
    try {
      return this.#tree.statAt(this.directory, this.name, this.stat) && this.stat.kind !== KIND_DIRECTORY;
    } catch (error) {
      codeOfEntryFailure(error);
      return false;
    }
  }

  /** Lists the directory the walk stands at. */
  #descend(handle: DirectoryHandle): void {
    this.#opened = undefined;
    if (this.isAncestor) {
      this.#tree.close(handle);
      return;
    }
    try {
      const listing = this.#tree.listDirectory(handle);
      const kept = this.#tagRules === undefined ? listing : withoutTagged(this.#tree, handle, listing, this.#tagRules);
      if (kept !== listing) this.counts.tagged++;
      if (kept.count > 0) {
        if (this.pathLength > 0) this.#buffer.putSeparator(this.pathLength);
        this.#levels.push(handle, kept, this.pathLength);
        return;
      }
    } catch (error) {
      this.#problem("list", codeOfEntryFailure(error));
    }
    this.#tree.close(handle);
  }

  /** Opens a directory again that was closed on the way down; undefined when that fails, and then the rest of it is lost. */
  #regain(level: Level): DirectoryHandle | undefined {
    try {
      return this.#levels.topHandle();
    } catch (error) {
      const code = codeOfEntryFailure(error);
      level.position = level.listing.count;
      this.pathLength = level.pathLength;
      if (code === "ENOENT") this.counts.vanished++;
      else this.#problem("list", code);
      return undefined;
    }
  }

  // --- selected paths and the way to them ------------------------------------------------------

  #nextSelected(): boolean {
    const { selection } = this.#options;
    for (;;) {
      if (this.#ancestorsFrom < 0) {
        if (++this.#selected >= selection.count) return false;
        // Directories shared with the selected path before have been delivered with it.
        const path = selection.path(this.#selected);
        const before = this.#selected === 0 ? undefined : selection.path(this.#selected - 1);
        this.#ancestorsFrom =
          before === undefined ? 0 : sharedLength(comparePaths(before, before.length, path, path.length), before.length);
      }
      const path = selection.path(this.#selected);
      this.#buffer.put(0, path);
      this.path = this.#buffer.bytes;
      const slash = path.indexOf(PATH_SEPARATOR, this.#ancestorsFrom);
      this.isAncestor = slash >= 0;
      this.#ancestorsFrom = slash < 0 ? -1 : slash + 1;
      this.pathLength = slash < 0 ? path.length : slash;
      this.nameStart = nameStartOf(path, this.pathLength);
      if (this.#find() && (this.isAncestor ? this.stat.kind === KIND_DIRECTORY : this.#acceptSelected())) return true;
      this.#closeOpened();
    }
  }

  #find(): boolean {
    if (this.pathLength > PATH_LIMIT) return this.#problem("examine", "ENAMETOOLONG");
    const followsLink = this.isAncestor || this.#options.selection.followsLink(this.#selected);
    try {
      const found = this.#finder.find(this.#buffer, this.pathLength, followsLink, this.stat);
      if (found === undefined) {
        // It was there when the walk began, or only a list says that it should be. Once is enough to say so.
        return this.isAncestor ? false : this.#problem("examine", "ENOENT");
      }
      this.directory = found.directory;
      this.name = found.name;
      if (found.isOpened) this.#opened = found.directory;
      if (found.wasLink) this.#notice("link-followed");
      return true;
    } catch (error) {
      const code = codeOfEntryFailure(error);
      if (!this.isAncestor) return this.#problem("examine", code);
      this.#notice("ancestor-unknown");
      return false;
    }
  }

  #acceptSelected(): boolean {
    const { stat } = this;
    this.#selectedLength = this.pathLength;
    this.#deviceMajor = stat.deviceMajor;
    this.#deviceMinor = stat.deviceMinor;
    if (this.#hasExcludes && this.#isExcluded(stat.kind === KIND_DIRECTORY)) {
      if (!this.#isChosenBy(this.#ownData, stat.kind === KIND_DIRECTORY)) this.#notice("excluded");
      return false;
    }
    if (stat.kind === KIND_SYMBOLIC_LINK) this.#notice("link-stored");
    return this.#accept();
  }

  // --- common ----------------------------------------------------------------------------------

  #closeOpened(): void {
    if (this.#opened !== undefined) this.#tree.close(this.#opened);
    this.#opened = undefined;
  }

  #problem(action: SourceProblem["action"], code: string): false {
    this.counts.problems++;
    this.#options.onProblem({ path: this.#buffer.copy(this.pathLength), action, code });
    return false;
  }

  #notice(kind: WalkNoticeKind): void {
    this.#options.onNotice?.({ path: this.#buffer.copy(this.pathLength), kind });
  }
}
