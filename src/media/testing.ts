// Disks for tests: one that loses what was not made durable, and one whose Nth call fails.

import { HoldfastError } from "../base/errors.ts";
import type { FileInformation, Files, OpenFile } from "../platform/files.ts";

/** What the power failure leaves of changes that were not synced. */
export type Survival = "nothing" | "names" | "everything";

interface Node {
  bytes: Uint8Array;
  durable: Uint8Array;
}

interface Directory {
  names: Map<string, Node | Directory>;
  durable: Map<string, Node | Directory>;
}

export interface DiskFault {
  /** The call with this number fails, counting from 1 those that change something. */
  readonly atCall: number;
  /** "once": that call alone, as an input/output error. "for good": every later call too, as when the power goes. */
  readonly kind: "once" | "for good";
}

/** The power went, or a call failed: what a test expects to catch. */
export class SimulatedFailure extends HoldfastError {
  constructor(call: number, what: string) {
    super("REPOSITORY_WRITE_FAILED", { message: `Simulated failure of call ${call}: ${what}` });
  }
}

/**
 * A disk in memory. File content is durable after a sync of the file, names after a sync of their directory; making a
 * directory makes its own name durable, as Files promises.
 */
export class SimulatedDisk implements Files {
  readonly #root: Directory;
  readonly #fault: DiskFault | undefined;
  #calls = 0;

  constructor(options: { readonly fault?: DiskFault; readonly root?: Directory } = {}) {
    this.#fault = options.fault;
    this.#root = options.root ?? { names: new Map(), durable: new Map() };
  }

  get calls(): number {
    return this.#calls;
  }

  /** True when the fault has happened. */
  get failed(): boolean {
    return this.#fault !== undefined && this.#calls >= this.#fault.atCall;
  }

  /** The disk as the next start of the machine finds it. This one stays as it is. */
  afterPowerLoss(survival: Survival, fault?: DiskFault): SimulatedDisk {
    const root = survivorOf(this.#root, survival);
    return new SimulatedDisk(fault === undefined ? { root } : { root, fault });
  }

  /** All paths with their bytes, for comparing. */
  contents(): ReadonlyMap<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    const visit = (directory: Directory, path: string): void => {
      for (const [name, node] of directory.names) {
        if (isDirectory(node)) visit(node, `${path}/${name}`);
        else found.set(`${path}/${name}`, node.bytes);
      }
    };
    visit(this.#root, "");
    return found;
  }

  /** Overwrites bytes behind everyone's back. */
  tamper(path: string, change: (bytes: Uint8Array) => Uint8Array): void {
    const node = this.#find(path);
    if (node === undefined || isDirectory(node)) throw new Error(`No such file: ${path}`);
    node.bytes = change(node.bytes.slice());
    node.durable = node.bytes;
  }

  open(path: string): OpenFile | undefined {
    const node = this.#find(path);
    return node === undefined || isDirectory(node) ? undefined : this.#handle(node, path);
  }

  create(path: string): OpenFile {
    this.#change(`create ${path}`);
    const { directory, name } = this.#parent(path);
    if (directory.names.has(name)) throw writeFailed(`create ${path}: EEXIST`);
    const node: Node = { bytes: new Uint8Array(0), durable: new Uint8Array(0) };
    directory.names.set(name, node);
    return this.#handle(node, path);
  }

  read(path: string, limitBytes: number): Uint8Array | undefined {
    const node = this.#find(path);
    if (node === undefined || isDirectory(node)) return undefined;
    if (node.bytes.length > limitBytes) throw new HoldfastError("FORMAT_INVALID", { message: `${path} is too large` });
    return node.bytes.slice();
  }

  information(path: string): FileInformation | undefined {
    const node = this.#find(path);
    if (node === undefined) return undefined;
    if (isDirectory(node)) return { kind: "directory", sizeBytes: 0, modifiedMs: 0 };
    return { kind: "file", sizeBytes: node.bytes.length, modifiedMs: 0 };
  }

  list(path: string): readonly string[] | undefined {
    const node = this.#find(path);
    return node !== undefined && isDirectory(node) ? [...node.names.keys()] : undefined;
  }

  makeDirectory(path: string): void {
    if (this.#find(path) !== undefined) return;
    const slash = path.lastIndexOf("/");
    if (slash > 0) this.makeDirectory(path.slice(0, slash));
    this.#change(`make directory ${path}`);
    const { directory, name } = this.#parent(path);
    const made: Directory = { names: new Map(), durable: new Map() };
    directory.names.set(name, made);
    directory.durable.set(name, made);
  }

  rename(from: string, to: string): void {
    this.#change(`rename ${from} to ${to}`);
    const source = this.#parent(from);
    const node = source.directory.names.get(source.name);
    if (node === undefined) throw writeFailed(`rename ${from}: ENOENT`);
    const target = this.#parent(to);
    source.directory.names.delete(source.name);
    target.directory.names.set(target.name, node);
  }

  link(from: string, to: string): boolean {
    this.#change(`link ${from} to ${to}`);
    const node = this.#find(from);
    if (node === undefined) throw writeFailed(`link ${from}: ENOENT`);
    const { directory, name } = this.#parent(to);
    if (directory.names.has(name)) return false;
    directory.names.set(name, node);
    return true;
  }

  remove(path: string): boolean {
    this.#change(`remove ${path}`);
    const node = this.#find(path);
    if (node === undefined || isDirectory(node)) return false;
    const { directory, name } = this.#parent(path);
    return directory.names.delete(name);
  }

  removeEmptyDirectory(path: string): boolean {
    this.#change(`remove directory ${path}`);
    const node = this.#find(path);
    if (node === undefined || !isDirectory(node) || node.names.size > 0) return false;
    const { directory, name } = this.#parent(path);
    return directory.names.delete(name);
  }

  syncDirectory(path: string): void {
    this.#change(`sync directory ${path}`);
    const node = this.#find(path);
    if (node === undefined || !isDirectory(node)) throw writeFailed(`sync ${path}: ENOENT`);
    node.durable = new Map(node.names);
  }

  #handle(node: Node, path: string): OpenFile {
    const sync = (): void => {
      this.#change(`sync ${path}`);
      node.durable = node.bytes;
    };
    return {
      read: (into, position) => {
        const part = node.bytes.subarray(position, position + into.length);
        into.set(part);
        return part.length;
      },
      write: (bytes, position) => {
        this.#change(`write ${path}`);
        const grown = new Uint8Array(Math.max(node.bytes.length, position + bytes.length));
        grown.set(node.bytes);
        grown.set(bytes, position);
        node.bytes = grown;
      },
      sizeBytes: () => node.bytes.length,
      sync: async () => sync(),
      syncNow: sync,
      close: () => {},
    };
  }

  #change(what: string): void {
    this.#calls += 1;
    const fault = this.#fault;
    if (fault === undefined || this.#calls < fault.atCall) return;
    if (fault.kind === "for good" || this.#calls === fault.atCall) throw new SimulatedFailure(this.#calls, what);
  }

  #find(path: string): Node | Directory | undefined {
    let node: Node | Directory | undefined = this.#root;
    for (const part of path.split("/").filter((name) => name !== "")) {
      if (node === undefined || !isDirectory(node)) return undefined;
      node = node.names.get(part);
    }
    return node;
  }

  #parent(path: string): { directory: Directory; name: string } {
    const slash = path.lastIndexOf("/");
    const directory = this.#find(path.slice(0, slash));
    if (directory === undefined || !isDirectory(directory)) throw writeFailed(`${path}: its directory is missing`);
    return { directory, name: path.slice(slash + 1) };
  }
}

function isDirectory(node: Node | Directory): node is Directory {
  return "names" in node;
}

function survivorOf(directory: Directory, survival: Survival): Directory {
  const names = new Map<string, Node | Directory>();
  for (const [name, node] of survival === "nothing" ? directory.durable : directory.names) {
    if (isDirectory(node)) {
      names.set(name, survivorOf(node, survival));
    } else {
      const bytes = survival === "everything" ? node.bytes : node.durable;
      names.set(name, { bytes, durable: bytes });
    }
  }
  return { names, durable: new Map(names) };
}

function writeFailed(what: string): HoldfastError {
  return new HoldfastError("REPOSITORY_WRITE_FAILED", { message: `Cannot ${what}` });
}
