// Makes regular files: created so that nobody sees more of them than they should, filled by the caller, then given their
// attributes and, last of all, their time. A file that replaces another, or takes more than one step to fill, grows under a
// temporary name beside its place and is renamed when it is complete.
//
// The file system decides what a new file has (umask, setgid directories, default access control lists, mount options); it is
// asked once in each directory, so that nothing is set that is right already: a small file takes five system calls.

import { textOf } from "../base/bytes.ts";
import type { EntryAttribute, EntryBody } from "../formats/entry.ts";
import { FileTreeError, KIND_FILE, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import type { AttributeSetter, PresentAttributes } from "./attributes.ts";
import type { DirectoryPath } from "./directory-path.ts";
import { isSameTime } from "./attributes.ts";
import type { RunSettings } from "./run-settings.ts";

/** What new entries of a directory have. */
export interface Nature {
  userId: number;
  groupId: number;
  mode: number;
  /** Permission bits that were asked for and given, or not. */
  keptBits: number;
  droppedBits: number;
  /** The file system gives bits nobody asked for. */
  isForced: boolean;
  inheritsAccessList: boolean;
}

/** What a thread remembers of a directory while it works there. */
export interface DirectoryNote {
  nature: Nature | undefined;
  /** Somebody else may rename or remove what we make there. */
  isExposed: boolean | undefined;
}

export interface NewFile {
  readonly handle: FileHandle;
  /** The name it has until it is complete. */
  readonly name: Uint8Array;
  readonly present: PresentAttributes;
  /** A handle is closed once: its number may be another thread's file an instant later. */
  isOpen: boolean;
}

export interface FileMakerParts {
  readonly tree: FileTree;
  readonly setter: AttributeSetter;
  readonly settings: RunSettings;
  readonly directories: DirectoryPath<DirectoryNote>;
  readonly temporaryName: () => Uint8Array;
}

const OWNER_BITS = 0o700;
const OWNER_READS_AND_WRITES = 0o600;
const ACCESS_LIST = "system.posix_acl_access";

export class FileMaker {
  readonly #parts: FileMakerParts;
  readonly #stat: StatBuffer = newStatBuffer();

  constructor(parts: FileMakerParts) {
    this.#parts = parts;
  }

  /** Creates the file under its own name, in the directory opened last. Throws EEXIST when the name is taken. */
  create(directory: DirectoryHandle, name: Uint8Array, body: EntryBody): NewFile {
    const { tree, setter } = this.#parts;
    const { nature } = this.note;
    let mode = body.mode & 0o777;
    // Until it belongs to whom it should, nobody but us may open it; its attributes need an owner who may write.
    if (nature === undefined || setter.changesOwner(body, nature)) mode &= OWNER_BITS;
    if (body.attributes !== undefined || body.storedAttributes !== undefined) mode |= OWNER_READS_AND_WRITES;
    const handle = tree.createFileAt(directory, name, mode);
    try {
      return { handle, name, present: this.#presentOf(handle, mode), isOpen: true };
    } catch (error) {
      this.abandon(directory, { handle, name, present: { userId: 0, groupId: 0, mode }, isOpen: true });
      throw error;
    }
  }

  /** Creates the file under a temporary name. */
  createStaged(directory: DirectoryHandle, body: EntryBody): NewFile {
    for (let attempt = 1; ; attempt++) {
      try {
        return this.create(directory, this.#parts.temporaryName(), body);
      } catch (error) {
        // Somebody guessed the name, or the image holds such a name itself.
        if (!(error instanceof FileTreeError) || error.code !== "EEXIST" || attempt === 16) throw error;
      }
    }
  }

  /** Sets what the entry has, closes, and gives the file its name. Whoever gets an error calls `abandon`. */
  complete(
    directory: DirectoryHandle,
    file: NewFile,
    name: Uint8Array,
    body: EntryBody,
    attributes: readonly EntryAttribute[],
  ): void {
    const { tree, setter } = this.#parts;
    const isBare = this.note.nature?.inheritsAccessList === false;
    setter.apply(file.handle, body, attributes, file.present, isBare);
    setter.setTime(file.handle, body.modified);
    file.isOpen = false;
    tree.close(file.handle);
    if (file.name !== name) tree.renameAt(directory, file.name, directory, name);
  }

  /** Closes and removes a file that cannot be completed; nothing half written keeps its name. */
  abandon(directory: DirectoryHandle, file: NewFile): void {
    if (file.isOpen) {
      file.isOpen = false;
      ignoreFailure(() => this.#parts.tree.close(file.handle));
    }
    ignoreFailure(() => this.#parts.tree.removeAt(directory, file.name));
  }

  /**
   * A file that has the right size and time gets the owner, mode and extended attributes it should have. False when it must be
   * replaced for that: it has turned out to be another, or it has further names, perhaps outside of the target. A dry
   * run only looks.
   */
  adjust(directory: DirectoryHandle, name: Uint8Array, body: EntryBody, attributes: readonly EntryAttribute[]): boolean {
    const { tree, setter, settings } = this.#parts;
    const stat = this.#stat;
    const opened = this.#openForComparison(directory, name);
    if (opened === undefined) return true;
    const { handle, mode } = opened;
    let isClosedAgain = mode === undefined;
    try {
      tree.statHandle(handle, stat);
      if (mode !== undefined) stat.mode = mode;
      const isExact = tree.capabilities.nanosecondTimes;
      if (stat.kind !== body.kind || stat.sizeBytes !== body.sizeBytes || !isSameTime(stat, body.modified, isExact)) return false;
      const differs = setter.differs(handle, body, attributes, stat);
      if (differs && stat.linkCount > 1) return false;
      if (settings.isDryRun) return true;
      if (differs || (stat.linkCount === 1 && setter.changesOwner(body, stat))) {
        isClosedAgain = true;
        // What it has at the moment: so it gets the right one whatever it had.
        if (mode !== undefined) stat.mode = (mode & OWNER_BITS) | OWNER_READS_AND_WRITES;
        this.#apply(handle, body, attributes, stat);
      } else setter.tellRefusals(body, stat);
      return true;
    } finally {
      if (!isClosedAgain && mode !== undefined) ignoreFailure(() => tree.setMode(handle, mode));
      tree.close(handle);
    }
  }

  /** An ordinary user sets attributes only of what he may write to, even when it is his own. */
  #apply(handle: FileHandle, body: EntryBody, attributes: readonly EntryAttribute[], stat: StatBuffer): void {
    const { tree, setter, settings } = this.#parts;
    const isOurs = settings.userId !== 0 && stat.userId === settings.userId;
    if (isOurs && (stat.mode & OWNER_READS_AND_WRITES) !== OWNER_READS_AND_WRITES) {
      const mode = (stat.mode & OWNER_BITS) | OWNER_READS_AND_WRITES;
      ignoreFailure(() => {
        tree.setMode(handle, mode);
        stat.mode = mode;
      });
    }
    setter.apply(handle, body, attributes, stat, false);
  }

  /**
   * Opens what is to be compared. A file that its owner has closed to himself (mode 0) is opened up for that, unless it has another name,
   * perhaps outside of the target; `mode` is then the one to give back. Undefined when nothing but its size, time, owner and mode can be
   * seen: a dry run leaves it at that, else it is told.
   */
  #openForComparison(
    directory: DirectoryHandle,
    name: Uint8Array,
  ): { readonly handle: FileHandle; readonly mode: number | undefined } | undefined {
    const { tree, setter, settings } = this.#parts;
    const stat = this.#stat;
    try {
      return { handle: tree.openFileAt(directory, name), mode: undefined };
    } catch (error) {
      if (!(error instanceof FileTreeError) || error.code !== "EACCES") throw error;
      if (settings.isDryRun) return undefined;
      const isOurs = tree.statAt(directory, name, stat) && stat.userId === settings.userId && stat.linkCount === 1;
      if (!isOurs || stat.kind !== KIND_FILE) {
        setter.tell("compare attributes", error.code);
        return undefined;
      }
    }
    const { mode } = stat;
    tree.setModeAt(directory, name, (mode & OWNER_BITS) | OWNER_READS_AND_WRITES);
    try {
      return { handle: tree.openFileAt(directory, name), mode };
    } catch (error) {
      ignoreFailure(() => tree.setModeAt(directory, name, mode));
      throw error;
    }
  }

  /** Of the directory opened last. */
  get note(): DirectoryNote {
    const { directories } = this.#parts;
    return (directories.note ??= { nature: undefined, isExposed: undefined });
  }

  #presentOf(handle: FileHandle, mode: number): PresentAttributes {
    const { note } = this;
    let { nature } = note;
    const isTested = nature !== undefined && !nature.isForced && (mode & ~(nature.keptBits | nature.droppedBits)) === 0;
    if (nature !== undefined && isTested) {
      return { userId: nature.userId, groupId: nature.groupId, mode: mode & ~nature.droppedBits };
    }
    const { tree } = this.#parts;
    const stat = this.#stat;
    tree.statHandle(handle, stat);
    nature = note.nature ??= natureOf(stat, hasAccessList(tree, handle));
    nature.keptBits |= mode & stat.mode;
    nature.droppedBits |= mode & ~stat.mode;
    nature.isForced ||= (stat.mode & ~mode) !== 0;
    return { userId: stat.userId, groupId: stat.groupId, mode: stat.mode };
  }
}

/** Nothing is known of permissions yet. */
export function natureOf(stat: StatBuffer, inheritsAccessList: boolean): Nature {
  const { userId, groupId } = stat;
  return { userId, groupId, mode: 0, keptBits: 0, droppedBits: 0, isForced: false, inheritsAccessList };
}

function hasAccessList(tree: FileTree, handle: FileHandle): boolean {
  return tree.extendedAttributes(handle).some(({ name }) => textOf(name) === ACCESS_LIST);
}

/** For tidying up after another failure, which is the one to tell of. */
export function ignoreFailure(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof FileTreeError)) throw error;
  }
}
