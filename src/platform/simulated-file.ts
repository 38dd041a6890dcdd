// One open file on a simulated disk. Like a real one it refuses further writes and syncs after one that failed.

import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import type { OpenFile } from "./files.ts";
import { fileError } from "./node-file-errors.ts";
import type { FileNode, SimulatedDisk } from "./simulated-disk.ts";

export interface SimulatedFileParts {
  readonly path: string;
  readonly node: number;
  readonly disk: SimulatedDisk;
  readonly isWritable: boolean;
  /** No call takes more bytes. */
  readonly shortWriteBytes: number;
  /** Counts a call that reads; throws when it is to fail. */
  readonly look: (action: string) => void;
  /** Counts a call that changes something and carries it out; throws when it is to fail. */
  readonly change: <T>(action: string, change: () => T) => T;
  /** How many bytes the disk still takes. */
  readonly roomBytes: () => number;
  /** Whether the sync that is under way is one that the disk only confirms. */
  readonly losesSync: () => boolean;
  readonly timeMs: () => number;
}

export class SimulatedFile implements OpenFile {
  readonly #parts: SimulatedFileParts;
  #failure: HoldfastError | undefined;
  #closed = false;

  constructor(parts: SimulatedFileParts) {
    this.#parts = parts;
  }

  read(into: Uint8Array, position: number): number {
    assert(!this.#closed, "a closed file is not read");
    this.#parts.look("read");
    const part = this.#node()
      .content.view()
      .subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }

  write(bytes: Uint8Array, position: number): void {
    this.#attempt(() => {
      for (let done = 0; done < bytes.length;) {
        const piece = bytes.subarray(done, done + this.#parts.shortWriteBytes);
        done += this.#parts.change("write to", () => this.#writePiece(piece, position + done));
      }
    });
  }

  /** Returns how many bytes were taken. */
  #writePiece(piece: Uint8Array, position: number): number {
    const { path, node, disk, isWritable, roomBytes, timeMs } = this.#parts;
    if (!isWritable) throw failure("write", "write to", path, "EBADF");
    const added = Math.max(0, position + piece.length - this.#node().content.length);
    const room = added === 0 ? 0 : roomBytes();
    const fitting = added <= room ? piece : piece.subarray(0, Math.max(0, piece.length - added + room));
    if (fitting.length === 0 && piece.length > 0) throw failure("write", "write to", path, "ENOSPC", "no space left on device");
    const file = disk.changeFile(node);
    file.content.write(fitting, position);
    file.modifiedMs = timeMs();
    return fitting.length;
  }

  sizeBytes(): number {
    assert(!this.#closed, "a closed file is not looked at");
    this.#parts.look("look at");
    return this.#node().content.length;
  }

  async sync(): Promise<void> {
    this.syncNow();
  }

  syncNow(): void {
    const { node, disk, change, losesSync } = this.#parts;
    try {
      this.#attempt(() => change("make durable", () => void (losesSync() || disk.syncFile(node))));
    } catch (error) {
      disk.changeFile(node).forgotten = true;
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
  }

  #node(): FileNode {
    const node = this.#parts.disk.node(this.#parts.node);
    assert(node.kind === "file", "an open file is a file");
    return node;
  }

  #attempt(action: () => void): void {
    assert(!this.#closed, "a closed file is not written");
    if (this.#failure !== undefined) {
      throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
        message: `Cannot go on with ${this.#parts.path}: an earlier write to it failed`,
        context: { path: this.#parts.path },
        cause: this.#failure,
      });
    }
    try {
      action();
    } catch (error) {
      if (error instanceof HoldfastError) this.#failure = error;
      throw error;
    }
  }
}

/** The same error as from a real disk. */
export function failure(
  access: "read" | "write",
  action: string,
  path: string,
  errno: string,
  detail = "simulated",
): HoldfastError {
  return fileError(access, action, path, Object.assign(new Error(`${errno}: ${detail}`), { code: errno }));
}
