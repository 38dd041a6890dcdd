// The files in which Holdfast keeps its own data. Synchronous, because the hot path runs in worker
// threads where a synchronous call costs a third of an asynchronous one; only `sync` waits for a
// device long enough to be worth a promise. Paths are absolute, text, and made by us.

import type { ObjectStore } from "./object-store/object-store.ts";

export interface FileInformation {
  readonly kind: "file" | "directory" | "other";
  readonly sizeBytes: number;
  /** Milliseconds since 1970; only for age checks of temporary files, never for deciding what to delete. */
  readonly modifiedMs: number;
}

/**
 * An open file of ours. Closing twice is harmless; after a failed write or sync it refuses both. What was never synced may be gone when
 * it is closed: an object store is given the bytes by the first sync.
 */
export interface OpenFile {
  /** Reads up to `into.length` bytes at `position`; fewer only at the end of the file. Returns the count. */
  read(into: Uint8Array, position: number): number;
  /** Writes all of `bytes` at `position`, however many calls that takes. */
  write(bytes: Uint8Array, position: number): void;
  sizeBytes(): number;
  /** Durable when the promise resolves. A failed sync is final for this file: never sync it again, write a new one. */
  sync(): Promise<void>;
  syncNow(): void;
  close(): void;
}

/**
 * Errors are HoldfastErrors: PERMISSION_DENIED, REPOSITORY_WRITE_FAILED (no space, read-only, input/output),
 * REPOSITORY_READ_FAILED; a missing file is `undefined` or `false` where the signature says so.
 */
export interface Files {
  /** For reading; undefined when there is no such file. */
  open(path: string): OpenFile | undefined;
  /**
   * Creates a file that must not exist, for writing and reading. On disk it is read-only from the start: only this handle writes it. A
   * private one can be read by its owner alone.
   */
  create(path: string, access?: "private"): OpenFile;
  /** The whole file, or undefined when there is none. Refuses more than `limitBytes`. */
  read(path: string, limitBytes: number): Uint8Array | undefined;
  information(path: string): FileInformation | undefined;
  /** Names only, in no order; undefined when the directory is missing. Complete or it throws. */
  list(directory: string): readonly string[] | undefined;
  /** The same for several, where it is faster to ask for all of them at once. */
  listEach?(directories: readonly string[]): readonly (readonly string[] | undefined)[];
  /** Creates the directory and its parents, and makes each new name durable. */
  makeDirectory(directory: string): void;
  /** Atomic; replaces the target. The new name is durable after `syncDirectory`. */
  rename(from: string, to: string): void;
  /** Gives an existing file a second name; false when `to` exists already. */
  link(from: string, to: string): boolean;
  /** False when there was nothing to remove. */
  remove(path: string): boolean;
  /** False when there was nothing to remove, or something is in it. */
  removeEmptyDirectory(path: string): boolean;
  syncDirectory(directory: string): void;
  /** What the file system has left for this user, as it says; undefined when it does not say. Others may take it at any moment. */
  freeBytes(directory: string): number | undefined;
  /** Where files are objects of a store: the way to it that does not block. Undefined for a disk. */
  objects?(path: string): ObjectPlace | undefined;
}

export interface ObjectPlace {
  readonly store: ObjectStore;
  keyOf(path: string): string;
  /** A new local file for what is to be put; whoever asked removes it. */
  spool(): SpoolFile;
}

export interface SpoolFile {
  readonly file: OpenFile;
  readonly spoolPath: string;
  remove(): void;
}

/** What lies in each of the directories; nothing where one is missing. */
export function listEach(files: Files, directories: readonly string[]): readonly { directory: string; name: string }[] {
  const lists = files.listEach?.(directories) ?? directories.map((directory) => files.list(directory));
  return directories.flatMap((directory, index) => (lists[index] ?? []).map((name) => ({ directory, name })));
}
