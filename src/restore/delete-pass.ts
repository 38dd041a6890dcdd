// Removes from the restored directories what the image does not have: the target's listing and the image's entries, both in
// the order of paths, side by side. Nothing is removed where the image may not tell the whole: outside of what it was made
// of, below other file systems, or when any of its pages could not be read. Sockets stay: no image ever holds one.

import { ENTRY_DIRECTORY } from "../formats/entry.ts";
import { comparePaths, isWithin } from "../model/path-order.ts";
import { FileTreeError, KIND_DIRECTORY, KIND_SOCKET, KIND_UNKNOWN, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, DirectoryListing, FileTree } from "../platform/file-tree.ts";
import { DirectoryPath } from "./directory-path.ts";
import { codeOfFailure } from "./entry-writer.ts";
import { joinPath } from "./entry-path.ts";
import type { EntryStream } from "./entry-stream.ts";
import { removeTree } from "./remove-tree.ts";
import type { RunContext } from "./run-context.ts";

interface Frame {
  readonly path: Uint8Array;
  readonly listing: DirectoryListing;
  readonly device: string;
  /** Another file system than the directory it lies in. */
  readonly isMounted: boolean;
  /** The image has something below. */
  hasEntries: boolean;
  position: number;
}

export interface DeletePassParts {
  readonly context: RunContext;
  readonly tree: FileTree;
  readonly root: DirectoryHandle;
}

const NAMES_PER_TURN = 1024;

/** `scopes` are paths below which the image is complete. */
export async function deleteOthers(parts: DeletePassParts, scopes: readonly Uint8Array[]): Promise<void> {
  const { context } = parts;
  for (const scope of scopes) {
    if (context.isImageDamaged) return context.parts.problems.add(scope, "delete", "REPOSITORY_DAMAGED");
    const pass = new DeletePass(parts, context.stream([{ path: scope, isSubtree: true }]));
    try {
      await pass.run(scope);
    } finally {
      pass.close();
    }
  }
}

class DeletePass {
  readonly #parts: DeletePassParts;
  readonly #stream: EntryStream;
  readonly #ways: DirectoryPath;
  readonly #stat = newStatBuffer();
  readonly #frames: Frame[] = [];
  /** The image's entry at hand; false after the last. */
  #hasEntry = true;

  constructor(parts: DeletePassParts, stream: EntryStream) {
    this.#parts = parts;
    this.#stream = stream;
    this.#ways = new DirectoryPath(parts.tree, parts.root);
  }

  close(): void {
    this.#ways.close();
  }

  async run(scope: Uint8Array): Promise<void> {
    const { context } = this.#parts;
    await this.#advance();
    // A selected file has nothing below it, and what is no directory at the target neither.
    const isDirectory = this.#hasEntry && (this.#stream.pathLength > scope.length || this.#stream.kind === ENTRY_DIRECTORY);
    if (!isDirectory || !this.#enter(scope, undefined)) return;
    let untilTurn = NAMES_PER_TURN;
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      if (frame.position >= frame.listing.count) {
        this.#frames.pop();
        continue;
      }
      const path = joinPath(frame.path, frame.listing.name(frame.position));
      while (this.#hasEntry && comparePaths(this.#stream.path, this.#stream.pathLength, path, path.length) < 0) {
        await this.#advance();
        this.#noteEntry(frame);
      }
      // Before anything is taken for missing: what could not be read might be it.
      if (context.isImageDamaged) return context.parts.problems.add(path, "delete", "REPOSITORY_DAMAGED");
      if (frame.isMounted && !frame.hasEntries) {
        // An image of one file system has such a directory empty; what is mounted there now is none of its business.
        context.parts.problems.add(frame.path, "delete", "EXDEV");
        this.#frames.pop();
        continue;
      }
      this.#visit(frame, path);
      if (--untilTurn > 0) continue;
      untilTurn = NAMES_PER_TURN;
      await context.turn(() => path);
    }
  }

  async #advance(): Promise<void> {
    while (!this.#stream.next()) {
      if (await this.#stream.nextPage()) continue;
      this.#hasEntry = false;
      return;
    }
  }

  #noteEntry(frame: Frame): void {
    const { path, pathLength } = this.#stream;
    if (this.#hasEntry && pathLength > frame.path.length && isWithin(path, pathLength, frame.path, frame.path.length))
      frame.hasEntries = true;
  }

  #visit(frame: Frame, path: Uint8Array): void {
    const position = frame.position++;
    const stream = this.#stream;
    const isKnown = this.#hasEntry && isWithin(stream.path, stream.pathLength, path, path.length);
    try {
      const kind = this.#kindOf(frame, position);
      if (!isKnown) {
        if (kind !== KIND_SOCKET) this.#remove(frame, position);
        return;
      }
      // Or the image has something below it, without an entry for itself.
      const isDirectory = stream.pathLength > path.length || stream.kind === ENTRY_DIRECTORY;
      if (isDirectory && kind === KIND_DIRECTORY) this.#enter(path, frame.device);
    } catch (error) {
      this.#parts.context.parts.problems.add(path, "delete", codeOfFailure(error));
    }
  }

  #kindOf(frame: Frame, position: number): number {
    const kind = frame.listing.kind(position);
    if (kind !== KIND_UNKNOWN) return kind;
    const directory = this.#ways.open(frame.path, frame.path.length);
    return this.#parts.tree.statAt(directory, frame.listing.name(position), this.#stat) ? this.#stat.kind : KIND_UNKNOWN;
  }

  #remove(frame: Frame, position: number): void {
    const { tree, context } = this.#parts;
    const { problems } = context.parts;
    const { isDryRun } = context;
    const directory = this.#ways.open(frame.path, frame.path.length);
    const onProblem = (below: Uint8Array, code: string): void => problems.add(joinPath(frame.path, below), "delete", code);
    const onRemoved = (below: Uint8Array): void => context.noteRemoved(joinPath(frame.path, below));
    removeTree({ tree, isDryRun, onRemoved, onProblem }, directory, frame.listing.name(position));
  }

  /** False when there is no such directory. */
  #enter(path: Uint8Array, parentDevice: string | undefined): boolean {
    const { tree, context } = this.#parts;
    try {
      const handle = this.#ways.open(path, path.length);
      tree.statHandle(handle, this.#stat);
      const device = `${this.#stat.deviceMajor}:${this.#stat.deviceMinor}`;
      const isMounted = parentDevice !== undefined && device !== parentDevice;
      this.#frames.push({ path, listing: tree.listDirectory(handle), device, isMounted, hasEntries: false, position: 0 });
      return true;
    } catch (error) {
      if (!(error instanceof FileTreeError)) throw error;
      if (error.code !== "ENOENT" && error.code !== "ENOTDIR" && error.code !== "ELOOP")
        context.parts.problems.add(path, "delete", error.code);
      return false;
    }
  }
}
