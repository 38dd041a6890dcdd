import fs from "node:fs";
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import type { OpenFile } from "./files.ts";
import { attempt, fileError } from "./node-file-errors.ts";

/**
 * One open file. After a failed write or sync it refuses both: the kernel may already have forgotten what
 * it could not store, and would report the next sync as a success.
 */
export class NodeFile implements OpenFile {
  readonly #path: string;
  readonly #handle: number;
  #failure: HoldfastError | undefined;
  #syncing = 0;
  #closed = false;

  constructor(path: string, handle: number) {
    this.#path = path;
    this.#handle = handle;
  }

  read(into: Uint8Array, position: number): number {
    assert(!this.#closed, "a closed file is not read");
    return attempt("read", "read", this.#path, () => {
      let done = 0;
      while (done < into.length) {
        const count = fs.readSync(this.#handle, into, done, into.length - done, position + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  write(bytes: Uint8Array, position: number): void {
    this.#check();
    try {
      for (let done = 0; done < bytes.length;) {
        const count = fs.writeSync(this.#handle, bytes, done, bytes.length - done, position + done);
        // Asked again and again, a file system that takes nothing and does not say why would hold us for ever.
        if (count === 0) throw Object.assign(new Error("no byte was taken, and no reason given"), { code: "EIO" });
        done += count;
      }
    } catch (error) {
      throw this.#failed("write to", error);
    }
  }

  sizeBytes(): number {
    assert(!this.#closed, "a closed file is not looked at");
    return attempt("read", "look at", this.#path, () => fs.fstatSync(this.#handle).size);
  }

  async sync(): Promise<void> {
    this.#check();
    this.#syncing++;
    try {
      await new Promise<void>((resolve, reject) => {
        fs.fsync(this.#handle, (error) => (error === null ? resolve() : reject(error)));
      });
    } catch (error) {
      throw this.#failed("make durable", error);
    } finally {
      this.#syncing--;
      if (this.#closed && this.#syncing === 0) fs.closeSync(this.#handle);
    }
  }

  syncNow(): void {
    this.#check();
    try {
      fs.fsyncSync(this.#handle);
    } catch (error) {
      throw this.#failed("make durable", error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // A sync in another thread still uses the handle; its number could belong to another file by then.
    if (this.#syncing === 0) attempt("write", "close", this.#path, () => fs.closeSync(this.#handle));
  }

  #check(): void {
    assert(!this.#closed, "a closed file is not written");
    if (this.#failure === undefined) return;
    throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
      message: `Cannot go on with ${this.#path}: an earlier write to it failed`,
      context: { path: this.#path },
      cause: this.#failure,
    });
  }

  #failed(action: string, error: unknown): HoldfastError {
    this.#failure = fileError("write", action, this.#path, error);
    return this.#failure;
  }
}
