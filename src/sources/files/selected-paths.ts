// Finds entries by absolute path: the selected ones and the directories on the way to them. Links on the way are
// followed, as every program follows them in a path that a person gives; below a selected path none ever is.

import { textOf } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import { nameStartOf } from "../../model/path-order.ts";
import type { DirectoryHandle, FileTree, StatBuffer } from "../../platform/file-tree.ts";
import { FileTreeError, KIND_SYMBOLIC_LINK, newStatBuffer } from "../../platform/file-tree.ts";
import { PathBuffer } from "./path-buffer.ts";
import type { Selection } from "./selection.ts";

const NO_NAME = new Uint8Array(0);
const NAMES_IN_ERROR = 5;

/** An entry found by path: `name` in `directory`, or `directory` itself when the name is empty. */
export interface FoundEntry {
  readonly directory: DirectoryHandle;
  readonly name: Uint8Array;
  /** `directory` is the entry itself, opened for the caller, who closes it. */
  readonly isOpened: boolean;
  readonly wasLink: boolean;
}

export class PathFinder {
  readonly #tree: FileTree;
  #parent: DirectoryHandle | undefined;
  #parentPath: Uint8Array = NO_NAME;

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /**
   * Looks up the first `length` bytes of `path` and fills `stat`; undefined when there is no such entry. A link at the
   * end is followed when `followsLink` says so and it leads to a directory. `directory` stays open until the next call,
   * and for neighbours longer: a list may name a million files of one directory.
   */
  find(path: PathBuffer, length: number, followsLink: boolean, stat: StatBuffer): FoundEntry | undefined {
    try {
      if (length === 0) return this.#open(path.absolute(0, false), stat, false);
      const nameStart = nameStartOf(path.bytes, length);
      let directory: DirectoryHandle;
      try {
        directory = this.#parentOf(path, nameStart);
      } catch (error) {
        // What may be passed but not read (mode --x) still leads to a directory that may be.
        if (codeOf(error) !== "EACCES") throw error;
        return this.#open(path.absolute(length, false), stat, false);
      }
      const name = path.bytes.slice(nameStart, length);
      if (!this.#tree.statAt(directory, name, stat)) return undefined;
      if (stat.kind === KIND_SYMBOLIC_LINK && followsLink) {
        const followed = this.#follow(path.absolute(length, true), stat);
        if (followed !== undefined) return followed;
      }
      return { directory, name, isOpened: false, wasLink: false };
    } catch (error) {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
      throw error;
    }
  }

  close(): void {
    if (this.#parent !== undefined) this.#tree.close(this.#parent);
    this.#parent = undefined;
  }

  #parentOf(path: PathBuffer, nameStart: number): DirectoryHandle {
    const length = Math.max(0, nameStart - 1);
    const parentPath = path.absolute(length, true);
    if (this.#parent !== undefined && Buffer.compare(parentPath, this.#parentPath) === 0) return this.#parent;
    this.close();
    this.#parent = this.#tree.openDirectory(parentPath);
    this.#parentPath = parentPath;
    return this.#parent;
  }

  #open(absolute: Uint8Array, stat: StatBuffer, wasLink: boolean): FoundEntry {
    const directory = this.#tree.openDirectory(absolute);
    try {
      this.#tree.statHandle(directory, stat);
    } catch (error) {
      this.#tree.close(directory);
      throw error;
    }
    return { directory, name: NO_NAME, isOpened: true, wasLink };
  }

  /** Undefined when the link leads to nothing or to something else than a directory: it is stored as a link then. */
  #follow(absolute: Uint8Array, stat: StatBuffer): FoundEntry | undefined {
    try {
      return this.#open(absolute, stat, true);
    } catch (error) {
      const code = codeOf(error);
      if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP") return undefined;
      throw error;
    }
  }
}

/** Throws SOURCE_MISSING when a required path does not exist. One that cannot be looked up is left to the walk to report. */
export function checkRequiredPaths(tree: FileTree, selection: Selection): void {
  const finder = new PathFinder(tree);
  const stat = newStatBuffer();
  const missing: Uint8Array[] = [];
  try {
    for (const required of selection.required) {
      const path = new PathBuffer();
      const length = path.put(0, required);
      try {
        const found = finder.find(path, length, false, stat);
        if (found === undefined) missing.push(required);
        else if (found.isOpened) tree.close(found.directory);
      } catch (error) {
        codeOf(error);
      }
    }
  } finally {
    finder.close();
  }
  if (missing.length === 0) return;
  const names = missing.slice(0, NAMES_IN_ERROR).map((path) => `"/${textOf(path)}"`);
  if (missing.length > NAMES_IN_ERROR) names.push(`${missing.length - NAMES_IN_ERROR} more`);
  throw new HoldfastError("SOURCE_MISSING", {
    message: `Cannot back up ${names.join(", ")}: no such file or directory`,
    context: { count: missing.length },
    hint: "Check the spelling and whether what should be mounted there is. Nothing was backed up.",
  });
}

/** The code of a failed call of the file tree; anything else is thrown on. */
function codeOf(error: unknown): string {
  if (error instanceof FileTreeError) return error.code;
  throw error;
}
