// The file tree of Linux, straight on the C library: Node's own file calls have no way to list a
// directory that is open, know no extended attributes, holes or device nodes, and cannot name entries
// relative to a directory. This is the hot path of every walk: names, attributes and directory entries
// go through buffers that are used again and again.
//
// Every call is relative to an open directory and names one component, so nobody can lead it elsewhere
// by swapping a directory for a link. Calls that the kernel offers only by path go through
// /proc/self/fd, which is the open directory itself.

import { existsSync } from "node:fs";
import { textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import {
  FileTreeError,
  KIND_FILE,
  KIND_SYMBOLIC_LINK,
  newStatBuffer,
  type DirectoryHandle,
  type DirectoryListing,
  type EntryKind,
  type ExtendedAttribute,
  type FileHandle,
  type FileTree,
  type FileTreeCapabilities,
  type StatBuffer,
} from "./file-tree.ts";
import { kindOfType, typeOfKind } from "./entry-kinds.ts";
import { piecesOfPath, TerminatedBytes } from "./entry-names.ts";
import { LinuxAttributes } from "./linux-attributes.ts";
import * as linux from "./linux-libc.ts";
import { CARRIED_FLAGS, STATX_MASK, StatxBuffer } from "./linux-stat.ts";
import { ListingBuilder } from "./packed-listing.ts";

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const UTIME_OMIT = 0x3ffffffe;
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const DIRECTORY_READ_BYTES = 64 * 1024;
const LINK_TARGET_BYTES = 4096;

const capabilities: FileTreeCapabilities = Object.freeze({
  rawNames: true,
  extendedAttributes: true,
  birthTime: true,
  fileFlags: true,
  holes: true,
  deviceNodes: true,
  ownership: true,
  nanosecondTimes: true,
  confinement: true,
});

/** Throws PLATFORM_UNSUPPORTED where the C library cannot be called or /proc is missing. */
export function openLinuxFileTree(loadForeignFunctions?: linux.ForeignFunctionsLoader): FileTree {
  const libc = linux.openLibc(loadForeignFunctions);
  if (!existsSync("/proc/self/fd")) {
    // Without it some calls would report that an entry has vanished that has not.
    throw new HoldfastError("PLATFORM_UNSUPPORTED", {
      message: "Cannot reach entries through open directories: /proc is not mounted",
    });
  }
  return new LinuxFileTree(libc);
}

class LinuxFileTree implements FileTree {
  readonly capabilities = capabilities;
  readonly #libc: linux.Libc;
  readonly #attributes: LinuxAttributes;
  readonly #name = new TerminatedBytes();
  readonly #otherName = new TerminatedBytes();
  readonly #noName = new Uint8Array(new ArrayBuffer(1));
  readonly #statx = new StatxBuffer();
  readonly #listing = new ListingBuilder();
  readonly #times = new DataView(new ArrayBuffer(32));
  readonly #timesBytes = new Uint8Array(this.#times.buffer);
  readonly #flags = new Int32Array(new ArrayBuffer(8));
  readonly #found = newStatBuffer();

  constructor(libc: linux.Libc) {
    this.#libc = libc;
    this.#attributes = new LinuxAttributes(libc);
  }

  // --- reading -------------------------------------------------------------------------------

  openDirectory(path: Uint8Array): DirectoryHandle {
    const pieces = piecesOfPath(path);
    let parent = linux.AT_FDCWD;
    for (const [position, piece] of pieces.entries()) {
      const last = position === pieces.length - 1;
      const terminated = this.#name.text(piece, "open directory");
      const opened = last
        ? this.#openQuietly(parent, terminated, linux.OPEN_DIRECTORY)
        : this.#libc.openat(parent, terminated, linux.OPEN_PASSAGE, 0);
      const errno = opened < 0 ? this.#libc.errno() : 0;
      if (parent !== linux.AT_FDCWD) this.#libc.close(parent);
      if (opened < 0) throw linux.systemError(errno, "open directory", textOf(path));
      parent = opened;
    }
    return parent as DirectoryHandle;
  }

  openDirectoryAt(directory: DirectoryHandle, name: Uint8Array): DirectoryHandle {
    const opened = this.#openQuietly(directory, this.#name.name(name, "open directory"), linux.OPEN_DIRECTORY);
    if (opened < 0) this.#fail("open directory", name);
    return opened as DirectoryHandle;
  }

  listDirectory(directory: DirectoryHandle): DirectoryListing {
    const libc = this.#libc;
    const listing = this.#listing;
    // A handle remembers how far it was read; a second listing begins anew.
    if (libc.lseek(directory, 0, 0) < 0) this.#fail("list directory");
    listing.begin();
    for (;;) {
      const space = listing.space(DIRECTORY_READ_BYTES);
      const length = libc.getdents64(directory, space, space.length);
      if (length === 0) return listing.finish();
      if (length > 0) listing.addRecords(length, kindOfType);
      else this.#failUnlessInterrupted("list directory");
    }
  }

  statAt(directory: DirectoryHandle, name: Uint8Array, into: StatBuffer): boolean {
    const libc = this.#libc;
    const statx = this.#statx;
    const itself = name.length === 0;
    const terminated = itself ? this.#noName : this.#name.name(name, "read attributes of");
    // Looking at an automount point must not mount it.
    const flags = linux.AT_SYMLINK_NOFOLLOW | linux.AT_NO_AUTOMOUNT | (itself ? linux.AT_EMPTY_PATH : 0);
    while (libc.statx(directory, terminated, flags, STATX_MASK, statx.bytes) < 0) {
      const errno = libc.errno();
      if (errno === linux.ENOENT) return false;
      if (errno !== linux.EINTR) throw linux.systemError(errno, "read attributes of", textOf(name));
    }
    statx.copyTo(into);
    return true;
  }

  statHandle(handle: FileHandle | DirectoryHandle, into: StatBuffer): void {
    const statx = this.#statx;
    while (this.#libc.statx(handle, this.#noName, linux.AT_EMPTY_PATH, STATX_MASK, statx.bytes) < 0) {
      this.#failUnlessInterrupted("read attributes");
    }
    statx.copyTo(into);
  }

  openFileAt(directory: DirectoryHandle, name: Uint8Array): FileHandle {
    const terminated = this.#name.name(name, "open");
    // O_NONBLOCK so that a FIFO that took the place of a file cannot hold up the backup.
    let opened = this.#openQuietly(directory, terminated, linux.OPEN_FILE | linux.O_NONBLOCK);
    if (opened < 0) {
      const errno = this.#libc.errno();
      if (errno !== linux.EAGAIN) throw linux.systemError(errno, "open", textOf(name));
      opened = this.#openLeased(directory, name);
    }
    return opened as FileHandle;
  }

  /**
   * Another process (a file server) holds a lease on the file and gives it up only to an open that waits.
   * Waiting is safe once we hold the very file and know that it is one.
   */
  #openLeased(directory: DirectoryHandle, name: Uint8Array): number {
    return this.#withPath(directory, name, "open", (handle, kind) => {
      if (kind !== KIND_FILE) throw linux.systemError(linux.EAGAIN, "open", textOf(name));
      const path = this.#otherName.throughHandle(handle);
      const opened = this.#openQuietly(linux.AT_FDCWD, path, linux.OPEN_THROUGH_PROC);
      if (opened < 0) this.#fail("open", name);
      return opened;
    });
  }

  read(handle: FileHandle, into: Uint8Array, position: number): number {
    const wanted = into.length;
    let done = 0;
    while (done < wanted) {
      const rest = done === 0 ? into : into.subarray(done);
      const count = this.#libc.pread(handle, rest, wanted - done, position + done);
      if (count === 0) break;
      if (count > 0) done += count;
      else this.#failUnlessInterrupted("read");
    }
    return done;
  }

  nextData(handle: FileHandle, position: number, sizeBytes: number): { start: number; end: number } | undefined {
    if (position >= sizeBytes) return undefined;
    const start = this.#libc.lseek(handle, position, SEEK_DATA);
    if (start < 0) {
      const errno = this.#libc.errno();
      if (errno === linux.ENXIO) return undefined;
      if (errno === linux.EINVAL || errno === linux.ENOTSUP) return { start: position, end: sizeBytes };
      throw linux.systemError(errno, "find holes");
    }
    if (start >= sizeBytes) return undefined;
    const end = this.#libc.lseek(handle, start, SEEK_HOLE);
    // The file may have been cut short in between; reading will find out.
    return { start, end: end < 0 ? sizeBytes : Math.min(end, sizeBytes) };
  }

  readLinkAt(directory: DirectoryHandle, name: Uint8Array): Uint8Array {
    const terminated = this.#name.name(name, "read link");
    for (let size = LINK_TARGET_BYTES; ; size *= 2) {
      const target = new Uint8Array(size);
      const length = this.#libc.readlinkat(directory, terminated, target, size);
      if (length < 0) this.#fail("read link", name);
      if (length < size) return target.subarray(0, length);
    }
  }

  extendedAttributes(handle: FileHandle | DirectoryHandle): readonly ExtendedAttribute[] {
    return this.#attributes.read(handle);
  }

  extendedAttributesAt(directory: DirectoryHandle, name: Uint8Array): readonly ExtendedAttribute[] {
    return this.#attributes.read(this.#otherName.throughHandle(directory, name, "read extended attributes of"));
  }

  close(handle: FileHandle | DirectoryHandle): void {
    if (this.#libc.close(handle) === 0) return;
    // Linux has released the handle even if it was interrupted. Anything else may be the first word of data lost in writing.
    const errno = this.#libc.errno();
    if (errno !== linux.EINTR) throw linux.systemError(errno, "close");
  }

  // --- writing -------------------------------------------------------------------------------

  makeDirectoryAt(directory: DirectoryHandle, name: Uint8Array, mode: number): boolean {
    const action = "make directory";
    return this.#done(this.#libc.mkdirat(directory, this.#name.name(name, action), mode), linux.EEXIST, action, name);
  }

  createFileAt(directory: DirectoryHandle, name: Uint8Array, mode: number): FileHandle {
    const flags = linux.OPEN_FILE | linux.O_RDWR | linux.O_CREAT_EXCL;
    const opened = this.#libc.openat(directory, this.#name.name(name, "create"), flags, mode);
    if (opened < 0) this.#fail("create", name);
    return opened as FileHandle;
  }

  openFileForWritingAt(directory: DirectoryHandle, name: Uint8Array): FileHandle {
    const action = "open for writing";
    // Look before opening: opening a device can move a tape, and opening a FIFO for both directions succeeds.
    return this.#withPath(directory, name, action, (handle, kind) => {
      if (kind === KIND_SYMBOLIC_LINK) throw new FileTreeError("ELOOP", action, textOf(name));
      if (kind !== KIND_FILE) throw new FileTreeError("EINVAL", action, textOf(name));
      const path = this.#otherName.throughHandle(handle);
      const opened = this.#libc.openat(linux.AT_FDCWD, path, linux.OPEN_THROUGH_PROC | linux.O_RDWR, 0);
      if (opened < 0) this.#fail(action, name);
      return opened as FileHandle;
    });
  }

  write(handle: FileHandle, bytes: Uint8Array, position: number): void {
    let done = 0;
    while (done < bytes.length) {
      const rest = done === 0 ? bytes : bytes.subarray(done);
      const count = this.#libc.pwrite(handle, rest, rest.length, position + done);
      if (count >= 0) done += count;
      else this.#failUnlessInterrupted("write");
    }
  }

  setSize(handle: FileHandle, sizeBytes: number): void {
    while (this.#libc.ftruncate(handle, sizeBytes) < 0) this.#failUnlessInterrupted("set size");
  }

  makeLinkAt(fromDirectory: DirectoryHandle, from: Uint8Array, directory: DirectoryHandle, name: Uint8Array): void {
    const action = "make link";
    const existing = this.#name.name(from, action);
    const added = this.#otherName.name(name, action);
    if (this.#libc.linkat(fromDirectory, existing, directory, added, 0) < 0) this.#fail(action, name);
  }

  makeSymbolicLinkAt(directory: DirectoryHandle, name: Uint8Array, target: Uint8Array): void {
    const action = "make symbolic link";
    const terminated = this.#otherName.text(target, action);
    if (this.#libc.symlinkat(terminated, directory, this.#name.name(name, action)) < 0) this.#fail(action, name);
  }

  makeNodeAt(directory: DirectoryHandle, name: Uint8Array, kind: EntryKind, mode: number, major: number, minor: number): void {
    const type = typeOfKind(kind);
    const device = ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
    const made = this.#libc.mknodat(directory, this.#name.name(name, "make node"), (type << 12) | mode, device);
    if (made < 0) this.#fail("make node", name);
  }

  removeAt(directory: DirectoryHandle, name: Uint8Array): boolean {
    return this.#done(this.#libc.unlinkat(directory, this.#name.name(name, "remove"), 0), linux.ENOENT, "remove", name);
  }

  removeDirectoryAt(directory: DirectoryHandle, name: Uint8Array): boolean {
    const action = "remove directory";
    const terminated = this.#name.name(name, action);
    return this.#done(this.#libc.unlinkat(directory, terminated, linux.AT_REMOVEDIR), linux.ENOENT, action, name);
  }

  renameAt(fromDirectory: DirectoryHandle, from: Uint8Array, directory: DirectoryHandle, name: Uint8Array): void {
    const existing = this.#name.name(from, "rename");
    const renamed = this.#otherName.name(name, "rename");
    if (this.#libc.renameat(fromDirectory, existing, directory, renamed) < 0) this.#fail("rename", from);
  }

  setOwner(handle: FileHandle | DirectoryHandle, userId: number, groupId: number): void {
    if (this.#libc.fchown(handle, userId, groupId) < 0) this.#fail("set owner");
  }

  setMode(handle: FileHandle | DirectoryHandle, mode: number): void {
    if (this.#libc.fchmod(handle, mode) < 0) this.#fail("set mode");
  }

  setModifiedTime(handle: FileHandle | DirectoryHandle, seconds: number, nanoseconds: number): void {
    if (this.#libc.futimens(handle, this.#timesFor(seconds, nanoseconds)) < 0) this.#fail("set time");
  }

  setExtendedAttribute(handle: FileHandle | DirectoryHandle, attribute: ExtendedAttribute): void {
    this.#attributes.write(handle, attribute);
  }

  removeExtendedAttribute(handle: FileHandle | DirectoryHandle, name: Uint8Array): void {
    this.#attributes.remove(handle, name);
  }

  setFileFlags(handle: FileHandle | DirectoryHandle, flags: number): void {
    const value = this.#flags;
    const bytes = new Uint8Array(value.buffer);
    value[0] = 0;
    if (this.#libc.ioctl(handle, FS_IOC_GETFLAGS, bytes) < 0) this.#fail("read file flags");
    const before = value[0];
    // Flags that are none of ours (extents, directory index) stay as the file system set them.
    const after = (before & ~CARRIED_FLAGS) | (flags & CARRIED_FLAGS);
    if (after === before) return;
    value[0] = after;
    if (this.#libc.ioctl(handle, FS_IOC_SETFLAGS, bytes) < 0) this.#fail("set file flags");
  }

  setOwnerAt(directory: DirectoryHandle, name: Uint8Array, userId: number, groupId: number): void {
    const terminated = this.#name.name(name, "set owner of");
    const result = this.#libc.fchownat(directory, terminated, userId, groupId, linux.AT_SYMLINK_NOFOLLOW);
    if (result < 0) this.#fail("set owner of", name);
  }

  setModeAt(directory: DirectoryHandle, name: Uint8Array, mode: number): void {
    const action = "set mode of";
    // fchmodat could only follow links until Linux 6.6.
    this.#withPath(directory, name, action, (handle, kind) => {
      if (kind === KIND_SYMBOLIC_LINK) throw linux.systemError(linux.ENOTSUP, action, textOf(name));
      if (this.#libc.chmod(this.#otherName.throughHandle(handle), mode) < 0) this.#fail(action, name);
    });
  }

  setModifiedTimeAt(directory: DirectoryHandle, name: Uint8Array, seconds: number, nanoseconds: number): void {
    const terminated = this.#name.name(name, "set time of");
    const times = this.#timesFor(seconds, nanoseconds);
    if (this.#libc.utimensat(directory, terminated, times, linux.AT_SYMLINK_NOFOLLOW) < 0) this.#fail("set time of", name);
  }

  setExtendedAttributeAt(directory: DirectoryHandle, name: Uint8Array, attribute: ExtendedAttribute): void {
    this.#attributes.write(this.#otherName.throughHandle(directory, name, "set extended attribute of"), attribute);
  }

  // --- below ---------------------------------------------------------------------------------

  /** Opens without touching the access time where that is permitted (to the owner and to root). */
  #openQuietly(directory: number, path: Uint8Array, flags: number): number {
    const libc = this.#libc;
    let quiet = linux.O_NOATIME;
    for (;;) {
      const opened = libc.openat(directory, path, flags | quiet, 0);
      if (opened >= 0) return opened;
      const errno = libc.errno();
      if (errno === linux.EPERM && quiet !== 0) quiet = 0;
      else if (errno !== linux.EINTR) return opened;
    }
  }

  /** Lends an O_PATH handle on the entry itself, whatever it is, with its kind. */
  #withPath<T>(directory: DirectoryHandle, name: Uint8Array, action: string, use: (handle: number, kind: EntryKind) => T): T {
    const handle = this.#libc.openat(directory, this.#name.name(name, action), linux.OPEN_PATH, 0);
    if (handle < 0) this.#fail(action, name);
    try {
      this.statHandle(handle as FileHandle, this.#found);
      return use(handle, this.#found.kind);
    } finally {
      this.#libc.close(handle);
    }
  }

  /** struct timespec[2]: the access time stays as it is. */
  #timesFor(seconds: number, nanoseconds: number): Uint8Array {
    this.#times.setBigInt64(8, BigInt(UTIME_OMIT), true);
    this.#times.setBigInt64(16, BigInt(seconds), true);
    this.#times.setBigInt64(24, BigInt(nanoseconds), true);
    return this.#timesBytes;
  }

  /** True when the call succeeded, false when it failed with `expected`. */
  #done(result: number, expected: number, action: string, name: Uint8Array): boolean {
    if (result >= 0) return true;
    const errno = this.#libc.errno();
    if (errno === expected) return false;
    throw linux.systemError(errno, action, textOf(name));
  }

  #failUnlessInterrupted(action: string): void {
    const errno = this.#libc.errno();
    if (errno !== linux.EINTR) throw linux.systemError(errno, action);
  }

  #fail(action: string, name?: Uint8Array): never {
    throw linux.systemError(this.#libc.errno(), action, name === undefined ? undefined : textOf(name));
  }
}
