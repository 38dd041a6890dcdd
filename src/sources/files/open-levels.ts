// The directories between the selected path and the place where the walk is, with a bounded number of them open.
// When a tree is deeper than that, the upper ones are closed, and opened again when the walk comes back up to them:
// by path, a whole bundle at once, and only if each is still the very directory that was left.

import type { DirectoryHandle, DirectoryListing, FileTree, StatBuffer } from "../../platform/file-tree.ts";
import { FileTreeError, newStatBuffer } from "../../platform/file-tree.ts";
import type { PathBuffer } from "./path-buffer.ts";

export interface Level {
  readonly listing: DirectoryListing;
  /** The next entry of the listing. */
  position: number;
  /** Length of the directory's path, and where the names of its entries begin. */
  readonly pathLength: number;
  readonly childStart: number;
  handle: DirectoryHandle | undefined;
  /** What the directory was when it was closed. */
  inodeLow: number;
  inodeHigh: number;
  deviceMajor: number;
  deviceMinor: number;
  /** Numbers of removed directories are used again; times of birth are not. 0 where there is none. */
  birthSeconds: number;
  birthNanoseconds: number;
}

export class OpenLevels {
  readonly #tree: FileTree;
  readonly #path: PathBuffer;
  readonly #limit: number;
  readonly #levels: Level[] = [];
  /** Levels below this one are closed, the others are open. */
  #firstOpen = 0;
  readonly #stat: StatBuffer = newStatBuffer();

  /** `path` holds the walk's present path; at least two directories may be open. */
  constructor(tree: FileTree, path: PathBuffer, limit: number) {
    this.#tree = tree;
    this.#path = path;
    this.#limit = Math.max(2, limit);
  }

  get top(): Level | undefined {
    return this.#levels[this.#levels.length - 1];
  }

  /** Takes over an open directory. */
  push(handle: DirectoryHandle, listing: DirectoryListing, pathLength: number): void {
    this.#levels.push({
      listing,
      position: 0,
      pathLength,
      childStart: pathLength === 0 ? 0 : pathLength + 1,
      handle,
      inodeLow: 0,
      inodeHigh: 0,
      deviceMajor: 0,
      deviceMinor: 0,
      birthSeconds: 0,
      birthNanoseconds: 0,
    });
    if (this.#levels.length - this.#firstOpen > this.#limit) this.#closeLevel(this.#levels[this.#firstOpen++]!);
  }

  pop(): void {
    const level = this.#levels.pop();
    if (level?.handle !== undefined) this.#tree.close(level.handle);
    if (this.#firstOpen > this.#levels.length) this.#firstOpen = this.#levels.length;
  }

  /** The handle of the innermost directory, opened again if need be. Throws ESTALE when another one took its place. */
  topHandle(): DirectoryHandle {
    const levels = this.#levels;
    const top = levels[levels.length - 1]!;
    if (top.handle !== undefined) return top.handle;
    // The way up goes on from here: open what it passes next along with it.
    const first = Math.max(0, levels.length - Math.ceil(this.#limit / 2));
    try {
      for (let i = first; i < levels.length; i++) this.#reopen(levels[i]!, i === first ? undefined : levels[i - 1]);
    } catch (error) {
      for (let i = first; i < levels.length; i++) this.#release(levels[i]!);
      throw error;
    }
    this.#firstOpen = first;
    return top.handle!;
  }

  closeAll(): void {
    while (this.#levels.length > 0) this.pop();
  }

  #closeLevel(level: Level): void {
    const stat = this.#stat;
    try {
      this.#tree.statHandle(level.handle!, stat);
    } catch (error) {
      // Gone stale under us. No directory has this number, so opening it again will be refused.
      if (!(error instanceof FileTreeError)) throw error;
      stat.inodeLow = -1;
    }
    level.inodeLow = stat.inodeLow;
    level.inodeHigh = stat.inodeHigh;
    level.deviceMajor = stat.deviceMajor;
    level.deviceMinor = stat.deviceMinor;
    level.birthSeconds = stat.hasBirthTime ? stat.birthSeconds : 0;
    level.birthNanoseconds = stat.hasBirthTime ? stat.birthNanoseconds : 0;
    this.#release(level);
  }

  #release(level: Level): void {
    if (level.handle !== undefined) this.#tree.close(level.handle);
    level.handle = undefined;
  }

  #reopen(level: Level, parent: Level | undefined): void {
    const path = this.#path;
    level.handle =
      parent?.handle === undefined
        ? this.#tree.openDirectory(path.absolute(level.pathLength, true))
        : this.#tree.openDirectoryAt(parent.handle, path.bytes.subarray(parent.childStart, level.pathLength));
    const stat = this.#stat;
    this.#tree.statHandle(level.handle, stat);
    const isSame =
      stat.inodeLow === level.inodeLow &&
      stat.inodeHigh === level.inodeHigh &&
      stat.deviceMajor === level.deviceMajor &&
      stat.deviceMinor === level.deviceMinor &&
      (!stat.hasBirthTime || (stat.birthSeconds === level.birthSeconds && stat.birthNanoseconds === level.birthNanoseconds));
    if (!isSame) throw new FileTreeError("ESTALE", "open directory again");
  }
}
