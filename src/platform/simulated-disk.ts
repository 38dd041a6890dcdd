// What a simulated disk holds: for every file the bytes that reads see and those that are sure to survive a power failure,
// for every name the values it may have after one. Copies share what they have in common until one of them changes, so that a
// picture of the whole disk after every call costs next to nothing.
//
// The rules, harsher than any one file system:
// - Bytes and size of a file are sure after a sync of the file, names after a sync of their directory. Neither brings the other.
// - Until then a name may have any value that it had since the last sync, each name by itself: later changes may survive earlier ones.
// - A rename is atomic: the old name never goes without the new one. Until the old directory is synced, both may be there.

import { assert } from "../base/assert.ts";
import { GrowingBytes } from "./growing-bytes.ts";

export interface FileNode {
  readonly kind: "file";
  readonly owner: object;
  readonly content: GrowingBytes;
  /** What survives for sure. */
  durable: Uint8Array;
  /** After a failed sync the system takes the bytes for stored: later syncs succeed and store nothing of this file. */
  forgotten: boolean;
  modifiedMs: number;
}

/** One value that a name has had since its directory was synced; undefined: there was no such name. */
export interface NameVersion {
  readonly serial: number;
  readonly node: number | undefined;
  /** The version of another name without which this one cannot survive: the new name of a rename. */
  readonly needs: { readonly directory: number; readonly name: string; readonly serial: number } | undefined;
}

export interface DirectoryNode {
  readonly kind: "directory";
  readonly owner: object;
  readonly names: Map<string, number>;
  readonly durable: Map<string, number>;
  /** Oldest first, only of names that have changed since the last sync. */
  readonly versions: Map<string, readonly NameVersion[]>;
}

export type DiskNode = FileNode | DirectoryNode;

export const ROOT = 1;

/** Where a name is, or would be. */
export interface Place {
  readonly directory: number;
  readonly name: string;
  /** What bears the name. */
  readonly node: number | undefined;
}

export class SimulatedDisk {
  #nodes: Map<number, DiskNode>;
  /** Nodes with another owner are shared with a copy and are cloned before they change. */
  #owner: object = {};
  #lastNode: number;
  #serial = 0;

  constructor(nodes?: Map<number, DiskNode>) {
    this.#nodes = nodes ?? new Map([[ROOT, emptyDirectory(this.#owner)]]);
    this.#lastNode = Math.max(...this.#nodes.keys());
  }

  /** The same disk, which may go another way from here. */
  copy(): SimulatedDisk {
    const copy = new SimulatedDisk(new Map(this.#nodes));
    copy.#lastNode = this.#lastNode;
    copy.#serial = this.#serial;
    this.#owner = {};
    return copy;
  }

  // --- looking -----------------------------------------------------------------------------------

  node(number: number): DiskNode {
    const node = this.#nodes.get(number);
    assert(node !== undefined, "a name leads to a node");
    return node;
  }

  /** "missing" where a parent is not there or is no directory. */
  find(path: string): Place | "missing" {
    const parts = path.split("/").filter((part) => part !== "");
    const last = parts.pop();
    if (last === undefined) return { directory: ROOT, name: ".", node: ROOT };
    let directory = ROOT;
    for (const part of parts) {
      const node = this.node(directory);
      const next = node.kind === "directory" ? node.names.get(part) : undefined;
      if (next === undefined) return "missing";
      directory = next;
    }
    const parent = this.node(directory);
    if (parent.kind !== "directory") return "missing";
    return { directory, name: last, node: parent.names.get(last) };
  }

  at(path: string): DiskNode | undefined {
    const place = this.find(path);
    return place === "missing" || place.node === undefined ? undefined : this.node(place.node);
  }

  /** Bytes of all files that have a name, each once. */
  usedBytes(): number {
    const sizes = new Map<number, number>();
    this.visit((node, _, number) => void (node.kind === "file" && sizes.set(number, node.content.length)));
    return [...sizes.values()].reduce((sum, size) => sum + size, 0);
  }

  /** All files by path. */
  contents(): Map<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    this.visit((node, path) => void (node.kind === "file" && found.set(path, node.content.view())));
    return found;
  }

  /** Everything that has a name, a directory before what is in it. */
  visit(look: (node: DiskNode, path: string, number: number) => void, number = ROOT, path = ""): void {
    const node = this.node(number);
    look(node, path, number);
    if (node.kind === "file") return;
    for (const [name, below] of node.names) this.visit(look, below, `${path}/${name}`);
  }

  // --- changing ----------------------------------------------------------------------------------

  addFile(place: Place, modifiedMs: number): number {
    const nothing = new Uint8Array(0);
    const content = new GrowingBytes(nothing);
    const number = this.#add({ kind: "file", owner: this.#owner, content, durable: nothing, forgotten: false, modifiedMs });
    this.setName(place, number);
    return number;
  }

  addDirectory(place: Place): void {
    this.setName(place, this.#add(emptyDirectory(this.#owner)));
  }

  /** Gives a name a new value; `needs` as in NameVersion. */
  setName({ directory, name }: Place, node: number | undefined, needs?: NameVersion["needs"]): NonNullable<NameVersion["needs"]> {
    const changed = this.#changeDirectory(directory);
    const serial = ++this.#serial;
    changed.versions.set(name, [...(changed.versions.get(name) ?? []), { serial, node, needs }]);
    set(changed.names, name, node);
    return { directory, name, serial };
  }

  rename(from: Place, to: Place): void {
    const added = this.setName(to, from.node);
    this.setName(from, undefined, added);
  }

  changeFile(number: number): FileNode {
    const node = this.node(number);
    assert(node.kind === "file", "a file is written to");
    if (node.owner === this.#owner) return node;
    const changed: FileNode = { ...node, owner: this.#owner, content: node.content.copy() };
    this.#nodes.set(number, changed);
    return changed;
  }

  syncFile(number: number): void {
    const node = this.node(number);
    assert(node.kind === "file", "a file is synced");
    if (node.forgotten || node.durable === node.content.view()) return;
    const changed = this.changeFile(number);
    changed.durable = changed.content.view();
  }

  syncDirectory(number: number): void {
    const directory = this.#changeDirectory(number);
    const synced = [...directory.versions];
    directory.versions.clear();
    for (const [name, versions] of synced) {
      const last = versions.at(-1);
      assert(last !== undefined, "a name that has changed has versions");
      set(directory.durable, name, last.node);
      for (const { needs } of versions) if (needs !== undefined) this.#settle(needs);
    }
  }

  /** Makes one version of a name durable, and with it those before. */
  #settle({ directory, name, serial }: NonNullable<NameVersion["needs"]>): void {
    const versions = (this.#nodes.get(directory) as DirectoryNode | undefined)?.versions.get(name) ?? [];
    const passed = versions.filter((version) => version.serial <= serial);
    const settled = passed.at(-1);
    if (settled === undefined) return;
    const changed = this.#changeDirectory(directory);
    set(changed.durable, name, settled.node);
    const rest = versions.filter((version) => version.serial > serial);
    if (rest.length > 0) changed.versions.set(name, rest);
    else changed.versions.delete(name);
    for (const { needs } of passed) if (needs !== undefined) this.#settle(needs);
  }

  #add(node: DiskNode): number {
    this.#lastNode += 1;
    this.#nodes.set(this.#lastNode, node);
    return this.#lastNode;
  }

  #changeDirectory(number: number): DirectoryNode {
    const node = this.node(number);
    assert(node.kind === "directory", "names are in directories");
    if (node.owner === this.#owner) return node;
    const { kind, names, durable, versions } = node;
    const changed = { kind, owner: this.#owner, names: new Map(names), durable: new Map(durable), versions: new Map(versions) };
    this.#nodes.set(number, changed);
    return changed;
  }
}

function emptyDirectory(owner: object): DirectoryNode {
  return { kind: "directory", owner, names: new Map(), durable: new Map(), versions: new Map() };
}

function set(names: Map<string, number>, name: string, node: number | undefined): void {
  if (node === undefined) names.delete(name);
  else names.set(name, node);
}
