// Makes symbolic links, FIFOs and devices. Their attributes can only be set by name. Where somebody else may rename
// entries of the directory, that name could lead us to change the owner of a file of his choice; there they are made
// and completed in a private directory and moved out of it.

import { ENTRY_BLOCK_DEVICE, ENTRY_CHARACTER_DEVICE, ENTRY_SYMBOLIC_LINK } from "../formats/entry.ts";
import type { EntryAttribute, EntryBody } from "../formats/entry.ts";
import { FileTreeError, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import type { FileMaker, FileMakerParts } from "./file-maker.ts";
import { ignoreFailure, natureOf } from "./file-maker.ts";
import { judge } from "./in-the-way.ts";
import type { WayParts } from "./in-the-way.ts";
import type { RunSettings } from "./run-settings.ts";

export type OtherMakerParts = FileMakerParts & WayParts;

export type OtherOutcome = "made" | "same" | "keep";

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

export class OtherMaker {
  readonly #parts: OtherMakerParts;
  readonly #tree: FileTree;
  readonly #settings: RunSettings;
  readonly #files: FileMaker;
  readonly #stat: StatBuffer = newStatBuffer();

  constructor(parts: OtherMakerParts, files: FileMaker) {
    this.#parts = parts;
    this.#tree = parts.tree;
    this.#settings = parts.settings;
    this.#files = files;
  }

  /** In the directory opened last. */
  make(directory: DirectoryHandle, name: Uint8Array, body: EntryBody, attributes: readonly EntryAttribute[]): OtherOutcome {
    const isExposed = this.#isExposed(directory);
    if (!isExposed && this.#makeNew(directory, name, body, attributes)) return "made";
    const { tree } = this.#parts;
    const verdict = judge(this.#parts, directory, name, body, this.#stat);
    if (verdict === "same" || verdict === "keep") return verdict;
    if (isExposed) {
      this.#makePrivately(directory, name, body, attributes);
      return "made";
    }
    const made = verdict === "absent" ? name : this.#parts.temporaryName();
    if (!this.#makeNew(directory, made, body, attributes)) throw new FileTreeError("EEXIST", "make");
    if (made !== name) tree.renameAt(directory, made, directory, name);
    return "made";
  }

  /** False when the name is taken. */
  #makeNew(directory: DirectoryHandle, name: Uint8Array, body: EntryBody, attributes: readonly EntryAttribute[]): boolean {
    try {
      this.#makeEntry(directory, name, body);
    } catch (error) {
      if (error instanceof FileTreeError && error.code === "EEXIST") return false;
      throw error;
    }
    const { note } = this.#files;
    if (note.nature === undefined) {
      this.#tree.statAt(directory, name, this.#stat);
      note.nature = natureOf(this.#stat, false);
    }
    const { userId, groupId } = note.nature;
    this.#parts.setter.applyAt(directory, name, body, attributes, { userId, groupId, mode: 0 });
    return true;
  }

  #makePrivately(directory: DirectoryHandle, name: Uint8Array, body: EntryBody, attributes: readonly EntryAttribute[]): void {
    const tree = this.#tree;
    const privateName = this.#parts.temporaryName();
    if (!tree.makeDirectoryAt(directory, privateName, 0o700)) throw new FileTreeError("EEXIST", "make private directory");
    const inner = tree.openDirectoryAt(directory, privateName);
    try {
      tree.statHandle(inner, this.#stat);
      // Another directory in its place would belong to whoever put it there.
      const isOurs = this.#stat.userId === this.#settings.userId && (this.#stat.mode & 0o077) === 0;
      if (!isOurs) throw new FileTreeError("ESTALE", "use private directory");
      this.#makeEntry(inner, name, body);
      tree.statAt(inner, name, this.#stat);
      const { userId, groupId } = this.#stat;
      this.#parts.setter.applyAt(inner, name, body, attributes, { userId, groupId, mode: 0 });
      tree.renameAt(inner, name, directory, name);
    } finally {
      // After a failure; normally it has moved out.
      ignoreFailure(() => tree.removeAt(inner, name));
      tree.close(inner);
      ignoreFailure(() => tree.removeDirectoryAt(directory, privateName));
    }
  }

  #makeEntry(directory: DirectoryHandle, name: Uint8Array, body: EntryBody): void {
    if (body.kind === ENTRY_SYMBOLIC_LINK) {
      if (body.linkTarget === undefined) throw new FileTreeError("FORMAT_INVALID", "make symbolic link");
      this.#tree.makeSymbolicLinkAt(directory, name, body.linkTarget);
      return;
    }
    const isDevice = body.kind === ENTRY_CHARACTER_DEVICE || body.kind === ENTRY_BLOCK_DEVICE;
    if (isDevice && body.node === undefined) throw new FileTreeError("FORMAT_INVALID", "make device");
    // Kinds of entries and of the file tree have equal numbers. The rest of its mode comes when it has its owner.
    this.#tree.makeNodeAt(directory, name, body.kind, 0o600, body.node?.major ?? 0, body.node?.minor ?? 0);
  }

  /** Only the right to change owners can be abused. */
  #isExposed(directory: DirectoryHandle): boolean {
    if (this.#settings.userId !== 0) return false;
    const { note } = this.#files;
    if (note.isExposed === undefined) {
      this.#tree.statHandle(directory, this.#stat);
      const { userId, mode } = this.#stat;
      note.isExposed = userId !== this.#settings.userId || ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0);
    }
    return note.isExposed;
  }
}
