// What the tests of the room share: a repository in memory whose damage is at the test's choice, images made by hand or
// of real trees, restores with threads that live in this one, and a description of trees to compare whole.

import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { after } from "node:test";
import { ByteWriter, hexOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { entryBodyOf } from "../client/entry-body.ts";
import { seededRandom } from "../engine/testing.ts";
import { BLOCK_DATA } from "../formats/block.ts";
import type { BlockIdentity, BlockKind } from "../formats/block.ts";
import { ENTRY_DIRECTORY, ENTRY_FILE, INLINE_ATTRIBUTES_LIMIT, writeAttributes, writeEntryBody } from "../formats/entry.ts";
import type { EntryAttribute, EntryBody } from "../formats/entry.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import type { ContainerName, VolumeId } from "../media/volume.ts";
import type { EpochMs } from "../platform/clock.ts";
import { openLinuxFileTree } from "../platform/file-tree-linux.ts";
import {
  KIND_CHARACTER_DEVICE,
  KIND_DIRECTORY,
  KIND_FILE,
  KIND_BLOCK_DEVICE,
  KIND_SYMBOLIC_LINK,
  newStatBuffer,
} from "../platform/file-tree.ts";
import type { DirectoryHandle, FileHandle, FileTree } from "../platform/file-tree.ts";
import { EntryTreeWriter } from "../repository/repository.ts";
import type { EntryTreeRoot, LocationBuffer, PageKind, PageSink, PageSource, SegmentLocation } from "../repository/repository.ts";
import { FileContentBuilder } from "../repository/segment-list-tree.ts";
import { SelectionBuilder, walkTree } from "../sources/files/files.ts";
import { Restore, RestoreWriter, ownerRules } from "./restore.ts";
import type { BlockSource, RestoreOutcome, RestoreRunOptions, SegmentLookup } from "./restore.ts";

const temporary: string[] = [];
after(() => {
  for (const directory of temporary) {
    spawnSync("chattr", ["-R", "-f", "-i", "-a", directory]);
    // The system's own: Node's fails on paths beyond the platform's limit.
    spawnSync("rm", ["-rf", directory]);
    rmSync(directory, { recursive: true, force: true });
  }
});

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-restore-"));
  temporary.push(directory);
  return directory;
}

export const VOLUME = "aa".repeat(16) as VolumeId;

export function sha256(bytes: Uint8Array): Fingerprint {
  return new Uint8Array(createHash("sha256").update(bytes).digest()) as Uint8Array as Fingerprint;
}

interface StoredSegment {
  readonly block: number;
  readonly offset: number;
  readonly length: number;
}

/** Segments in blocks, blocks in containers, pages; everything answers at once unless it was damaged. */
export class MemoryRepository implements PageSource, PageSink, SegmentLookup, BlockSource {
  readonly blocks: { bytes: Uint8Array; container: number; failure?: HoldfastError }[] = [];
  readonly #segments = new Map<string, StoredSegment[]>();
  readonly #pages = new Map<string, Uint8Array>();
  /** Blocks read, in order. */
  readonly reads: number[] = [];
  onRead: ((block: number) => void | Promise<void>) | undefined;
  #open: Uint8Array[] = [];
  #openBytes = 0;
  readonly #blockBytes: number;
  readonly #blocksPerContainer: number;

  constructor({ blockBytes = 64 * 1024, blocksPerContainer = 4 } = {}) {
    this.#blockBytes = blockBytes;
    this.#blocksPerContainer = blocksPerContainer;
  }

  // --- storing ---------------------------------------------------------------------------------

  /** Equal segments are stored once, unless `again` asks for another copy. */
  store(bytes: Uint8Array, again = false): Fingerprint {
    const fingerprint = sha256(bytes);
    const key = hexOf(fingerprint);
    const copies = this.#segments.get(key) ?? [];
    this.#segments.set(key, copies);
    if (copies.length > 0 && !again) return fingerprint;
    if (this.#openBytes > 0 && (again || this.#openBytes + bytes.length > this.#blockBytes)) this.endBlock();
    copies.push({ block: this.blocks.length, offset: this.#openBytes, length: bytes.length });
    this.#open.push(bytes.slice());
    this.#openBytes += bytes.length;
    if (again) this.endBlock();
    return fingerprint;
  }

  endBlock(): void {
    if (this.#openBytes === 0) return;
    this.blocks.push({ bytes: Buffer.concat(this.#open), container: Math.floor(this.blocks.length / this.#blocksPerContainer) });
    this.#open = [];
    this.#openBytes = 0;
  }

  storePage(_kind: PageKind, bytes: Uint8Array): Fingerprint {
    const fingerprint = sha256(bytes);
    this.#pages.set(hexOf(fingerprint), bytes.slice());
    return fingerprint;
  }

  /** All copies. */
  copiesOf(fingerprint: Uint8Array): readonly StoredSegment[] {
    return this.#segments.get(hexOf(fingerprint)) ?? [];
  }

  forget(fingerprint: Uint8Array): void {
    this.#segments.delete(hexOf(fingerprint));
  }

  get pageNames(): readonly string[] {
    return [...this.#pages.keys()];
  }

  losePage(name: string): void {
    this.#pages.delete(name);
  }

  // --- reading ---------------------------------------------------------------------------------

  loadPage(_kind: PageKind, fingerprint: Fingerprint): Promise<Uint8Array> {
    const page = this.#pages.get(hexOf(fingerprint));
    if (page !== undefined) return Promise.resolve(page);
    return Promise.reject(new HoldfastError("SEGMENT_MISSING", { message: `No page ${hexOf(fingerprint)}` }));
  }

  async readBlock(kind: BlockKind, location: SegmentLocation): Promise<Uint8Array> {
    const number = location.blockOffset;
    const block = this.blocks[number];
    this.reads.push(number);
    await this.onRead?.(number);
    if (kind !== BLOCK_DATA || block === undefined || location.container !== containerName(block.container)) {
      throw new HoldfastError("REPOSITORY_DAMAGED", { message: "No such block" });
    }
    if (block.failure !== undefined) throw block.failure;
    return new Uint8Array(block.bytes);
  }

  locate(fingerprint: Uint8Array, into: LocationBuffer): boolean {
    this.endBlock();
    const [found] = this.#segments.get(hexOf(fingerprint)) ?? [];
    if (found === undefined) return false;
    const { block, offset, length } = found;
    const bytes = this.blocks[block]?.bytes.length ?? 0;
    const container = this.blocks[block]?.container ?? 0;
    Object.assign(into, {
      run: 0,
      container,
      block,
      blockOffset: block,
      storedLength: bytes + 100,
      plainLength: bytes,
      offset,
      length,
    });
    into.identity.fill(block);
    return true;
  }

  containerOf({ container }: { readonly run: number; readonly container: number }): {
    readonly volumeId: VolumeId;
    readonly container: ContainerName;
  } {
    return { volumeId: VOLUME, container: containerName(container) };
  }

  findAll(fingerprint: Uint8Array): readonly SegmentLocation[] {
    this.endBlock();
    return this.copiesOf(fingerprint).map(({ block, offset, length }) => {
      const bytes = this.blocks[block]?.bytes.length ?? 0;
      const identity = new Uint8Array(16).fill(block) as Uint8Array as BlockIdentity;
      const place = this.containerOf({ run: 0, container: this.blocks[block]?.container ?? 0 });
      return { ...place, blockOffset: block, storedLength: bytes + 100, plainLength: bytes, identity, offset, length };
    });
  }

  refresh(): boolean {
    return false;
  }
}

export function containerName(number: number): ContainerName {
  return number.toString(16).padStart(64, "0") as ContainerName;
}

// --- images ------------------------------------------------------------------------------------

export const MODIFIED = { seconds: 1_600_000_000, nanoseconds: 123_456_789 };

/** A body with harmless values for whatever is not given. */
export function bodyOf(changes: Partial<EntryBody> & Pick<EntryBody, "kind">): EntryBody {
  return {
    mode: changes.kind === ENTRY_DIRECTORY ? 0o755 : 0o644,
    userId: process.getuid?.() ?? 0,
    groupId: process.getgid?.() ?? 0,
    modified: MODIFIED,
    changed: { seconds: 0, nanoseconds: 0 },
    inode: 1n,
    sizeBytes: 0,
    recheck: false,
    changedWhileRead: false,
    ...changes,
  };
}

export type EntryPart = readonly [path: string | Uint8Array, body: EntryBody];

export class ImageMaker {
  readonly repository: MemoryRepository;

  constructor(repository = new MemoryRepository()) {
    this.repository = repository;
  }

  directory(changes: Partial<EntryBody> = {}): EntryBody {
    return bodyOf({ kind: ENTRY_DIRECTORY, ...changes });
  }

  /** Content as text, bytes, or parts: numbers are holes. */
  file(content: string | Uint8Array | readonly (string | Uint8Array | number)[], changes: Partial<EntryBody> = {}): EntryBody {
    const parts = typeof content === "string" || content instanceof Uint8Array ? [content] : content;
    const builder = new FileContentBuilder(this.repository);
    let sizeBytes = 0;
    for (const part of parts) {
      const reference = this.#referenceTo(part);
      if (reference === undefined) continue;
      sizeBytes += reference.length;
      builder.add(reference);
    }
    const built = builder.finish();
    const where =
      built.kind === "list" ? { segmentList: built.list } : built.segments.length > 0 ? { segments: built.segments } : {};
    return bodyOf({ kind: ENTRY_FILE, sizeBytes, ...where, ...changes });
  }

  #referenceTo(part: string | Uint8Array | number): SegmentReference | undefined {
    if (typeof part === "number") return { kind: "hole", length: part };
    const bytes = typeof part === "string" ? utf8(part) : part;
    return bytes.length === 0 ? undefined : { kind: "data", length: bytes.length, fingerprint: this.repository.store(bytes) };
  }

  /** As a backup stores them: large ones in a segment. */
  attributes(attributes: readonly EntryAttribute[]): Pick<EntryBody, "attributes" | "storedAttributes"> {
    if (attributes.length === 0) return {};
    const writer = new ByteWriter();
    writeAttributes(writer, attributes);
    const bytes = writer.take();
    if (bytes.length <= INLINE_ATTRIBUTES_LIMIT) return { attributes };
    return { storedAttributes: { kind: "data", length: bytes.length, fingerprint: this.repository.store(bytes) } };
  }

  /** Entries as they are given: a hostile image has them in any order. */
  image(...entries: readonly EntryPart[]): EntryTreeRoot {
    const writer = new EntryTreeWriter(this.repository);
    const body = new ByteWriter();
    for (const [path, entry] of entries) {
      const bytes = typeof path === "string" ? utf8(path) : path;
      body.clear();
      writeEntryBody(body, entry);
      writer.addEntry(bytes, bytes.length, body.peek(), 0, body.length);
    }
    const root = writer.finish();
    if (root === undefined) throw new Error("An image has an entry");
    return root;
  }

  /** The image of a real directory, with paths relative to it, as a backup of "/" would have them. */
  imageOfTree(tree: FileTree, directory: string): EntryTreeRoot {
    const builder = new SelectionBuilder(utf8("/"));
    builder.addPath(utf8(directory));
    const walk = walkTree({
      tree,
      selection: builder.build(),
      onProblem: ({ path, code }) => {
        throw new Error(`${hexOf(path)} ${code}`);
      },
    });
    const entries: EntryPart[] = [];
    const prefix = directory.length - 1;
    while (walk.next()) {
      if (walk.isAncestor) continue;
      const path = walk.path.slice(Math.min(walk.pathLength, prefix === walk.pathLength ? prefix : prefix + 1), walk.pathLength);
      const body: { -readonly [K in keyof EntryBody]: EntryBody[K] } = {
        ...entryBodyOf(walk.stat, 0 as EpochMs),
        recheck: false,
      };
      if (walk.stat.kind === KIND_SYMBOLIC_LINK) body.linkTarget = tree.readLinkAt(walk.directory, walk.name).slice();
      Object.assign(body, this.attributes(walk.extendedAttributes()));
      if (walk.stat.kind === KIND_FILE)
        Object.assign(body, this.#contentOf(tree, walk.directory, walk.name, walk.stat.sizeBytes));
      entries.push([path, body]);
    }
    return this.image(...entries);
  }

  #contentOf(tree: FileTree, directory: DirectoryHandle, name: Uint8Array, sizeBytes: number): Partial<EntryBody> {
    const handle = tree.openFileAt(directory, name);
    try {
      const parts: (Uint8Array | number)[] = [];
      let position = 0;
      while (position < sizeBytes) {
        const run = tree.nextData(handle, position, sizeBytes);
        const start = run?.start ?? sizeBytes;
        if (start > position) parts.push(start - position);
        for (position = start; position < (run?.end ?? 0);) {
          const bytes = new Uint8Array(Math.min(48 * 1024, (run?.end ?? 0) - position));
          tree.read(handle, bytes, position);
          parts.push(bytes);
          position += bytes.length;
        }
      }
      const { segments, segmentList } = this.file(parts);
      return segments !== undefined ? { segments } : segmentList !== undefined ? { segmentList } : {};
    } finally {
      tree.close(handle);
    }
  }
}

// --- restoring ---------------------------------------------------------------------------------

export interface RestoreSettings extends Partial<Omit<RestoreRunOptions, "root" | "target">> {
  readonly threads?: number;
  readonly treeFor?: (thread: number) => FileTree;
  readonly userId?: number;
  readonly onTask?: (task: Uint8Array) => void;
}

export const tree = openLinuxFileTree();

export async function restore(
  repository: MemoryRepository,
  root: EntryTreeRoot,
  target: string,
  settings: RestoreSettings = {},
): Promise<RestoreOutcome> {
  repository.endBlock();
  const { threads = 2, treeFor = () => openLinuxFileTree(), userId = process.geteuid?.() ?? 0, onTask, ...options } = settings;
  const fingerprinter = { matches: (bytes: Uint8Array, expected: Uint8Array) => Buffer.compare(sha256(bytes), expected) === 0 };
  const writers = Array.from(
    { length: threads },
    (_, thread) => new RestoreWriter({ tree: treeFor(thread), blocks: repository, fingerprinter }),
  );
  const run = new Restore({
    source: repository,
    index: repository,
    tree: treeFor(-1),
    threads: writers.map((writer) => ({
      serve: (task) => {
        onTask?.(task);
        return writer.serve(task);
      },
    })),
    random: seededRandom("restore"),
    userId,
  });
  const owners = ownerRules("number", { owners: {}, groups: {} }, { read: () => undefined });
  return run.run({ owners, ...options, root, target: utf8(target) });
}

// --- describing --------------------------------------------------------------------------------

export interface DescribedEntry {
  readonly path: string;
  readonly kind: number;
  readonly mode: string;
  readonly owner: string;
  readonly modified: string;
  readonly size: number;
  readonly content: string;
  readonly node: string;
  readonly attributes: readonly string[];
  readonly flags: number;
  /** Of the first entry that is the same file. */
  readonly linkedTo: string;
}

/** Everything a restore has to bring back, in the order of paths; names as Latin-1, so that none is lost. */
export function describeTree(directory: string, { withRoot = true } = {}): readonly DescribedEntry[] {
  const entries: DescribedEntry[] = [];
  const firsts = new Map<string, string>();
  const root = tree.openDirectory(utf8(directory));
  const describe = (parent: DirectoryHandle, name: Uint8Array, path: string, handle: DirectoryHandle | undefined): void => {
    const stat = newStatBuffer();
    tree.statAt(handle ?? parent, handle === undefined ? name : new Uint8Array(0), stat);
    const key = `${stat.deviceMajor}:${stat.deviceMinor}:${stat.inodeHigh}:${stat.inodeLow}`;
    const linkedTo = firsts.get(key) ?? path;
    firsts.set(key, linkedTo);
    const isDevice = stat.kind === KIND_CHARACTER_DEVICE || stat.kind === KIND_BLOCK_DEVICE;
    const attributes = handle === undefined ? tree.extendedAttributesAt(parent, name) : tree.extendedAttributes(handle);
    entries.push({
      path,
      kind: stat.kind,
      mode: stat.mode.toString(8),
      owner: `${stat.userId}:${stat.groupId}`,
      modified: `${stat.modifiedSeconds}.${stat.modifiedNanoseconds}`,
      size: stat.kind === KIND_FILE ? stat.sizeBytes : 0,
      content:
        stat.kind === KIND_FILE
          ? contentHash(parent, name, stat.sizeBytes)
          : stat.kind === KIND_SYMBOLIC_LINK
            ? latin1(tree.readLinkAt(parent, name))
            : "",
      node: isDevice ? `${stat.nodeMajor}:${stat.nodeMinor}` : "",
      attributes: attributes.map(({ name: key_, value }) => `${latin1(key_)}=${hexOf(value)}`),
      flags: stat.fileFlags,
      linkedTo,
    });
  };
  const walk = (handle: DirectoryHandle, path: string): void => {
    const listing = tree.listDirectory(handle);
    for (let i = 0; i < listing.count; i++) {
      const name = listing.name(i).slice();
      const below = path === "" ? latin1(name) : `${path}/${latin1(name)}`;
      const stat = newStatBuffer();
      tree.statAt(handle, name, stat);
      if (stat.kind !== KIND_DIRECTORY) {
        describe(handle, name, below, undefined);
        continue;
      }
      const child = tree.openDirectoryAt(handle, name);
      describe(handle, name, below, child);
      walk(child, below);
      tree.close(child);
    }
  };
  if (withRoot) describe(root, new Uint8Array(0), "", root);
  walk(root, "");
  tree.close(root);
  return entries;
}

function contentHash(directory: DirectoryHandle, name: Uint8Array, sizeBytes: number): string {
  const hash = createHash("sha256");
  const handle: FileHandle = tree.openFileAt(directory, name);
  const buffer = new Uint8Array(1024 * 1024);
  for (let run = tree.nextData(handle, 0, sizeBytes); run !== undefined; run = tree.nextData(handle, run.end, sizeBytes)) {
    hash.update(`@${run.start}`);
    for (let position = run.start; position < run.end;) {
      const count = tree.read(handle, buffer.subarray(0, Math.min(buffer.length, run.end - position)), position);
      hash.update(buffer.subarray(0, count));
      position += count;
    }
  }
  tree.close(handle);
  return hash.digest("hex");
}

export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}

export function contentOf(path: string): string {
  return readFileSync(path, "utf8");
}

/** Problems as "path: action CODE". */
export function problemsOf(outcome: RestoreOutcome): readonly string[] {
  return outcome.problems.map(({ path, action, code }) => `${path}: ${action} ${code}`).toSorted();
}
