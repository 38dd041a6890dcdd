// A tree of files as a backup must see it and a restore must make it: names as raw bytes, every kind of
// entry, nanosecond times, extended attributes, holes. All names are relative to an open directory, so
// nobody can swap a parent for a link between two calls, and no path is ever too long.
//
// Synchronous and meant for worker threads. Handles are small integers; `close` them.

export type DirectoryHandle = number & { readonly directory: unique symbol };
export type FileHandle = number & { readonly file: unique symbol };

/**
 * A failed system call. `code` is the platform's name of the error ("ENOENT", "EACCES", …); what the
 * platform cannot do at all is "ENOTSUP". A name that is not one component ("", ".", "..", or with "/"
 * or a zero byte in it) is "EINVAL" in every call.
 */
export class FileTreeError extends Error {
  override readonly name = "FileTreeError";
  readonly code: string;
  constructor(code: string, action: string, name?: string) {
    super(name === undefined ? `Cannot ${action}: ${code}` : `Cannot ${action} "${name}": ${code}`);
    this.code = code;
  }
}

export const KIND_UNKNOWN = 0;
export const KIND_DIRECTORY = 1;
export const KIND_FILE = 2;
export const KIND_SYMBOLIC_LINK = 3;
export const KIND_FIFO = 4;
export const KIND_CHARACTER_DEVICE = 5;
export const KIND_BLOCK_DEVICE = 6;
export const KIND_SOCKET = 7;
export type EntryKind = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/**
 * The attributes of one entry, refilled by `statAt` and `statHandle` so that a walk allocates nothing.
 * 64-bit values that may exceed 2^53 are given as two 32-bit halves or as bigint where they are rare.
 */
export interface StatBuffer {
  kind: EntryKind;
  /** Permission bits with setuid, setgid and sticky: 0o7777. */
  mode: number;
  userId: number;
  groupId: number;
  linkCount: number;
  sizeBytes: number;
  /** Bytes allocated on disk; less than sizeBytes hints at holes. */
  allocatedBytes: number;
  inodeLow: number;
  inodeHigh: number;
  /** File system the entry lies on, comparable within one walk. */
  deviceMajor: number;
  deviceMinor: number;
  /** For device nodes. */
  nodeMajor: number;
  nodeMinor: number;
  /** Seconds may be negative (before 1970); nanoseconds are 0 … 999,999,999. */
  modifiedSeconds: number;
  modifiedNanoseconds: number;
  changedSeconds: number;
  changedNanoseconds: number;
  hasBirthTime: boolean;
  birthSeconds: number;
  birthNanoseconds: number;
  /** Linux FS_*_FL bits that we carry: immutable 0x10, append-only 0x20, no-dump 0x40, compressed 0x4. */
  fileFlags: number;
}

export function newStatBuffer(): StatBuffer {
  return {
    kind: KIND_UNKNOWN,
    mode: 0,
    userId: 0,
    groupId: 0,
    linkCount: 0,
    sizeBytes: 0,
    allocatedBytes: 0,
    inodeLow: 0,
    inodeHigh: 0,
    deviceMajor: 0,
    deviceMinor: 0,
    nodeMajor: 0,
    nodeMinor: 0,
    modifiedSeconds: 0,
    modifiedNanoseconds: 0,
    changedSeconds: 0,
    changedNanoseconds: 0,
    hasBirthTime: false,
    birthSeconds: 0,
    birthNanoseconds: 0,
    fileFlags: 0,
  };
}

/** The names of one directory in bytewise order, packed so that a million of them stay small. */
export interface DirectoryListing {
  readonly count: number;
  /** A view, without terminator. Copy what must outlive the listing: a view holds the memory of many listings. */
  name(position: number): Uint8Array;
  /** What the directory says of the entry; may be KIND_UNKNOWN. */
  kind(position: number): EntryKind;
}

export interface ExtendedAttribute {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

export interface FileTreeCapabilities {
  /** Names that are not UTF-8 survive. */
  readonly rawNames: boolean;
  readonly extendedAttributes: boolean;
  readonly birthTime: boolean;
  readonly fileFlags: boolean;
  readonly holes: boolean;
  readonly deviceNodes: boolean;
  readonly ownership: boolean;
  readonly nanosecondTimes: boolean;
  /**
   * Every call is relative to an open directory. Without it a restore checks paths by name, which a second
   * process could race ("ESTALE" when the check finds it), and paths beyond the platform's limit fail.
   */
  readonly confinement: boolean;
}

export interface FileTree {
  readonly capabilities: FileTreeCapabilities;

  // --- reading -------------------------------------------------------------------------------
  /** Opens an absolute path of any length. The last component is not followed when it is a link. */
  openDirectory(path: Uint8Array): DirectoryHandle;
  /** One component. Refuses links (ELOOP or ENOTDIR). */
  openDirectoryAt(directory: DirectoryHandle, name: Uint8Array): DirectoryHandle;
  /** All names but "." and "..", sorted bytewise, each once. */
  listDirectory(directory: DirectoryHandle): DirectoryListing;
  /** Attributes without following links; false when the entry does not exist. An empty name means the directory itself. */
  statAt(directory: DirectoryHandle, name: Uint8Array, into: StatBuffer): boolean;
  statHandle(handle: FileHandle | DirectoryHandle, into: StatBuffer): void;
  /** For reading; never follows a link, never blocks on a FIFO, leaves the access time alone where permitted. */
  openFileAt(directory: DirectoryHandle, name: Uint8Array): FileHandle;
  /** Reads at `position` up to `into.length` bytes; fewer only at the end of the file. Returns the count. */
  read(handle: FileHandle, into: Uint8Array, position: number): number;
  /**
   * The next run of data at or after `position`: its start and end, or undefined when only holes follow.
   * Without hole support everything up to `sizeBytes` is data.
   */
  nextData(handle: FileHandle, position: number, sizeBytes: number): { start: number; end: number } | undefined;
  readLinkAt(directory: DirectoryHandle, name: Uint8Array): Uint8Array;
  /** Sorted by name; empty when there are none or the file system has none. ACLs are among them ("system.posix_acl_…"). */
  extendedAttributes(handle: FileHandle | DirectoryHandle): readonly ExtendedAttribute[];
  /** The same for entries that cannot be opened (links, devices). */
  extendedAttributesAt(directory: DirectoryHandle, name: Uint8Array): readonly ExtendedAttribute[];
  close(handle: FileHandle | DirectoryHandle): void;

  // --- writing (restore) ---------------------------------------------------------------------
  /** False when the name exists already. The process's umask takes bits from `mode`; `setMode` does not. */
  makeDirectoryAt(directory: DirectoryHandle, name: Uint8Array, mode: number): boolean;
  /** Creates a file that must not exist (EEXIST), open for reading and writing. */
  createFileAt(directory: DirectoryHandle, name: Uint8Array, mode: number): FileHandle;
  /** Opens an existing regular file for reading and writing; never follows a link (ELOOP), and refuses other kinds (EINVAL). */
  openFileForWritingAt(directory: DirectoryHandle, name: Uint8Array): FileHandle;
  /** Writes all of `bytes` at `position`. */
  write(handle: FileHandle, bytes: Uint8Array, position: number): void;
  /** Sets the size; growing leaves a hole. */
  setSize(handle: FileHandle, sizeBytes: number): void;
  makeLinkAt(fromDirectory: DirectoryHandle, from: Uint8Array, directory: DirectoryHandle, name: Uint8Array): void;
  makeSymbolicLinkAt(directory: DirectoryHandle, name: Uint8Array, target: Uint8Array): void;
  /** FIFOs, sockets and devices. */
  makeNodeAt(directory: DirectoryHandle, name: Uint8Array, kind: EntryKind, mode: number, major: number, minor: number): void;
  /** Removes anything but a directory; false when it does not exist. */
  removeAt(directory: DirectoryHandle, name: Uint8Array): boolean;
  /** Removes an empty directory; false when it does not exist. */
  removeDirectoryAt(directory: DirectoryHandle, name: Uint8Array): boolean;
  renameAt(fromDirectory: DirectoryHandle, from: Uint8Array, directory: DirectoryHandle, name: Uint8Array): void;

  /** On an open file or directory. Owner before mode: a change of owner clears setuid. */
  setOwner(handle: FileHandle | DirectoryHandle, userId: number, groupId: number): void;
  setMode(handle: FileHandle | DirectoryHandle, mode: number): void;
  /** The access time stays. */
  setModifiedTime(handle: FileHandle | DirectoryHandle, seconds: number, nanoseconds: number): void;
  setExtendedAttribute(handle: FileHandle | DirectoryHandle, attribute: ExtendedAttribute): void;
  /** One that is not there is as good as removed. */
  removeExtendedAttribute(handle: FileHandle | DirectoryHandle, name: Uint8Array): void;
  /** Sets and clears those of `StatBuffer.fileFlags`; other flags stay. */
  setFileFlags(handle: FileHandle | DirectoryHandle, flags: number): void;
  /** For entries that cannot be opened; never follow a link. */
  setOwnerAt(directory: DirectoryHandle, name: Uint8Array, userId: number, groupId: number): void;
  /** ENOTSUP for a link, which has no mode of its own. */
  setModeAt(directory: DirectoryHandle, name: Uint8Array, mode: number): void;
  setModifiedTimeAt(directory: DirectoryHandle, name: Uint8Array, seconds: number, nanoseconds: number): void;
  setExtendedAttributeAt(directory: DirectoryHandle, name: Uint8Array, attribute: ExtendedAttribute): void;
}
