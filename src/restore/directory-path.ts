// The way from the target to the directory that is worked in: every component opened relative to the one before and
// never through a link, so nothing outside the target can be reached, whatever an image says and whatever a second process
// puts in the place of a directory.
//
// Work comes nearly in path order, so what is open is the way to the directory used last; going to its neighbour opens
// one directory. Only the deepest levels stay open: paths may be thousands of levels deep.

import { PATH_SEPARATOR } from "../model/path-order.ts";
import type { DirectoryHandle, FileTree } from "../platform/file-tree.ts";

interface Level<Note> {
  /** Where its name ends in the path. */
  readonly end: number;
  handle: DirectoryHandle | undefined;
  note: Note | undefined;
}

const DEFAULT_OPEN_LEVELS = 48;

/** `Note` is what a user remembers of a directory as long as it is on the way. */
export class DirectoryPath<Note = undefined> {
  readonly #tree: FileTree;
  readonly #root: DirectoryHandle;
  readonly #openLevels: number;
  readonly #levels: Level<Note>[] = [];
  #path = new Uint8Array(1024);
  #length = 0;
  #rootNote: Note | undefined;

  /** `root` stays the caller's to close. */
  constructor(tree: FileTree, root: DirectoryHandle, openLevels = DEFAULT_OPEN_LEVELS) {
    this.#tree = tree;
    this.#root = root;
    this.#openLevels = openLevels;
  }

  /**
   * The directory at the first `length` bytes of `path`, relative to the root; the handle is valid until the next
   * call. Throws a FileTreeError when a component is missing (ENOENT) or no directory (ENOTDIR, ELOOP).
   */
  open(path: Uint8Array, length: number): DirectoryHandle {
    if (length === this.#length && this.#startsWith(path, length)) return this.#handleAt(this.#levels.length - 1);
    this.#leave(path, length);
    // What is left is an ancestor, or the directory itself.
    let handle = this.#handleAt(this.#levels.length - 1);
    let start = this.#length === 0 ? 0 : this.#length + 1;
    while (start < length) {
      let end = start;
      while (end < length && path[end] !== PATH_SEPARATOR) end++;
      handle = this.#tree.openDirectoryAt(handle, path.subarray(start, end));
      this.#push(path, end, handle);
      start = end + 1;
    }
    return handle;
  }

  /** What was noted of the directory opened last. */
  get note(): Note | undefined {
    const top = this.#levels.at(-1);
    return top === undefined ? this.#rootNote : top.note;
  }
  set note(note: Note) {
    const top = this.#levels.at(-1);
    if (top === undefined) this.#rootNote = note;
    else top.note = note;
  }

  close(): void {
    while (this.#levels.length > 0) this.#pop();
  }

  #startsWith(path: Uint8Array, length: number): boolean {
    for (let at = 0; at < length; at++) if (path[at] !== this.#path[at]) return false;
    return true;
  }

  /** Leaves the levels that are not on the way to `path`. */
  #leave(path: Uint8Array, length: number): void {
    const most = Math.min(length, this.#length);
    let shared = 0;
    while (shared < most && path[shared] === this.#path[shared]) shared++;
    for (;;) {
      const top = this.#levels.at(-1);
      if (top === undefined) return;
      const isOnTheWay = top.end <= shared && (top.end === length || path[top.end] === PATH_SEPARATOR);
      if (isOnTheWay) return;
      this.#pop();
    }
  }

  #push(path: Uint8Array, end: number, handle: DirectoryHandle): void {
    if (end > this.#path.length) {
      const grown = new Uint8Array(Math.max(end, this.#path.length * 2));
      grown.set(this.#path);
      this.#path = grown;
    }
    for (let at = this.#length; at < end; at++) this.#path[at] = path[at] as number;
    this.#length = end;
    this.#levels.push({ end, handle, note: undefined });
    this.#closeLevel(this.#levels.length - 1 - this.#openLevels);
  }

  #pop(): void {
    this.#closeLevel(this.#levels.length - 1);
    this.#levels.pop();
    this.#length = this.#levels.at(-1)?.end ?? 0;
  }

  #closeLevel(number: number): void {
    const level = this.#levels[number];
    if (level?.handle === undefined) return;
    const { handle } = level;
    level.handle = undefined;
    this.#tree.close(handle);
  }

  /** Opens a level again that was closed on the way down. */
  #handleAt(number: number): DirectoryHandle {
    if (number < 0) return this.#root;
    const wanted = this.#levels[number] as Level<Note>;
    if (wanted.handle !== undefined) return wanted.handle;
    let from = number - 1;
    while (from >= 0 && this.#levels[from]?.handle === undefined) from--;
    let handle = from < 0 ? this.#root : (this.#levels[from]?.handle as DirectoryHandle);
    for (let at = from + 1; at <= number; at++) {
      const level = this.#levels[at] as Level<Note>;
      const start = at === 0 ? 0 : (this.#levels[at - 1] as Level<Note>).end + 1;
      handle = this.#tree.openDirectoryAt(handle, this.#path.subarray(start, level.end));
      level.handle = handle;
      // Levels below are closed already: they were reached after these had been.
      this.#closeLevel(at - this.#openLevels);
    }
    return handle;
  }
}
