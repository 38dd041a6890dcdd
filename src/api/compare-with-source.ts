// Compares an image with the tree it was made of, as that is now: both in the same order, entry by entry, and the content of
// files by reading it. What may differ rightly, such as change times and inodes, is not compared.

import { ByteWriter, concatBytes, equalBytes, hexOf, textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { entryBodyOf } from "../client/client.ts";
import { ENTRY_FILE, writeAttributes } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { comparePaths, isWithin } from "../model/path-order.ts";
import { FileTreeError, KIND_FILE, KIND_SOCKET, KIND_SYMBOLIC_LINK } from "../platform/file-tree.ts";
import type { FileHandle, FileTree } from "../platform/file-tree.ts";
import { segmentsOf } from "../repository/repository.ts";
import { ContentCheck } from "../restore/restore.ts";
import { treeRootOf } from "../server/server.ts";
import type { Selection, TreeWalk } from "../sources/files/files.ts";
import { openWalk, selectionOf } from "./backup-source.ts";
import { changesBetween } from "./entry-changes.ts";
import { rawEntries } from "./entries.ts";
import type { RawEntry } from "./listed-entry.ts";
import type { Opened } from "./opened.ts";
import type { BackupOptions, CompareOptions, CompareReport, ImageSummary, SourceDifference } from "./types.ts";

/** More are told to the listener and counted, but not kept. */
const DIFFERENCES_KEPT = 1_000;
const ENTRIES_PER_TURN = 256;

/** PATH_NOT_IN_IMAGE when neither the image nor the source has anything at the paths; damage of the image's pages is thrown. */
export function compareWithSource(opened: Opened, image: ImageSummary, options: CompareOptions): Promise<CompareReport> {
  return new Comparison(opened, image, options).run();
}

class Comparison {
  readonly #opened: Opened;
  readonly #image: ImageSummary;
  readonly #options: CompareOptions;
  readonly #selection: Selection;
  readonly #tree: FileTree;
  readonly #check: ContentCheck;
  readonly #attributes = new ByteWriter(4096);
  readonly #differences: SourceDifference[] = [];
  readonly #counts = { new: 0, missing: 0, changed: 0, unreadable: 0 };
  #entries = 0;
  #bytesRead = 0;
  /** What lies below it cannot be seen, so it is not said to be missing. */
  #unreadable: Uint8Array | undefined;

  constructor(opened: Opened, image: ImageSummary, options: CompareOptions) {
    const { services } = opened;
    this.#opened = opened;
    this.#image = image;
    this.#options = options;
    // As a list: a path that is gone is a difference, not a mistake.
    const paths = options.paths.map((path) => (typeof path === "string" ? utf8(path) : path));
    const list = concatBytes(...paths.flatMap((path) => [path, Uint8Array.of(0)]));
    this.#selection = selectionOf({ filesFrom: [{ bytes: list, separator: "zero" }] }, services.host.workingDirectory);
    this.#tree = services.openFileTree().tree;
    this.#check = new ContentCheck({
      tree: this.#tree,
      fingerprinter: opened.fingerprinters.data,
      onBytes: (bytes) => (this.#bytesRead += bytes),
    });
  }

  async run(): Promise<CompareReport> {
    const { clock } = this.#opened.services;
    const startedMs = clock.elapsedMs();
    const walk = this.#openWalk();
    try {
      await this.#merge(walk);
    } finally {
      walk.close();
    }
    if (this.#entries === 0) throw this.#nothingThere();
    const { new: newEntries, missing, changed, unreadable } = this.#counts;
    return {
      imageId: this.#image.id,
      entries: this.#entries,
      bytesRead: this.#bytesRead,
      newEntries,
      missing,
      changed,
      unreadable,
      differences: this.#differences,
      differenceCount: newEntries + missing + changed + unreadable,
      durationMs: clock.elapsedMs() - startedMs,
    };
  }

  #openWalk(): TreeWalk {
    const { services, repository, cacheDirectory } = this.#opened;
    const { files } = services;
    return openWalk(
      {
        tree: this.#tree,
        files,
        selection: this.#selection,
        options: this.#leftOut(),
        ownPlaces: { repository: repository.layout.root, cache: `${cacheDirectory}/${hexOf(repository.id)}` },
      },
      {
        onProblem: ({ path, code }) => {
          // A named path that is not there is missing like any other.
          if (code === "ENOENT") return;
          this.#unreadable = path.slice();
          this.#tell({ kind: "unreadable", path: shown(path), changes: [], code });
        },
        onNotice: () => undefined,
      },
    );
  }

  /** What the backup left out on purpose is not new. */
  #leftOut(): BackupOptions {
    const { options } = this.#image.record;
    const list = (name: string): readonly string[] => {
      const value = options[name];
      return Array.isArray(value) ? (value as readonly string[]) : [];
    };
    const { files } = this.#opened.services;
    return {
      exclude: list("exclude"),
      excludeFiles: list("excludeFiles").filter((path) => files.information(path) !== undefined),
      excludeIfPresent: list("excludeIfPresent"),
      excludeCaches: options["excludeCaches"] === true,
      oneFileSystem: options["oneFileSystem"] === true,
    };
  }

  async #merge(walk: TreeWalk): Promise<void> {
    const stored = this.#stored();
    let next = await stored.next();
    let untilTurn = ENTRIES_PER_TURN;
    const missing = async (entry: RawEntry): Promise<void> => {
      this.#missing(entry);
      next = await stored.next();
    };
    while (walk.next()) {
      if (--untilTurn <= 0) {
        untilTurn = ENTRIES_PER_TURN;
        await this.#turn(walk);
      }
      // Directories on the way belong to others too, and sockets are in no image.
      if (walk.isAncestor || walk.stat.kind === KIND_SOCKET) continue;
      const { path, pathLength } = walk;
      let order = 1;
      while (next.done !== true) {
        const { value } = next;
        order = comparePaths(value.path, value.path.length, path, pathLength);
        if (order >= 0) break;
        await missing(value);
        order = 1;
      }
      this.#entries++;
      if (next.done === true || order !== 0) this.#tell({ kind: "new", path: shown(path.subarray(0, pathLength)), changes: [] });
      else {
        await this.#compare(walk, next.value);
        next = await stored.next();
      }
    }
    while (next.done !== true) await missing(next.value);
  }

  async *#stored(): AsyncGenerator<RawEntry> {
    const root = treeRootOf(this.#image.record.root);
    for (let i = 0; i < this.#selection.count; i++) {
      yield* rawEntries(this.#opened.reader, root, { path: this.#selection.path(i), recursive: true });
    }
  }

  async #turn(walk: TreeWalk): Promise<void> {
    const { signal, onProgress } = this.#options;
    const path = walk.path.slice(0, walk.pathLength);
    onProgress?.({ entriesDone: this.#entries, bytesDone: this.#bytesRead, currentPath: shown(path) });
    await new Promise((resolve) => setImmediate(resolve));
    if (signal?.aborted === true)
      throw new HoldfastError("INTERRUPTED", { message: "The comparison was interrupted", retry: "now" });
  }

  #missing({ path }: RawEntry): void {
    const unreadable = this.#unreadable;
    if (unreadable !== undefined && isWithin(path, path.length, unreadable, unreadable.length)) return;
    this.#entries++;
    this.#tell({ kind: "missing", path: shown(path), changes: [] });
  }

  async #compare(walk: TreeWalk, { path, body }: RawEntry): Promise<void> {
    try {
      const now = this.#bodyOf(walk, body);
      const changes = [...changesBetween(body, now)];
      const isToRead = body.kind === ENTRY_FILE && walk.stat.kind === KIND_FILE && body.sizeBytes === now.sizeBytes;
      if (isToRead && !(await this.#hasContent(walk, body))) changes.unshift("content");
      if (changes.length > 0) this.#tell({ kind: "changed", path: shown(path), changes });
    } catch (error) {
      if (!(error instanceof FileTreeError)) throw error;
      // It went between the listing and the reading.
      if (error.code === "ENOENT") this.#tell({ kind: "missing", path: shown(path), changes: [] });
      else this.#tell({ kind: "unreadable", path: shown(path), changes: [], code: error.code });
    }
  }

  /** The entry as a backup would describe it now, but for the content of files, which is taken for what it was until it is read. */
  #bodyOf(walk: TreeWalk, before: EntryBody): EntryBody {
    const { stat, directory, name } = walk;
    const body: { -readonly [K in keyof EntryBody]: EntryBody[K] } = entryBodyOf(stat, this.#opened.services.clock.now());
    if (stat.kind === KIND_SYMBOLIC_LINK) body.linkTarget = this.#tree.readLinkAt(directory, name);
    const attributes = walk.extendedAttributes();
    if (before.storedAttributes !== undefined) {
      this.#attributes.clear();
      writeAttributes(this.#attributes, attributes);
      const bytes = this.#attributes.peek();
      body.storedAttributes = { kind: "data", length: bytes.length, fingerprint: this.#opened.fingerprinters.data.of(bytes) };
    } else if (attributes.length > 0) body.attributes = attributes;
    if (before.segments !== undefined) body.segments = before.segments;
    if (before.segmentList !== undefined) body.segmentList = before.segmentList;
    return body;
  }

  async #hasContent({ directory, name }: TreeWalk, body: EntryBody): Promise<boolean> {
    const handle: FileHandle = this.#tree.openFileAt(directory, name);
    try {
      let position = 0;
      for await (const references of segmentsOf(this.#opened.reader, body)) {
        const end = this.#check.matches(handle, position, references, body.sizeBytes);
        if (end === undefined) return false;
        position = end;
      }
      return position === body.sizeBytes;
    } finally {
      this.#tree.close(handle);
    }
  }

  #tell(difference: SourceDifference): void {
    this.#counts[difference.kind]++;
    if (this.#differences.length < DIFFERENCES_KEPT) this.#differences.push(difference);
    this.#options.onDifference?.(difference);
  }

  #nothingThere(): HoldfastError {
    return new HoldfastError("PATH_NOT_IN_IMAGE", {
      message: `Image ${this.#image.id.slice(0, 8)} holds nothing of what is to be compared, and nothing is there`,
      context: { image: this.#image.id },
      hint: `It was made of ${this.#image.record.paths.join(", ")}. \`holdfast images\` shows others.`,
    });
  }
}

function shown(path: Uint8Array): string {
  return `/${textOf(path)}`;
}

/** The newest of `images` that was made of all these paths. */
export function imageOfPaths(
  images: readonly ImageSummary[],
  paths: readonly (string | Uint8Array)[],
  workingDirectory: string,
): ImageSummary | undefined {
  const list = concatBytes(...paths.flatMap((path) => [typeof path === "string" ? utf8(path) : path, Uint8Array.of(0)]));
  const selection = selectionOf({ filesFrom: [{ bytes: list, separator: "zero" }] }, workingDirectory);
  const covers = (within: Uint8Array, path: Uint8Array): boolean =>
    equalBytes(path, within) || isWithin(path, path.length, within, within.length);
  return images.findLast(({ record }) => {
    const made = record.paths.map((path) => utf8(path.replace(/^\/+/, "")));
    for (let i = 0; i < selection.count; i++) if (!made.some((path) => covers(path, selection.path(i)))) return false;
    return true;
  });
}
