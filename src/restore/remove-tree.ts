// Removes what is in the way, or what the image does not have: confined, without following links, without entering
// other file systems, and however deep it is.

import { utf8 } from "../base/bytes.ts";
import { FileTreeError, KIND_DIRECTORY, KIND_UNKNOWN, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, DirectoryListing, EntryKind, FileTree, StatBuffer } from "../platform/file-tree.ts";

export interface RemovalOptions {
  readonly tree: FileTree;
  /** Hears of what could not be removed; the rest goes on. The path is that below the directory given. */
  readonly onProblem: (path: Uint8Array, code: string) => void;
}

interface Frame {
  readonly handle: DirectoryHandle;
  readonly name: Uint8Array;
  readonly listing: DirectoryListing;
  position: number;
  /** Directories from far below, moved here to be removed. */
  readonly moved: Uint8Array[];
  /** Something in it stays, and so must the directory. */
  stays: boolean;
}

/** Deeper directories are moved up before they are emptied, so that the number of open ones stays small. */
const MAXIMUM_DEPTH = 32;

/** Removes the entry `name` with all that is in it; returns how many entries went. */
export function removeTree(options: RemovalOptions, directory: DirectoryHandle, name: Uint8Array): number {
  return new Removal(options, directory).run(name);
}

class Removal {
  readonly #tree: FileTree;
  readonly #onProblem: RemovalOptions["onProblem"];
  readonly #directory: DirectoryHandle;
  readonly #stat: StatBuffer = newStatBuffer();
  readonly #frames: Frame[] = [];
  #device: string | undefined;
  #removed = 0;
  #movedCount = 0;

  constructor({ tree, onProblem }: RemovalOptions, directory: DirectoryHandle) {
    this.#tree = tree;
    this.#onProblem = onProblem;
    this.#directory = directory;
  }

  run(name: Uint8Array): number {
    try {
      this.#visit(this.#directory, name, KIND_UNKNOWN);
      for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
        const moved = frame.position < frame.listing.count ? undefined : frame.moved.pop();
        if (frame.position < frame.listing.count) this.#next(frame);
        else if (moved !== undefined) this.#visit(frame.handle, moved, KIND_DIRECTORY);
        else this.#leave(frame);
      }
    } finally {
      for (const { handle } of this.#frames) this.#tree.close(handle);
    }
    return this.#removed;
  }

  #next(frame: Frame): void {
    const position = frame.position++;
    const kind = frame.listing.kind(position);
    const name = frame.listing.name(position);
    if (kind === KIND_DIRECTORY && this.#frames.length >= MAXIMUM_DEPTH) this.#moveUp(frame, name);
    else this.#visit(frame.handle, name, kind);
  }

  #visit(directory: DirectoryHandle, name: Uint8Array, kind: EntryKind): void {
    try {
      let found = kind;
      if (found === KIND_UNKNOWN) {
        if (!this.#tree.statAt(directory, name, this.#stat)) return;
        found = this.#stat.kind;
      }
      if (found === KIND_DIRECTORY) this.#enter(directory, name);
      else if (this.#tree.removeAt(directory, name)) this.#removed++;
    } catch (error) {
      this.#problem(name, error);
    }
  }

  #enter(directory: DirectoryHandle, name: Uint8Array): void {
    const handle = this.#tree.openDirectoryAt(directory, name);
    try {
      this.#tree.statHandle(handle, this.#stat);
      const device = `${this.#stat.deviceMajor}:${this.#stat.deviceMinor}`;
      this.#device ??= this.#deviceOf(this.#directory);
      // Somebody's mounted disk is not part of what was meant.
      if (device !== this.#device) throw new FileTreeError("EXDEV", "remove directory");
      const listing = this.#tree.listDirectory(handle);
      this.#frames.push({ handle, name: name.slice(), listing, position: 0, moved: [], stays: false });
    } catch (error) {
      this.#tree.close(handle);
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
      this.#tree.close(frame.handle);
      if (!frame.stays && this.#tree.removeDirectoryAt(parent, frame.name)) this.#removed++;
    } catch (error) {
      this.#problem(frame.name, error);
    }
  }

  /** Into the topmost directory that is being removed, which visits it when it has finished with its own. */
  #moveUp(frame: Frame, name: Uint8Array): void {
    const top = this.#frames[0] as Frame;
    const moved = utf8(`.holdfast-removing-${++this.#movedCount}`);
    try {
      this.#tree.renameAt(frame.handle, name, top.handle, moved);
      top.moved.push(moved);
    } catch (error) {
      this.#problem(name, error);
    }
  }

  #problem(name: Uint8Array, error: unknown): void {
    if (!(error instanceof FileTreeError)) throw error;
    for (const frame of this.#frames) frame.stays = true;
    const parts = [...this.#frames.map((frame) => frame.name), name];
    this.#onProblem(Buffer.concat(parts.flatMap((part, at) => (at === 0 ? [part] : [utf8("/"), part]))), error.code);
  }
}
