// Files of ours as objects of a store: the file s3://bucket/a/b is the object a/b, a directory an empty object whose key ends in a
// slash. What a disk does in one step and a store does not is made of steps that leave no gap (docs/design/object-storage.md):
//   a new name        a put that succeeds only while there is no such object
//   rename            a verdict, a copy, a removal; see `#move`
//   draft             written to a local file, and put when it is synced
// Index runs, which are read here and there, are kept in a local directory; their names are the hashes of their bytes.

import { createHash } from "node:crypto";
import { hexOf, textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { FileInformation, Files, ObjectPlace, OpenFile, SpoolFile } from "./files.ts";
import { ObjectDraft, StoredObjectFile } from "./object-file.ts";
import type { BlockingObjectStore, ObjectStore } from "./object-store/object-store.ts";
import type { Random } from "./random.ts";

export interface ObjectFilesOptions {
  /** What paths begin with: "s3://bucket". */
  readonly root: string;
  readonly blocking: BlockingObjectStore;
  readonly waiting: ObjectStore;
  /** The disk of this machine. */
  readonly local: Files;
  /** For what is being written; belongs to this process. */
  readonly spoolDirectory: string;
  /** For what is kept to be read again. */
  readonly keptDirectory: string;
  /** Files that are kept: their names are the SHA-256 of their bytes. */
  readonly isKept: (path: string) => boolean;
  /** Files that a writer has not given their names yet, and that others may take away from it. */
  readonly isTemporary: (name: string) => boolean;
  readonly random: Random;
}

/** Ends the name of the verdict on a temporary file: the first to make it decides whether the file gets its name or is removed. */
const VERDICT = ".verdict";
const VERDICT_LIMIT_BYTES = 1_024;
/** Linking reads the file: records and session files, at most. */
const LINK_LIMIT_BYTES = 256 * 1024 * 1024;
const PIECE_BYTES = 16 * 1024 * 1024;
const KEPT_LIMIT_BYTES = 16 * 1024 * 1024 * 1024;

export class ObjectFiles implements Files {
  readonly #options: ObjectFilesOptions;
  readonly #store: BlockingObjectStore;
  /** Known to be there: whoever makes files in them need not ask again. */
  readonly #directories = new Set<string>();
  /** Temporary files that this object has made and not begun to rename, by path. */
  readonly #drafts = new Map<string, ObjectDraft>();

  constructor(options: ObjectFilesOptions) {
    this.#options = options;
    this.#store = options.blocking;
  }

  objects(): ObjectPlace {
    return {
      store: this.#options.waiting,
      keyOf: (path) => this.#keyOf(path),
      spool: () => this.#spool(),
    };
  }

  open(path: string): OpenFile | undefined {
    const key = this.#keyOf(path);
    const found = this.#store.head(key);
    if (found === undefined) return undefined;
    if (this.#options.isKept(path)) return this.#openKept(key, found.sizeBytes);
    return new StoredObjectFile(this.#store, key, found.sizeBytes);
  }

  create(path: string): OpenFile {
    const key = this.#keyOf(path);
    this.#requireDirectory(parentOf(path), path);
    if (this.#store.head(key) !== undefined) throw writeFailed("create", path, "it exists already");
    const isTemporary = this.#isTemporary(path);
    const draft = new ObjectDraft({ isNeededWhenClosed: isTemporary, spool: this.#spool(), store: this.#options, key, path });
    if (isTemporary) this.#drafts.set(path, draft);
    return draft;
  }

  read(path: string, limitBytes: number): Uint8Array | undefined {
    return this.#store.get(this.#keyOf(path), limitBytes);
  }

  information(path: string): FileInformation | undefined {
    const key = this.#keyOf(path);
    const found = key === "" ? undefined : this.#store.head(key);
    if (found !== undefined) return { kind: "file", ...found };
    return this.#isDirectory(path) ? { kind: "directory", sizeBytes: 0, modifiedMs: 0 } : undefined;
  }

  list(directory: string): readonly string[] | undefined {
    return this.listEach([directory])[0];
  }

  listEach(directories: readonly string[]): readonly (readonly string[] | undefined)[] {
    const prefixes = directories.map((directory) => this.#prefixOf(directory));
    const levels = this.#store.levels(prefixes);
    return directories.map((directory, index) => this.#namesIn(directory, prefixes[index] ?? "", levels[index] ?? []));
  }

  #namesIn(directory: string, prefix: string, keys: readonly string[]): readonly string[] | undefined {
    if (keys.length === 0 && prefix !== "") return undefined;
    this.#directories.add(directory);
    // An object, and what lies below its name, if somebody has made such, are one name.
    const names = new Set(keys.map((key) => key.slice(prefix.length).replace(/\/$/, "")));
    names.delete("");
    // A verdict whose file is gone shows as a file, to be removed like one.
    return [...names].filter((name) => !name.endsWith(VERDICT) || !names.has(name.slice(0, -VERDICT.length)));
  }

  makeDirectory(directory: string): void {
    if (this.#directories.has(directory)) return;
    const key = this.#keyOf(directory);
    if (key === "") return;
    for (const path of [directory, parentOf(directory)]) {
      if (path === this.#options.root || this.#store.head(this.#keyOf(path)) === undefined) continue;
      throw writeFailed("make directory", directory, `"${path}" is a file`);
    }
    this.#store.put(`${key}/`, new Uint8Array(0), { onlyIfAbsent: true });
    this.#directories.add(directory);
  }

  rename(from: string, to: string): void {
    const draft = this.#drafts.get(from);
    this.#drafts.delete(from);
    const [key, target] = [this.#keyOf(from), this.#keyOf(to)];
    try {
      const isThere = this.#isTemporary(from) ? this.#move(key, target) : this.#copyAndRemove(key, target);
      if (!isThere) throw writeFailed("rename", from, "it is not there any more");
      // It may have been the last file that showed the directory.
      this.#directories.add(parentOf(from));
      if (draft !== undefined && this.#options.isKept(to)) this.#keep(draft, nameOf(to));
    } finally {
      draft?.release();
    }
  }

  link(from: string, to: string): boolean {
    const bytes = this.#store.get(this.#keyOf(from), LINK_LIMIT_BYTES);
    if (bytes === undefined) throw writeFailed("link", to, `"${from}" is not there any more`);
    return this.#store.put(this.#keyOf(to), bytes, { onlyIfAbsent: true });
  }

  remove(path: string): boolean {
    const key = this.#keyOf(path);
    const draft = this.#drafts.get(path);
    if (draft !== undefined) {
      this.#drafts.delete(path);
      draft.release();
      if (draft.isStored) this.#store.remove(key);
      return true;
    }
    if (this.#store.head(key) === undefined) {
      if (this.#isDirectory(path)) throw writeFailed("remove", path, "it is a directory");
      return false;
    }
    if (this.#isTemporary(path)) this.#removeTemporary(key);
    else this.#store.remove(key);
    if (this.#options.isKept(path)) this.#options.local.remove(this.#keptPath(nameOf(path)));
    return true;
  }

  removeEmptyDirectory(directory: string): boolean {
    const prefix = this.#prefixOf(directory);
    const { objects, prefixes } = this.#store.list(prefix, { limit: 2 });
    if (prefixes.length > 0 || objects.length !== 1 || objects[0]?.key !== prefix) return false;
    this.#store.remove(prefix);
    this.#directories.delete(directory);
    return true;
  }

  /** What was put is durable. */
  syncDirectory(directory: string): void {
    this.#requireDirectory(directory, directory);
  }

  freeBytes(): undefined {
    return undefined;
  }

  // --- names ---------------------------------------------------------------------------------

  /**
   * Gives a temporary file its name, unless somebody takes the file away: of the two, the first verdict counts. Whoever finds that
   * the name was to be given gives it, so that when a temporary file is gone nothing can come of it any more. The verdict goes before the
   * file: a file without a verdict is either unnamed, or named already.
   */
  #move(key: string, target: string): boolean {
    if (!this.#store.put(key + VERDICT, utf8(target), { onlyIfAbsent: true })) return false;
    // Gone behind our verdict: who removes it has given it its name for us.
    const isNamed = this.#store.copy(key, target) || this.#store.head(target) !== undefined;
    this.#store.remove(key + VERDICT);
    if (isNamed) this.#store.remove(key);
    return isNamed;
  }

  #removeTemporary(key: string): void {
    const verdict = key + VERDICT;
    if (!this.#store.put(verdict, new Uint8Array(0), { onlyIfAbsent: true })) {
      const found = this.#store.get(verdict, VERDICT_LIMIT_BYTES);
      // Gone meanwhile: whoever had it has named the file, or removed it.
      if (found !== undefined && found.length > 0) this.#store.copy(key, textOf(found));
    }
    this.#store.remove(key);
    this.#store.remove(verdict);
  }

  #copyAndRemove(key: string, target: string): boolean {
    const isThere = this.#store.copy(key, target);
    if (isThere) this.#store.remove(key);
    return isThere;
  }

  #isTemporary(path: string): boolean {
    const name = nameOf(path);
    return this.#options.isTemporary(name) && !name.endsWith(VERDICT);
  }

  // --- directories ---------------------------------------------------------------------------

  #isDirectory(path: string): boolean {
    const prefix = this.#prefixOf(path);
    const { objects } = this.#store.list(prefix, { limit: 1 });
    const isThere = prefix === "" || objects.length > 0;
    if (isThere) this.#directories.add(path);
    return isThere;
  }

  #requireDirectory(directory: string, path: string): void {
    if (this.#directories.has(directory) || this.#isDirectory(directory)) return;
    throw writeFailed("write", path, `the directory "${directory}" is missing`);
  }

  #keyOf(path: string): string {
    return path.slice(this.#options.root.length + 1);
  }

  #prefixOf(directory: string): string {
    const key = this.#keyOf(directory);
    return key === "" ? "" : `${key}/`;
  }

  // --- local copies --------------------------------------------------------------------------

  #spool(): SpoolFile {
    const { local, spoolDirectory, random } = this.#options;
    local.makeDirectory(spoolDirectory);
    const spoolPath = `${spoolDirectory}/${hexOf(random.bytes(8))}`;
    return { file: local.create(spoolPath), spoolPath, remove: () => void local.remove(spoolPath) };
  }

  #keptPath(name: string): string {
    return `${this.#options.keptDirectory}/${name}`;
  }

  #openKept(key: string, sizeBytes: number): OpenFile | undefined {
    const { local } = this.#options;
    const path = this.#keptPath(nameOf(key));
    if (local.information(path)?.sizeBytes === sizeBytes) return local.open(path) ?? this.#download(key, sizeBytes);
    return this.#download(key, sizeBytes);
  }

  /** What is not what its name says is given as it is, and not kept: whoever reads it will find the damage. */
  #download(key: string, sizeBytes: number): OpenFile | undefined {
    const { local, keptDirectory, random } = this.#options;
    local.makeDirectory(keptDirectory);
    const path = this.#keptPath(`${nameOf(key)}-${hexOf(random.bytes(8))}`);
    const file = local.create(path);
    let isWhole = false;
    try {
      const hash = createHash("sha256");
      for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES) {
        const piece = this.#store.getRange(key, { offset, length: Math.min(PIECE_BYTES, sizeBytes - offset) });
        if (piece === undefined) return undefined;
        hash.update(piece);
        file.write(piece, offset);
      }
      file.syncNow();
      isWhole = hash.digest("hex") === nameOf(key);
      return local.open(path);
    } finally {
      file.close();
      if (isWhole) this.#keepAs(path, nameOf(key));
      else local.remove(path);
    }
  }

  #keep(draft: ObjectDraft, name: string): void {
    const { local, keptDirectory } = this.#options;
    local.makeDirectory(keptDirectory);
    // Else a power failure could leave a file of this name and size with other bytes.
    const file = local.open(draft.spoolPath);
    file?.syncNow();
    file?.close();
    this.#keepAs(draft.spoolPath, name);
  }

  #keepAs(path: string, name: string): void {
    const { local } = this.#options;
    local.rename(path, this.#keptPath(name));
    this.#forgetOldest();
  }

  /** Runs that others have merged away stay here until there is too much. */
  #forgetOldest(): void {
    const { local, keptDirectory } = this.#options;
    const kept = (local.list(keptDirectory) ?? []).flatMap((name) => {
      const found = local.information(this.#keptPath(name));
      return found?.kind === "file" ? [{ name, ...found }] : [];
    });
    let bytes = kept.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    for (const { name, sizeBytes } of kept.toSorted((a, b) => a.modifiedMs - b.modifiedMs)) {
      if (bytes <= KEPT_LIMIT_BYTES) return;
      local.remove(this.#keptPath(name));
      bytes -= sizeBytes;
    }
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function writeFailed(action: string, path: string, problem: string): HoldfastError {
  return new HoldfastError("REPOSITORY_WRITE_FAILED", { message: `Cannot ${action} ${path}: ${problem}`, context: { path } });
}
