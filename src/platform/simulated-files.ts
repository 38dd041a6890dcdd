// Files on a simulated disk: for tests of what happens when the power goes or a call fails. The rules of the disk are in
// simulated-disk.ts, what a power failure may leave in crash-states.ts. Every call that changes something has a number, from 1;
// faults and crash states are named by it.

import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { crashStates, survivorOf } from "./crash-states.ts";
import { fingerprintOf } from "./disk-fingerprint.ts";
import type { CrashState, CrashStatesOptions, Survival } from "./crash-states.ts";
import type { FileInformation, Files, OpenFile } from "./files.ts";
import { SimulatedDisk } from "./simulated-disk.ts";
import type { DiskNode, Place } from "./simulated-disk.ts";
import { SimulatedFile, failure } from "./simulated-file.ts";

export type { CrashState, Survival } from "./crash-states.ts";

export interface DiskFault {
  /** The call with this number fails, counting from 1. */
  readonly atCall: number;
  /** "for good": every later call too, as when the power goes or the disk is full. */
  readonly kind: "once" | "for good";
  /** EIO unless given. */
  readonly error?: "EIO" | "ENOSPC";
  /** Which calls are counted and fail: those that change something, unless "reads". */
  readonly of?: "changes" | "reads";
}

export interface SimulatedFilesOptions {
  readonly fault?: DiskFault;
  /** A write beyond it stores what fits and then fails with ENOSPC. */
  readonly capacityBytes?: number;
  /**
   * The system takes at most so many bytes at once: a write is several calls then, each of which may be the one that fails. That a
   * write goes on after a short one is hidden by Files; NodeFile does it, and its own tests show it.
   */
  readonly shortWriteBytes?: number;
  /** A disk that lies: syncs by these calls succeed and make nothing durable. */
  readonly losesSync?: (call: number) => boolean;
  /** Keeps a picture of the disk after every call, for `crashStates`. */
  readonly record?: boolean;
  /** Hears the path of every file that is opened for reading. */
  readonly onOpen?: (path: string) => void;
  readonly disk?: SimulatedDisk;
}

export class SimulatedFiles implements Files {
  readonly #options: SimulatedFilesOptions;
  readonly #disk: SimulatedDisk;
  /** What each call was, and the disk after it; the first stands for the disk before any. */
  readonly #record: { readonly what: string; readonly disk: SimulatedDisk }[] = [];
  #changes = 0;
  #reads = 0;

  constructor(options: SimulatedFilesOptions = {}) {
    this.#options = options;
    this.#disk = options.disk ?? new SimulatedDisk();
    if (options.record === true) this.#record.push({ what: "nothing", disk: this.#disk.copy() });
  }

  /** How many calls have changed something, or tried to. */
  get calls(): number {
    return this.#changes;
  }

  /** True when the fault has happened. */
  get failed(): boolean {
    const { fault } = this.#options;
    return fault !== undefined && (fault.of === "reads" ? this.#reads : this.#changes) >= fault.atCall;
  }

  /** The disk as it is now, to go on with from here. These files stay as they are. */
  copy(options: Omit<SimulatedFilesOptions, "disk"> = {}): SimulatedFiles {
    return new SimulatedFiles({ ...options, disk: this.#disk.copy() });
  }

  /** The disk as the next start of the machine finds it. These files stay as they are. */
  afterPowerLoss(survival: Survival, fault?: DiskFault): SimulatedFiles {
    return new SimulatedFiles({ disk: survivorOf(this.#disk, survival), ...(fault === undefined ? {} : { fault }) });
  }

  /** What the power may leave when it goes after call `call`; 0 is before the first. Needs `record`. */
  crashStates(call: number, options: CrashStatesOptions): Generator<CrashState> {
    return crashStates(this.#recorded(call).disk, options);
  }

  /** What call `call` was, for people. Needs `record`. */
  callAt(call: number): string {
    return this.#recorded(call).what;
  }

  #recorded(call: number): { readonly what: string; readonly disk: SimulatedDisk } {
    const recorded = this.#record[call];
    assert(recorded !== undefined, "a call is looked at that was recorded");
    return recorded;
  }

  /** The same for disks that hold the same, as far as `counts` lets a path count. */
  fingerprint(counts: (path: string) => boolean = () => true): string {
    return fingerprintOf(this.#disk, counts);
  }

  /** All paths with their bytes, for comparing. */
  contents(): ReadonlyMap<string, Uint8Array> {
    return this.#disk.contents();
  }

  /** Overwrites a file behind everyone's back, durably. */
  tamper(path: string, change: (bytes: Uint8Array) => Uint8Array): void {
    const place = this.#disk.find(path);
    if (place === "missing" || place.node === undefined || this.#disk.node(place.node).kind !== "file") {
      throw new Error(`No such file: ${path}`);
    }
    const file = this.#disk.changeFile(place.node);
    file.content.become(change(file.content.view().slice()));
    file.durable = file.content.view();
  }

  // --- Files -------------------------------------------------------------------------------------

  open(path: string): OpenFile | undefined {
    this.#look("open", path);
    this.#options.onOpen?.(path);
    const place = this.#disk.find(path);
    if (place === "missing" || place.node === undefined) return undefined;
    if (this.#disk.node(place.node).kind === "directory") throw failure("read", "open", path, "EISDIR");
    return this.#opened(path, place.node, false);
  }

  create(path: string): OpenFile {
    return this.#change("create", path, () => {
      const place = this.#place("create", path);
      if (place.node !== undefined) throw failure("write", "create", path, "EEXIST");
      return this.#opened(path, this.#disk.addFile(place, this.#timeMs()), true);
    });
  }

  read(path: string, limitBytes: number): Uint8Array | undefined {
    const file = this.open(path);
    if (file === undefined) return undefined;
    const sizeBytes = file.sizeBytes();
    if (sizeBytes > limitBytes) {
      throw new HoldfastError("FORMAT_INVALID", {
        message: `Cannot read ${path}: it has ${sizeBytes} bytes, expected at most ${limitBytes}`,
        context: { path, sizeBytes, limitBytes },
      });
    }
    const bytes = new Uint8Array(sizeBytes);
    file.read(bytes, 0);
    file.close();
    return bytes;
  }

  information(path: string): FileInformation | undefined {
    this.#look("look at", path);
    const node = this.#disk.at(path);
    if (node === undefined) return undefined;
    if (node.kind === "directory") return { kind: "directory", sizeBytes: 0, modifiedMs: START_MS };
    return { kind: "file", sizeBytes: node.content.length, modifiedMs: node.modifiedMs };
  }

  list(directory: string): readonly string[] | undefined {
    this.#look("list", directory);
    const node = this.#disk.at(directory);
    if (node?.kind === "file") throw failure("read", "list", directory, "ENOTDIR");
    return node === undefined ? undefined : [...node.names.keys()];
  }

  makeDirectory(directory: string): void {
    const node = this.#disk.at(directory);
    if (node?.kind === "directory") return;
    const parent = parentOf(directory);
    if (node === undefined && parent !== directory && this.#disk.at(parent) === undefined) this.makeDirectory(parent);
    this.#change("make directory", directory, () => {
      const place = this.#place("make directory", directory);
      if (place.node !== undefined) throw failure("write", "make directory", directory, "EEXIST");
      this.#disk.addDirectory(place);
    });
    this.syncDirectory(parent);
  }

  rename(from: string, to: string): void {
    this.#change("rename", `${from} to ${to}`, () => {
      const source = this.#existing("rename", from);
      const target = this.#place("rename", to);
      const isSame = target.node === source.node;
      if (!isSame && target.node !== undefined && this.#disk.node(target.node).kind === "directory") {
        throw failure("write", "rename", from, "EISDIR");
      }
      // Two names of one file stay as they are: so says POSIX.
      if (!isSame) this.#disk.rename(source, target);
    });
  }

  link(from: string, to: string): boolean {
    return this.#change("link", `${from} to ${to}`, () => {
      const source = this.#existing("link", from);
      const target = this.#place("link", to);
      if (target.node !== undefined) return false;
      if (this.#disk.node(source.node).kind === "directory") throw failure("write", "link", to, "EPERM");
      this.#disk.setName(target, source.node);
      return true;
    });
  }

  remove(path: string): boolean {
    return this.#change("remove", path, () => {
      const place = this.#disk.find(path);
      if (place === "missing" || place.node === undefined) return false;
      if (this.#disk.node(place.node).kind === "directory") throw failure("write", "remove", path, "EISDIR");
      this.#disk.setName(place, undefined);
      return true;
    });
  }

  removeEmptyDirectory(path: string): boolean {
    return this.#change("remove directory", path, () => {
      const place = this.#disk.find(path);
      if (place === "missing" || place.node === undefined) return false;
      const node = this.#disk.node(place.node);
      if (node.kind === "file") throw failure("write", "remove directory", path, "ENOTDIR");
      if (node.names.size > 0) return false;
      this.#disk.setName(place, undefined);
      return true;
    });
  }

  syncDirectory(directory: string): void {
    this.#change("make durable", directory, () => {
      const place = this.#disk.find(directory);
      if (place === "missing" || place.node === undefined) throw failure("write", "make durable", directory, "ENOENT");
      const isDurable = this.#options.losesSync?.(this.#changes) !== true;
      // A file may be synced by its name as well: that is what the call of the system does.
      if (!isDurable) return;
      if (this.#disk.node(place.node).kind === "file") this.#disk.syncFile(place.node);
      else this.#disk.syncDirectory(place.node);
    });
  }

  freeBytes(): number | undefined {
    const { capacityBytes } = this.#options;
    return capacityBytes === undefined ? undefined : capacityBytes - this.#disk.usedBytes();
  }

  // --- below -------------------------------------------------------------------------------------

  #opened(path: string, node: number, isWritable: boolean): OpenFile {
    return new SimulatedFile({
      path,
      node,
      disk: this.#disk,
      isWritable,
      shortWriteBytes: this.#options.shortWriteBytes ?? Infinity,
      look: (action) => this.#look(action, path),
      change: (action, change) => this.#change(action, path, change),
      roomBytes: () => this.freeBytes() ?? Infinity,
      losesSync: () => this.#options.losesSync?.(this.#changes) === true,
      timeMs: () => this.#timeMs(),
    });
  }

  #look(action: string, path: string): void {
    this.#reads += 1;
    this.#failIfDue("reads", this.#reads, action, path);
  }

  #change<T>(action: string, path: string, change: () => T): T {
    this.#changes += 1;
    try {
      this.#failIfDue("changes", this.#changes, action, path);
      return change();
    } finally {
      if (this.#options.record === true) this.#record.push({ what: `${action} ${path}`, disk: this.#disk.copy() });
    }
  }

  #failIfDue(of: "changes" | "reads", call: number, action: string, path: string): void {
    const { fault } = this.#options;
    if (fault === undefined || (fault.of ?? "changes") !== of || call < fault.atCall) return;
    if (fault.kind === "once" && call > fault.atCall) return;
    throw failure(of === "reads" ? "read" : "write", action, path, fault.error ?? "EIO", `simulated failure of call ${call}`);
  }

  #place(action: string, path: string): Place {
    const place = this.#disk.find(path);
    if (place !== "missing") return place;
    const parent: DiskNode | undefined = this.#disk.at(parentOf(path));
    throw failure("write", action, path, parent?.kind === "file" ? "ENOTDIR" : "ENOENT");
  }

  #existing(action: string, path: string): Place & { readonly node: number } {
    const { node, ...place } = this.#place(action, path);
    if (node === undefined) throw failure("write", action, path, "ENOENT");
    return { ...place, node };
  }

  /** Goes on with every call, so that the order of changes can be seen. */
  #timeMs(): number {
    return START_MS + this.#changes;
  }
}

const START_MS = 1_750_000_000_000;

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
