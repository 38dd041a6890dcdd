// Open files over an object store: one that is being written, and one that is read.

import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import type { OpenFile, SpoolFile } from "./files.ts";
import type { BlockingObjectStore, ObjectStore } from "./object-store/object-store.ts";

export interface ObjectDraftOptions {
  /** Holds the bytes. */
  readonly spool: SpoolFile;
  readonly store: { readonly blocking: BlockingObjectStore; readonly waiting: ObjectStore };
  readonly key: string;
  readonly path: string;
  /** Until `release`; else the local file goes with the closing. */
  readonly isNeededWhenClosed: boolean;
}

/** Written to a local file; every sync puts all of it. The object must not exist before the first one. */
export class ObjectDraft implements OpenFile {
  readonly spoolPath: string;
  readonly #options: ObjectDraftOptions;
  #isChanged = true;
  #isStored = false;
  #isReleased = false;
  #failure: Error | undefined;
  #syncing: Promise<void> = Promise.resolve();
  #pending = 0;
  #closed = false;

  constructor(options: ObjectDraftOptions) {
    this.#options = options;
    this.spoolPath = options.spool.spoolPath;
  }

  /** Whether the object exists, or may. */
  get isStored(): boolean {
    return this.#isStored || this.#pending > 0 || this.#failure !== undefined;
  }

  read(into: Uint8Array, position: number): number {
    return this.#options.spool.file.read(into, position);
  }

  write(bytes: Uint8Array, position: number): void {
    this.#requireWhole();
    this.#isChanged = true;
    this.#options.spool.file.write(bytes, position);
  }

  sizeBytes(): number {
    return this.#options.spool.file.sizeBytes();
  }

  /** One after the other: the first decides whether the name was free. */
  sync(): Promise<void> {
    this.#requireWhole();
    this.#pending++;
    this.#syncing = this.#syncing.then(() => this.#put()).finally(() => this.#ended());
    return this.#syncing;
  }

  async #put(): Promise<void> {
    this.#requireWhole();
    if (!this.#isChanged) return;
    const { store, key } = this.#options;
    try {
      this.#stored(await store.waiting.put(key, this.#begun(), { onlyIfAbsent: !this.#isStored }));
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
  }

  syncNow(): void {
    this.#requireWhole();
    assert(this.#pending === 0, "a file is not synced in two ways at once");
    if (!this.#isChanged) return;
    const { store, key } = this.#options;
    try {
      this.#stored(store.blocking.put(key, this.#begun(), { onlyIfAbsent: !this.#isStored }));
    } catch (error) {
      this.#failure = error as Error;
      throw error;
    }
  }

  #begun(): { readonly path: string; readonly sizeBytes: number } {
    this.#isChanged = false;
    return { path: this.spoolPath, sizeBytes: this.#options.spool.file.sizeBytes() };
  }

  #stored(wasFree: boolean): void {
    if (wasFree) {
      this.#isStored = true;
      return;
    }
    const { path } = this.#options;
    throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
      message: `Cannot create ${path}: it exists already`,
      context: { path },
    });
  }

  close(): void {
    this.#closed = true;
    this.#closeWhenIdle();
  }

  #ended(): void {
    this.#pending--;
    if (this.#closed) this.#closeWhenIdle();
  }

  #closeWhenIdle(): void {
    if (this.#pending > 0) return;
    this.#options.spool.file.close();
    if (!this.#options.isNeededWhenClosed) this.#options.spool.remove();
  }

  /** The local file is not needed any more; it may have been moved away. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.close();
    this.#options.spool.remove();
  }

  #requireWhole(): void {
    assert(!this.#isReleased, "a file that was removed or renamed is not written");
    if (this.#failure === undefined) return;
    const { path } = this.#options;
    throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
      message: `Cannot go on with ${path}: an earlier write to it failed`,
      context: { path },
      cause: this.#failure,
    });
  }
}

/** Read piece by piece. */
export class StoredObjectFile implements OpenFile {
  readonly #store: BlockingObjectStore;
  readonly #key: string;
  readonly #sizeBytes: number;

  constructor(store: BlockingObjectStore, key: string, sizeBytes: number) {
    this.#store = store;
    this.#key = key;
    this.#sizeBytes = sizeBytes;
  }

  read(into: Uint8Array, position: number): number {
    const length = Math.min(into.length, Math.max(0, this.#sizeBytes - position));
    if (length === 0) return 0;
    const bytes = this.#store.getRange(this.#key, { offset: position, length });
    if (bytes === undefined) {
      throw new HoldfastError("REPOSITORY_READ_FAILED", { message: `Cannot read ${this.#key}: it is gone`, retry: "now" });
    }
    into.set(bytes);
    return bytes.length;
  }

  sizeBytes(): number {
    return this.#sizeBytes;
  }

  write(): void {
    throw this.#readOnly();
  }

  sync(): Promise<void> {
    return Promise.reject(this.#readOnly());
  }

  syncNow(): void {
    throw this.#readOnly();
  }

  close(): void {
    // There is nothing to close.
  }

  #readOnly(): HoldfastError {
    return new HoldfastError("PERMISSION_DENIED", { message: `Cannot change ${this.#key}: it is opened for reading` });
  }
}
