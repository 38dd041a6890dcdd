// Removes what is in the way, or what the image does not have: confined, without following links, without entering
// other file systems, and however deep it is. A dry run goes the same way and only tells what would go.

import { utf8 } from "../base/bytes.ts";
import { FileTreeError, KIND_DIRECTORY, KIND_UNKNOWN, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, DirectoryListing, EntryKind, FileTree, StatBuffer } from "../platform/file-tree.ts";
import { DirectoryPath } from "./directory-path.ts";
import { joinPath } from "./entry-path.ts";

export interface RemovalOptions {
  readonly tree: FileTree;
  readonly isDryRun: boolean;
  /** Hears of each entry that went, what lies in a directory before the directory. The path is that below the directory given. */
  readonly onRemoved: (path: Uint8Array) => void;
  /** Hears of what could not be removed; the rest goes on. The path is that below the directory given. */
  readonly onProblem: (path: Uint8Array, code: string) => void;
}

interface Frame {
  readonly handle: DirectoryHandle;
  readonly name: Uint8Array;
  /** As it was found; what is moved has another name. */
  readonly path: Uint8Array;
  readonly listing: DirectoryListing;
  position: number;
  /** Directories from far below, moved here to be removed. */
  readonly moved: Moved[];
  /** Something in it stays, and so must the directory. */
  stays: boolean;
}

interface Moved {
  readonly name: Uint8Array;
  readonly path: Uint8Array;
}

/** Deeper directories are moved up before they are emptied, so that the number of open ones stays small. */
const MAXIMUM_DEPTH = 32;

/** Removes the entry `name` with all that is in it. */
export function removeTree(options: RemovalOptions, directory: DirectoryHandle, name: Uint8Array): void {
  new Removal(options, directory).run(name);
}

class Removal {
  readonly #tree: FileTree;
  readonly #options: RemovalOptions;
  readonly #directory: DirectoryHandle;
  readonly #stat: StatBuffer = newStatBuffer();
  readonly #frames: Frame[] = [];
  #device: string | undefined;
  #movedCount = 0;
  /** Of a dry run, which may not move what is deep: keeps few directories open all the same. */
  readonly #ways: DirectoryPath | undefined;

  constructor(options: RemovalOptions, directory: DirectoryHandle) {
    this.#tree = options.tree;
    this.#options = options;
    this.#directory = directory;
    this.#ways = options.isDryRun ? new DirectoryPath(options.tree, directory, MAXIMUM_DEPTH) : undefined;
  }

  run(name: Uint8Array): void {
    try {
      this.#visit(this.#directory, name, name, KIND_UNKNOWN);
      for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
        const moved = frame.position < frame.listing.count ? undefined : frame.moved.pop();
        if (frame.position < frame.listing.count) this.#next(frame);
        else if (moved !== undefined) this.#visit(frame.handle, moved.name, moved.path, KIND_DIRECTORY);
        else this.#leave(frame);
      }
    } finally {
      if (this.#ways === undefined) for (const { handle } of this.#frames) this.#tree.close(handle);
      this.#ways?.close();
    }
  }

  #next(frame: Frame): void {
    const position = frame.position++;
    const kind = frame.listing.kind(position);
    const name = frame.listing.name(position);
    const path = joinPath(frame.path, name);
    const isDeep = this.#ways === undefined && this.#frames.length >= MAXIMUM_DEPTH;
    if (kind === KIND_DIRECTORY && isDeep) this.#moveUp(frame, name, path);
    else this.#visit(this.#ways?.open(frame.path, frame.path.length) ?? frame.handle, name, path, kind);
  }

  #visit(directory: DirectoryHandle, name: Uint8Array, path: Uint8Array, kind: EntryKind): void {
    const { isDryRun, onRemoved } = this.#options;
    try {
      let found = kind;
      if (found === KIND_UNKNOWN) {
        if (!this.#tree.statAt(directory, name, this.#stat)) return;
        found = this.#stat.kind;
      }
      if (found === KIND_DIRECTORY) this.#enter(directory, name, path);
      else if (isDryRun || this.#tree.removeAt(directory, name)) onRemoved(path);
    } catch (error) {
      this.#problem(path, error);
    }
  }

  #enter(directory: DirectoryHandle, name: Uint8Array, path: Uint8Array): void {
    const handle = this.#ways?.open(path, path.length) ?? this.#tree.openDirectoryAt(directory, name);
    try {
      this.#tree.statHandle(handle, this.#stat);
      const device = `${this.#stat.deviceMajor}:${this.#stat.deviceMinor}`;
      this.#device ??= this.#deviceOf(this.#directory);
      // Somebody's mounted disk is not part of what was meant.
      if (device !== this.#device) throw new FileTreeError("EXDEV", "remove directory");
      const listing = this.#tree.listDirectory(handle);
      this.#frames.push({ handle, name: name.slice(), path: path.slice(), listing, position: 0, moved: [], stays: false });
    } catch (error) {
      if (this.#ways === undefined) this.#tree.close(handle);
      throw error;
    }
  }

  #deviceOf(handle: DirectoryHandle): string {
    const stat = newStatBuffer();
    this.#tree.statHandle(handle, stat);
    return `${stat.deviceMajor}:${stat.deviceMinor}`;
  }

  #leave(frame: Frame): void {
    this.#frames.pop();
    const parent = this.#frames.at(-1)?.handle ?? this.#directory;
    try {
      if (this.#ways === undefined) this.#tree.close(frame.handle);
      if (frame.stays) return;
      if (this.#ways !== undefined || this.#tree.removeDirectoryAt(parent, frame.name)) this.#options.onRemoved(frame.path);
    } catch (error) {
      this.#problem(frame.path, error);
    }
  }

  /** Into the topmost directory that is being removed, which visits it when it has finished with its own. */
  #moveUp(frame: Frame, name: Uint8Array, path: Uint8Array): void {
    const top = this.#frames[0] as Frame;
    const moved = utf8(`.holdfast-removing-${++this.#movedCount}`);
    try {
      this.#tree.renameAt(frame.handle, name, top.handle, moved);
      top.moved.push({ name: moved, path });
    } catch (error) {
      this.#problem(path, error);
    }
  }

  #problem(path: Uint8Array, error: unknown): void {
    if (!(error instanceof FileTreeError)) throw error;
    for (const frame of this.#frames) frame.stays = true;
    this.#options.onProblem(path, error.code);
  }
}
