// Makes the directories of the image at the target, in the order of entries and before anything is put in them. They are ours
// alone (mode 0700) until everything below is done; then a later pass gives them what they should have.

import { sharedLength, comparePaths, PATH_SEPARATOR } from "../model/path-order.ts";
import { PATH_LIMIT } from "../formats/entry-page.ts";
import { FileTreeError, KIND_DIRECTORY, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import { DirectoryPath } from "./directory-path.ts";
import type { DirectoryNote } from "./file-maker.ts";
import { joinPath } from "./entry-path.ts";
import { openUnlessPlanned, replaceByDirectory } from "./in-the-way.ts";
import { PositionSet } from "./position-set.ts";
import type { RunSettings } from "./run-settings.ts";

const OURS_ALONE = 0o700;

export class TargetDirectories {
  /** Directories this run has made, by their position in the image. */
  readonly made = new PositionSet();
  /** Those that it could not make. */
  readonly failed = new PositionSet();
  /** The way to where entries are made on this thread. */
  readonly ways: DirectoryPath<DirectoryNote>;
  readonly #tree: FileTree;
  readonly #settings: RunSettings;
  readonly #stat: StatBuffer = newStatBuffer();
  readonly #previous = new Uint8Array(PATH_LIMIT);
  #previousLength = 0;
  /** Lengths of the known directories on the way to the entry before, all prefixes of its path. */
  readonly #known: number[] = [];

  readonly #onRemoved: (path: Uint8Array) => void;

  /** `onRemoved` hears of each entry that had to give way. */
  constructor(tree: FileTree, root: DirectoryHandle, settings: RunSettings, onRemoved: (path: Uint8Array) => void) {
    this.#tree = tree;
    this.#settings = settings;
    this.#onRemoved = onRemoved;
    this.ways = new DirectoryPath<DirectoryNote>(tree, root);
  }

  /**
   * Takes note of the next entry, and makes the directories on the way to it that the image has no entries for. Throws a
   * FileTreeError when that fails.
   */
  follow(path: Uint8Array, pathLength: number, nameStart: number): void {
    const order = comparePaths(this.#previous, this.#previousLength, path, pathLength);
    const shared = Math.min(sharedLength(order, this.#previousLength), pathLength);
    for (let at = shared; at < pathLength; at++) this.#previous[at] = path[at] as number;
    this.#previousLength = pathLength;
    for (let top = this.#known.at(-1); top !== undefined; top = this.#known.at(-1)) {
      if (top === 0 || (top <= shared && top < pathLength && path[top] === PATH_SEPARATOR)) break;
      this.#known.pop();
    }
    const parentLength = Math.max(0, nameStart - 1);
    if ((this.#known.at(-1) ?? 0) < parentLength) this.#makeWay(path, parentLength);
  }

  /** Makes the directory of the entry noted last; false when it was there. Throws TARGET_CONFLICT (as a FileTreeError) when something else is in the way. */
  make(path: Uint8Array, pathLength: number, nameStart: number, position: number): boolean {
    this.#known.push(pathLength);
    if (pathLength === 0) return false;
    try {
      const isMade = this.#makeAt(path, nameStart, pathLength, OURS_ALONE);
      if (isMade) this.made.add(position);
      return isMade;
    } catch (error) {
      this.failed.add(position);
      throw error;
    }
  }

  close(): void {
    this.ways.close();
  }

  /** True when it was made, false when it was there. */
  #makeAt(path: Uint8Array, nameStart: number, end: number, mode: number): boolean {
    const parentPath = path.subarray(0, Math.max(0, nameStart - 1));
    const parent = openUnlessPlanned(this.ways, this.#settings, parentPath, parentPath.length);
    return parent === undefined || this.#makeIn(parent, parentPath, path.subarray(nameStart, end), mode);
  }

  #makeIn(parent: DirectoryHandle, parentPath: Uint8Array, name: Uint8Array, mode: number): boolean {
    const tree = this.#tree;
    const settings = this.#settings;
    if (!settings.isDryRun && tree.makeDirectoryAt(parent, name, mode)) return true;
    const stat = this.#stat;
    if (!tree.statAt(parent, name, stat)) return settings.isDryRun || this.#makeIn(parent, parentPath, name, mode);
    if (stat.kind === KIND_DIRECTORY) {
      if (!settings.isDryRun) this.#openUp(parent, name);
      return false;
    }
    const onRemoved = (below: Uint8Array): void => this.#onRemoved(joinPath(parentPath, below));
    replaceByDirectory({ tree, settings, onRemoved }, parent, name);
    if (settings.isDryRun) return true;
    if (tree.makeDirectoryAt(parent, name, mode)) return true;
    throw new FileTreeError("EEXIST", "make directory");
  }

  /** An ordinary user may have closed a directory to himself. It gets its mode back in the end. */
  #openUp(parent: DirectoryHandle, name: Uint8Array): void {
    const { mode, userId } = this.#stat;
    if (this.#settings.userId === 0 || userId !== this.#settings.userId || (mode & OURS_ALONE) === OURS_ALONE) return;
    this.#tree.setModeAt(parent, name, mode | OURS_ALONE);
  }

  /** Such directories stay as they are made: nothing is known of them. */
  #makeWay(path: Uint8Array, length: number): void {
    const known = this.#known.at(-1) ?? 0;
    let start = known === 0 ? 0 : known + 1;
    while (start < length) {
      const slash = path.indexOf(PATH_SEPARATOR, start);
      const end = slash < 0 || slash > length ? length : slash;
      this.#makeAt(path, start, end, 0o777);
      this.#known.push(end);
      start = end + 1;
    }
  }
}
