// The file tree with nothing but Node: macOS, Windows, and Linux where the C library cannot be called.
//
// Node names entries by path, never relative to an open directory. Before it changes anything, and before
// it opens a directory below another, this tree checks that the path still leads to the directory that
// was opened. Between that check and the call a second process with write access to a parent can still
// swap a directory for a link; nothing here can close that gap, and `capabilities.confinement` says so.
// Paths longer than the platform takes in one call fail with ENAMETOOLONG.

import fs, { type BigIntStats } from "node:fs";
import { textOf } from "../base/bytes.ts";
import { kindOfMode } from "./entry-kinds.ts";
import { checkName } from "./entry-names.ts";
import {
  FileTreeError,
  KIND_FILE,
  type DirectoryHandle,
  type DirectoryListing,
  type ExtendedAttribute,
  type FileHandle,
  type FileTree,
  type FileTreeCapabilities,
  type StatBuffer,
} from "./file-tree.ts";
import { ListingBuilder } from "./packed-listing.ts";
import {
  attempt,
  attemptUnless,
  isLink,
  kindOfEntry,
  lstat,
  nodeTime,
  nodeTimeOf,
  onWindows,
  openQuietly,
  platformPath,
  refuseLink,
  unsupported,
} from "./portable-calls.ts";
import { copyStats } from "./portable-stat.ts";

// Windows lacks some of these; undefined counts as no bits.
const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = fs.constants;
const SLASH = 0x2f;

const capabilities: FileTreeCapabilities = Object.freeze({
  rawNames: !onWindows && process.platform !== "darwin",
  extendedAttributes: false,
  birthTime: true,
  fileFlags: false,
  holes: false,
  deviceNodes: false,
  ownership: !onWindows,
  nanosecondTimes: false,
  confinement: false,
});

/** Works everywhere; see `capabilities` for what is lost. */
export function openPortableFileTree(): FileTree {
  return new PortableFileTree();
}

interface OpenDirectory {
  readonly path: Uint8Array;
  /** Undefined on Windows, where Node cannot open a directory. */
  readonly descriptor: number | undefined;
  readonly device: bigint;
  readonly inode: bigint;
}

/** Handles of files are the platform's descriptors; those of directories begin here. */
const FIRST_DIRECTORY_HANDLE = 0x4000_0000;

class PortableFileTree implements FileTree {
  readonly capabilities = capabilities;
  readonly #directories = new Map<number, OpenDirectory>();
  readonly #listing = new ListingBuilder();
  #nextHandle = FIRST_DIRECTORY_HANDLE;

  // --- reading -------------------------------------------------------------------------------

  openDirectory(path: Uint8Array): DirectoryHandle {
    const absolute = onWindows ? /^([a-z]:)?[\\/]/i.test(textOf(path)) : path[0] === SLASH;
    if (!absolute || path.includes(0)) throw new FileTreeError("EINVAL", "open directory", textOf(path));
    let end = path.length;
    // A slash at the end would follow a link.
    while (end > 1 && path[end - 1] === SLASH) end--;
    return this.#openDirectory(path.slice(0, end), path);
  }

  openDirectoryAt(directory: DirectoryHandle, name: Uint8Array): DirectoryHandle {
    return this.#openDirectory(this.#pathForChange(directory, name, "open directory"), name);
  }

  listDirectory(directory: DirectoryHandle): DirectoryListing {
    const { path } = this.#opened(directory);
    const entries = attempt("list directory", path, () =>
      fs.readdirSync(platformPath(path), { withFileTypes: true, encoding: "buffer" }),
    );
    this.#listing.begin();
    for (const entry of entries) this.#listing.add(entry.name, kindOfEntry(entry));
    return this.#listing.finish();
  }

  statAt(directory: DirectoryHandle, name: Uint8Array, into: StatBuffer): boolean {
    const action = "read attributes of";
    if (name.length === 0) {
      this.statHandle(directory, into);
      return true;
    }
    const stats = lstat(this.#path(directory, name, action), action, name);
    if (stats === undefined) return false;
    copyStats(stats, into);
    return true;
  }

  statHandle(handle: FileHandle | DirectoryHandle, into: StatBuffer): void {
    copyStats(this.#stats(handle), into);
  }

  openFileAt(directory: DirectoryHandle, name: Uint8Array): FileHandle {
    const path = this.#path(directory, name, "open");
    if (onWindows) refuseLink(path, "open", name);
    const flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
    return attempt("open", name, () => openQuietly(path, flags)) as FileHandle;
  }

  read(handle: FileHandle, into: Uint8Array, position: number): number {
    return attempt("read", undefined, () => {
      let done = 0;
      while (done < into.length) {
        const count = fs.readSync(handle, into, done, into.length - done, position + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  nextData(_handle: FileHandle, position: number, sizeBytes: number): { start: number; end: number } | undefined {
    return position < sizeBytes ? { start: position, end: sizeBytes } : undefined;
  }

  readLinkAt(directory: DirectoryHandle, name: Uint8Array): Uint8Array {
    const path = this.#path(directory, name, "read link");
    return attempt("read link", name, () => fs.readlinkSync(platformPath(path), { encoding: "buffer" }));
  }

  extendedAttributes(): readonly ExtendedAttribute[] {
    return [];
  }

  extendedAttributesAt(): readonly ExtendedAttribute[] {
    return [];
  }

  close(handle: FileHandle | DirectoryHandle): void {
    const directory = this.#directories.get(handle);
    if (directory === undefined) {
      attempt("close", undefined, () => fs.closeSync(handle));
      return;
    }
    this.#directories.delete(handle);
    const { descriptor } = directory;
    if (descriptor !== undefined) attempt("close", directory.path, () => fs.closeSync(descriptor));
  }

  // --- writing -------------------------------------------------------------------------------

  makeDirectoryAt(directory: DirectoryHandle, name: Uint8Array, mode: number): boolean {
    const path = this.#pathForChange(directory, name, "make directory");
    return attemptUnless("EEXIST", "make directory", name, () => fs.mkdirSync(platformPath(path), { mode }));
  }

  createFileAt(directory: DirectoryHandle, name: Uint8Array, mode: number): FileHandle {
    const path = this.#pathForChange(directory, name, "create");
    const flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW;
    return attempt("create", name, () => fs.openSync(platformPath(path), flags, mode)) as FileHandle;
  }

  openFileForWritingAt(directory: DirectoryHandle, name: Uint8Array): FileHandle {
    const action = "open for writing";
    const path = this.#pathForChange(directory, name, action);
    refuseLink(path, action, name);
    const stats = lstat(path, action, name);
    if (stats !== undefined && kindOfMode(Number(stats.mode)) !== KIND_FILE)
      throw new FileTreeError("EINVAL", action, textOf(name));
    return attempt(action, name, () => fs.openSync(platformPath(path), O_RDWR | O_NOFOLLOW | O_NONBLOCK)) as FileHandle;
  }

  write(handle: FileHandle, bytes: Uint8Array, position: number): void {
    attempt("write", undefined, () => {
      for (let done = 0; done < bytes.length;) {
        done += fs.writeSync(handle, bytes, done, bytes.length - done, position + done);
      }
    });
  }

  setSize(handle: FileHandle, sizeBytes: number): void {
    attempt("set size", undefined, () => fs.ftruncateSync(handle, sizeBytes));
  }

  makeLinkAt(fromDirectory: DirectoryHandle, from: Uint8Array, directory: DirectoryHandle, name: Uint8Array): void {
    const existing = this.#pathForChange(fromDirectory, from, "make link");
    const added = this.#pathForChange(directory, name, "make link");
    attempt("make link", name, () => fs.linkSync(platformPath(existing), platformPath(added)));
  }

  makeSymbolicLinkAt(directory: DirectoryHandle, name: Uint8Array, target: Uint8Array): void {
    const path = this.#pathForChange(directory, name, "make symbolic link");
    attempt("make symbolic link", name, () => fs.symlinkSync(platformPath(target), platformPath(path)));
  }

  makeNodeAt(_directory: DirectoryHandle, name: Uint8Array): void {
    throw unsupported("make node", name);
  }

  removeAt(directory: DirectoryHandle, name: Uint8Array): boolean {
    const path = this.#pathForChange(directory, name, "remove");
    return attemptUnless("ENOENT", "remove", name, () => fs.unlinkSync(platformPath(path)));
  }

  removeDirectoryAt(directory: DirectoryHandle, name: Uint8Array): boolean {
    const path = this.#pathForChange(directory, name, "remove directory");
    return attemptUnless("ENOENT", "remove directory", name, () => fs.rmdirSync(platformPath(path)));
  }

  renameAt(fromDirectory: DirectoryHandle, from: Uint8Array, directory: DirectoryHandle, name: Uint8Array): void {
    const existing = this.#pathForChange(fromDirectory, from, "rename");
    const renamed = this.#pathForChange(directory, name, "rename");
    attempt("rename", from, () => fs.renameSync(platformPath(existing), platformPath(renamed)));
  }

  setOwner(handle: FileHandle | DirectoryHandle, userId: number, groupId: number): void {
    if (onWindows) throw unsupported("set owner");
    attempt("set owner", undefined, () => fs.fchownSync(this.#descriptor(handle), userId, groupId));
  }

  setMode(handle: FileHandle | DirectoryHandle, mode: number): void {
    attempt("set mode", undefined, () =>
      this.#apply(
        handle,
        (descriptor) => fs.fchmodSync(descriptor, mode),
        (path) => fs.chmodSync(path, mode),
      ),
    );
  }

  setModifiedTime(handle: FileHandle | DirectoryHandle, seconds: number, nanoseconds: number): void {
    const accessed = nodeTimeOf(this.#stats(handle).atimeNs);
    const modified = nodeTime(seconds, nanoseconds);
    attempt("set time", undefined, () =>
      this.#apply(
        handle,
        (descriptor) => fs.futimesSync(descriptor, accessed, modified),
        (path) => fs.utimesSync(path, accessed, modified),
      ),
    );
  }

  setExtendedAttribute(_handle: FileHandle | DirectoryHandle, attribute: ExtendedAttribute): void {
    throw unsupported("set extended attribute", attribute.name);
  }

  removeExtendedAttribute(_handle: FileHandle | DirectoryHandle, name: Uint8Array): void {
    throw unsupported("remove extended attribute", name);
  }

  setFileFlags(): void {
    throw unsupported("set file flags");
  }

  setOwnerAt(directory: DirectoryHandle, name: Uint8Array, userId: number, groupId: number): void {
    if (onWindows) throw unsupported("set owner of", name);
    const path = this.#pathForChange(directory, name, "set owner of");
    attempt("set owner of", name, () => fs.lchownSync(platformPath(path), userId, groupId));
  }

  setModeAt(directory: DirectoryHandle, name: Uint8Array, mode: number): void {
    const action = "set mode of";
    const path = this.#pathForChange(directory, name, action);
    if (isLink(path, action, name)) throw unsupported(action, name);
    attempt(action, name, () => fs.chmodSync(platformPath(path), mode));
  }

  setModifiedTimeAt(directory: DirectoryHandle, name: Uint8Array, seconds: number, nanoseconds: number): void {
    const action = "set time of";
    const path = this.#pathForChange(directory, name, action);
    const stats = lstat(path, action, name);
    if (stats === undefined) throw new FileTreeError("ENOENT", action, textOf(name));
    attempt(action, name, () => fs.lutimesSync(platformPath(path), nodeTimeOf(stats.atimeNs), nodeTime(seconds, nanoseconds)));
  }

  setExtendedAttributeAt(_directory: DirectoryHandle, _name: Uint8Array, attribute: ExtendedAttribute): void {
    throw unsupported("set extended attribute", attribute.name);
  }

  // --- below ---------------------------------------------------------------------------------

  #openDirectory(path: Uint8Array, shown: Uint8Array): DirectoryHandle {
    const action = "open directory";
    let descriptor: number | undefined;
    let stats: BigIntStats | undefined;
    if (onWindows) {
      refuseLink(path, action, shown);
      stats = lstat(path, action, shown);
      if (stats === undefined) throw new FileTreeError("ENOENT", action, textOf(shown));
      if (!stats.isDirectory()) throw new FileTreeError("ENOTDIR", action, textOf(shown));
    } else {
      const opened = attempt(action, shown, () => openQuietly(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
      stats = attempt(action, shown, () => fs.fstatSync(opened, { bigint: true }));
      descriptor = opened;
    }
    const handle = this.#nextHandle++;
    this.#directories.set(handle, { path, descriptor, device: stats.dev, inode: stats.ino });
    return handle as DirectoryHandle;
  }

  #opened(directory: DirectoryHandle): OpenDirectory {
    const opened = this.#directories.get(directory);
    if (opened === undefined) throw new FileTreeError("EBADF", "use directory handle");
    return opened;
  }

  #path(directory: DirectoryHandle, name: Uint8Array, action: string): Uint8Array {
    checkName(name, action);
    // Windows takes these for a path and for a second stream of a file.
    if (onWindows && /[\\:]/.test(textOf(name))) throw new FileTreeError("EINVAL", action, textOf(name));
    const { path } = this.#opened(directory);
    const slash = path[path.length - 1] === SLASH ? 0 : 1;
    const joined = new Uint8Array(path.length + slash + name.length);
    joined.set(path);
    if (slash === 1) joined[path.length] = SLASH;
    joined.set(name, path.length + slash);
    return joined;
  }

  /** A path that led to the opened directory a moment ago. */
  #pathForChange(directory: DirectoryHandle, name: Uint8Array, action: string): Uint8Array {
    const joined = this.#path(directory, name, action);
    const { path, device, inode } = this.#opened(directory);
    const stats = lstat(path, action, name);
    if (stats === undefined || !stats.isDirectory() || stats.dev !== device || stats.ino !== inode) {
      throw new FileTreeError("ESTALE", action, textOf(name));
    }
    return joined;
  }

  #descriptor(handle: FileHandle | DirectoryHandle): number {
    const descriptor = this.#directories.has(handle) ? this.#opened(handle as DirectoryHandle).descriptor : handle;
    if (descriptor === undefined) throw unsupported("use directory handle");
    return descriptor;
  }

  #apply(
    handle: FileHandle | DirectoryHandle,
    onDescriptor: (descriptor: number) => void,
    onPath: (path: fs.PathLike) => void,
  ): void {
    const directory = this.#directories.get(handle);
    if (directory === undefined) onDescriptor(handle);
    else if (directory.descriptor !== undefined) onDescriptor(directory.descriptor);
    else onPath(platformPath(directory.path));
  }

  #stats(handle: FileHandle | DirectoryHandle): BigIntStats {
    return attempt("read attributes", undefined, () => {
      const directory = this.#directories.get(handle);
      if (directory !== undefined && directory.descriptor === undefined)
        return fs.lstatSync(platformPath(directory.path), { bigint: true });
      return fs.fstatSync(this.#descriptor(handle), { bigint: true });
    });
  }
}
