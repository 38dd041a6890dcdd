// A tree of other people's files in memory: for simulations that back up and restore without a disk. It keeps what Linux keeps,
// but for holes, flags, and who may do what.

import { textOf } from "../base/bytes.ts";
import type { Clock } from "./clock.ts";
import { checkName, piecesOfPath } from "./entry-names.ts";
import {
  FileTreeError,
  KIND_DIRECTORY,
  KIND_FILE,
  KIND_SYMBOLIC_LINK,
  type DirectoryHandle,
  type DirectoryListing,
  type EntryKind,
  type ExtendedAttribute,
  type FileHandle,
  type FileTree,
  type FileTreeCapabilities,
  type StatBuffer,
} from "./file-tree.ts";
import { GrowingBytes } from "./growing-bytes.ts";
import { ListingBuilder } from "./packed-listing.ts";

interface TreeNode {
  readonly kind: EntryKind;
  readonly inode: number;
  readonly names: Map<string, TreeNode>;
  readonly content: GrowingBytes;
  readonly target: Uint8Array;
  readonly node: { readonly major: number; readonly minor: number };
  readonly attributes: Map<string, Uint8Array>;
  mode: number;
  userId: number;
  groupId: number;
  linkCount: number;
  modified: { readonly seconds: number; readonly nanoseconds: number };
  changedMs: number;
}

type Handle = FileHandle | DirectoryHandle;

// One for all trees: it holds much memory, and a listing is made at one go.
const listingBuilder = new ListingBuilder();

const capabilities: FileTreeCapabilities = Object.freeze({
  rawNames: true,
  extendedAttributes: true,
  birthTime: false,
  fileFlags: false,
  holes: false,
  deviceNodes: true,
  ownership: true,
  nanosecondTimes: true,
  confinement: true,
});

export class SimulatedFileTree implements FileTree {
  readonly capabilities = capabilities;
  readonly #clock: Clock;
  readonly #root: TreeNode;
  readonly #handles = new Map<number, TreeNode>();
  #lastHandle = 2;
  #lastInode = 1;

  /** Modification times are those of the clock until they are set. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#root = this.#newNode(KIND_DIRECTORY, 0o755);
  }

  /** Handles that nobody has closed. */
  get openHandles(): number {
    return this.#handles.size;
  }

  // --- reading -------------------------------------------------------------------------------

  openDirectory(path: Uint8Array): DirectoryHandle {
    piecesOfPath(path);
    let node = this.#root;
    for (const part of Buffer.from(path).toString("latin1").split("/")) {
      if (part === "" || part === ".") continue;
      const next = node.names.get(part);
      if (next === undefined) throw new FileTreeError("ENOENT", "open directory", textOf(path));
      if (next.kind !== KIND_DIRECTORY) throw new FileTreeError("ENOTDIR", "open directory", textOf(path));
      node = next;
    }
    return this.#open(node) as DirectoryHandle;
  }

  openDirectoryAt(directory: DirectoryHandle, name: Uint8Array): DirectoryHandle {
    const node = this.#existing("open directory", directory, name);
    if (node.kind !== KIND_DIRECTORY) throw new FileTreeError("ENOTDIR", "open directory", textOf(name));
    return this.#open(node) as DirectoryHandle;
  }

  listDirectory(directory: DirectoryHandle): DirectoryListing {
    listingBuilder.begin();
    for (const [name, { kind }] of this.#at(directory).names) listingBuilder.add(bytesOf(name), kind);
    return listingBuilder.finish();
  }

  statAt(directory: DirectoryHandle, name: Uint8Array, into: StatBuffer): boolean {
    const node = name.length === 0 ? this.#at(directory) : this.#lookUp("read attributes of", directory, name);
    if (node !== undefined) fill(node, into);
    return node !== undefined;
  }

  statHandle(handle: Handle, into: StatBuffer): void {
    fill(this.#at(handle), into);
  }

  openFileAt(directory: DirectoryHandle, name: Uint8Array): FileHandle {
    const node = this.#existing("open", directory, name);
    if (node.kind === KIND_SYMBOLIC_LINK) throw new FileTreeError("ELOOP", "open", textOf(name));
    return this.#open(node) as FileHandle;
  }

  read(handle: FileHandle, into: Uint8Array, position: number): number {
    const { kind, content } = this.#at(handle);
    if (kind === KIND_DIRECTORY) throw new FileTreeError("EISDIR", "read");
    const part = content.view().subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }

  nextData(_handle: FileHandle, position: number, sizeBytes: number): { start: number; end: number } | undefined {
    return position < sizeBytes ? { start: position, end: sizeBytes } : undefined;
  }

  readLinkAt(directory: DirectoryHandle, name: Uint8Array): Uint8Array {
    const { kind, target } = this.#existing("read link", directory, name);
    if (kind !== KIND_SYMBOLIC_LINK) throw new FileTreeError("EINVAL", "read link", textOf(name));
    return target;
  }

  extendedAttributes(handle: Handle): readonly ExtendedAttribute[] {
    return attributesOf(this.#at(handle));
  }

  extendedAttributesAt(directory: DirectoryHandle, name: Uint8Array): readonly ExtendedAttribute[] {
    return attributesOf(this.#existing("read extended attributes of", directory, name));
  }

  close(handle: Handle): void {
    if (!this.#handles.delete(handle)) throw new FileTreeError("EBADF", "close");
  }

  // --- writing -------------------------------------------------------------------------------

  makeDirectoryAt(directory: DirectoryHandle, name: Uint8Array, mode: number): boolean {
    if (this.#lookUp("make directory", directory, name) !== undefined) return false;
    this.#name(directory, name, this.#newNode(KIND_DIRECTORY, mode));
    return true;
  }

  createFileAt(directory: DirectoryHandle, name: Uint8Array, mode: number): FileHandle {
    const node = this.#newNode(KIND_FILE, mode);
    this.#nameNew("create", directory, name, node);
    return this.#open(node) as FileHandle;
  }

  openFileForWritingAt(directory: DirectoryHandle, name: Uint8Array): FileHandle {
    const node = this.#existing("open for writing", directory, name);
    if (node.kind === KIND_SYMBOLIC_LINK) throw new FileTreeError("ELOOP", "open for writing", textOf(name));
    if (node.kind !== KIND_FILE) throw new FileTreeError("EINVAL", "open for writing", textOf(name));
    return this.#open(node) as FileHandle;
  }

  write(handle: FileHandle, bytes: Uint8Array, position: number): void {
    const node = this.#at(handle);
    node.content.write(bytes, position);
    this.#touch(node);
  }

  setSize(handle: FileHandle, sizeBytes: number): void {
    const node = this.#at(handle);
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(node.content.view().subarray(0, sizeBytes));
    node.content.become(bytes);
    this.#touch(node);
  }

  makeLinkAt(fromDirectory: DirectoryHandle, from: Uint8Array, directory: DirectoryHandle, name: Uint8Array): void {
    const node = this.#existing("make link", fromDirectory, from);
    if (node.kind === KIND_DIRECTORY) throw new FileTreeError("EPERM", "make link", textOf(name));
    this.#nameNew("make link", directory, name, node);
    node.linkCount += 1;
    node.changedMs = this.#clock.now();
  }

  makeSymbolicLinkAt(directory: DirectoryHandle, name: Uint8Array, target: Uint8Array): void {
    this.#nameNew("make symbolic link", directory, name, this.#newNode(KIND_SYMBOLIC_LINK, 0o777, { target: target.slice() }));
  }

  makeNodeAt(directory: DirectoryHandle, name: Uint8Array, kind: EntryKind, mode: number, major: number, minor: number): void {
    this.#nameNew("make node", directory, name, this.#newNode(kind, mode, { node: { major, minor } }));
  }

  removeAt(directory: DirectoryHandle, name: Uint8Array): boolean {
    const node = this.#lookUp("remove", directory, name);
    if (node === undefined) return false;
    if (node.kind === KIND_DIRECTORY) throw new FileTreeError("EISDIR", "remove", textOf(name));
    this.#unname(directory, name, node);
    return true;
  }

  removeDirectoryAt(directory: DirectoryHandle, name: Uint8Array): boolean {
    const node = this.#lookUp("remove directory", directory, name);
    if (node === undefined) return false;
    if (node.kind !== KIND_DIRECTORY) throw new FileTreeError("ENOTDIR", "remove directory", textOf(name));
    if (node.names.size > 0) throw new FileTreeError("ENOTEMPTY", "remove directory", textOf(name));
    this.#unname(directory, name, node);
    return true;
  }

  renameAt(fromDirectory: DirectoryHandle, from: Uint8Array, directory: DirectoryHandle, name: Uint8Array): void {
    const node = this.#existing("rename", fromDirectory, from);
    const replaced = this.#lookUp("rename", directory, name);
    if (replaced === node) return;
    if (replaced?.kind === KIND_DIRECTORY && node.kind !== KIND_DIRECTORY)
      throw new FileTreeError("EISDIR", "rename", textOf(from));
    if (replaced !== undefined && replaced.names.size > 0) throw new FileTreeError("ENOTEMPTY", "rename", textOf(from));
    if (replaced !== undefined) this.#unname(directory, name, replaced);
    this.#name(directory, name, node);
    this.#at(fromDirectory).names.delete(keyOf(from));
    this.#touch(this.#at(fromDirectory));
  }

  setOwner(handle: Handle, userId: number, groupId: number): void {
    this.#change(this.#at(handle), { userId, groupId });
  }

  setMode(handle: Handle, mode: number): void {
    this.#change(this.#at(handle), { mode });
  }

  setModifiedTime(handle: Handle, seconds: number, nanoseconds: number): void {
    this.#change(this.#at(handle), { modified: { seconds, nanoseconds } });
  }

  setExtendedAttribute(handle: Handle, { name, value }: ExtendedAttribute): void {
    this.#at(handle).attributes.set(keyOf(name), value.slice());
  }

  removeExtendedAttribute(handle: Handle, name: Uint8Array): void {
    this.#at(handle).attributes.delete(keyOf(name));
  }

  setFileFlags(_handle: Handle, flags: number): void {
    if (flags !== 0) throw new FileTreeError("ENOTSUP", "set file flags");
  }

  setOwnerAt(directory: DirectoryHandle, name: Uint8Array, userId: number, groupId: number): void {
    this.#change(this.#existing("set owner of", directory, name), { userId, groupId });
  }

  setModeAt(directory: DirectoryHandle, name: Uint8Array, mode: number): void {
    const node = this.#existing("set mode of", directory, name);
    if (node.kind === KIND_SYMBOLIC_LINK) throw new FileTreeError("ENOTSUP", "set mode of", textOf(name));
    this.#change(node, { mode });
  }

  setModifiedTimeAt(directory: DirectoryHandle, name: Uint8Array, seconds: number, nanoseconds: number): void {
    this.#change(this.#existing("set time of", directory, name), { modified: { seconds, nanoseconds } });
  }

  setExtendedAttributeAt(directory: DirectoryHandle, name: Uint8Array, attribute: ExtendedAttribute): void {
    this.#existing("set extended attribute of", directory, name).attributes.set(keyOf(attribute.name), attribute.value.slice());
  }

  // --- below ---------------------------------------------------------------------------------

  #newNode(kind: EntryKind, mode: number, more: Partial<Pick<TreeNode, "target" | "node">> = {}): TreeNode {
    const changedMs = this.#clock.now();
    return {
      kind,
      inode: this.#lastInode++,
      names: new Map(),
      content: new GrowingBytes(new Uint8Array(0)),
      target: new Uint8Array(0),
      node: { major: 0, minor: 0 },
      attributes: new Map(),
      mode: mode & 0o7777,
      userId: 0,
      groupId: 0,
      linkCount: 1,
      modified: timeOf(changedMs),
      changedMs,
      ...more,
    };
  }

  #open(node: TreeNode): number {
    this.#lastHandle += 1;
    this.#handles.set(this.#lastHandle, node);
    return this.#lastHandle;
  }

  #at(handle: number): TreeNode {
    const node = this.#handles.get(handle);
    if (node === undefined) throw new FileTreeError("EBADF", "use a handle");
    return node;
  }

  #lookUp(action: string, directory: DirectoryHandle, name: Uint8Array): TreeNode | undefined {
    checkName(name, action);
    return this.#at(directory).names.get(keyOf(name));
  }

  #existing(action: string, directory: DirectoryHandle, name: Uint8Array): TreeNode {
    const node = this.#lookUp(action, directory, name);
    if (node === undefined) throw new FileTreeError("ENOENT", action, textOf(name));
    return node;
  }

  #nameNew(action: string, directory: DirectoryHandle, name: Uint8Array, node: TreeNode): void {
    if (this.#lookUp(action, directory, name) !== undefined) throw new FileTreeError("EEXIST", action, textOf(name));
    this.#name(directory, name, node);
  }

  #name(directory: DirectoryHandle, name: Uint8Array, node: TreeNode): void {
    this.#at(directory).names.set(keyOf(name), node);
    this.#touch(this.#at(directory));
  }

  #unname(directory: DirectoryHandle, name: Uint8Array, node: TreeNode): void {
    this.#at(directory).names.delete(keyOf(name));
    node.linkCount -= 1;
    this.#touch(this.#at(directory));
  }

  #touch(node: TreeNode): void {
    node.changedMs = this.#clock.now();
    node.modified = timeOf(node.changedMs);
  }

  #change(node: TreeNode, change: Partial<Pick<TreeNode, "mode" | "userId" | "groupId" | "modified">>): void {
    Object.assign(node, change);
    node.changedMs = this.#clock.now();
  }
}

function keyOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString("latin1");
}

function bytesOf(name: string): Uint8Array {
  return Buffer.from(name, "latin1");
}

function timeOf(ms: number): TreeNode["modified"] {
  return { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1_000_000 };
}

function attributesOf(node: TreeNode): readonly ExtendedAttribute[] {
  return [...node.attributes].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => ({ name: bytesOf(name), value }));
}

function fill(node: TreeNode, into: StatBuffer): void {
  const changed = timeOf(node.changedMs);
  Object.assign(into, {
    kind: node.kind,
    mode: node.mode,
    userId: node.userId,
    groupId: node.groupId,
    linkCount: node.linkCount,
    sizeBytes: node.kind === KIND_SYMBOLIC_LINK ? node.target.length : node.content.length,
    allocatedBytes: node.content.length,
    inodeLow: node.inode,
    inodeHigh: 0,
    deviceMajor: 1,
    deviceMinor: 1,
    nodeMajor: node.node.major,
    nodeMinor: node.node.minor,
    modifiedSeconds: node.modified.seconds,
    modifiedNanoseconds: node.modified.nanoseconds,
    changedSeconds: changed.seconds,
    changedNanoseconds: changed.nanoseconds,
    hasBirthTime: false,
    birthSeconds: 0,
    birthNanoseconds: 0,
    fileFlags: 0,
  } satisfies StatBuffer);
}
