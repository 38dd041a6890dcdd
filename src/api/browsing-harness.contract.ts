// What the tests of listing, finding, comparing and dumping share: trees of pages in memory that count what is read of
// them, and real repositories filled by real backups.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { ByteWriter, hexOf, utf8 } from "../base/bytes.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { ENTRY_DIRECTORY, ENTRY_FILE, writeEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { services } from "../main/services.ts";
import { comparePaths } from "../model/path-order.ts";
import { EntryTreeWriter, createRepository, openRepository } from "../repository/repository.ts";
import type { EntryTreeRoot, PageKind, PageSink, PageSource } from "../repository/repository.ts";
import { runBackup } from "./backup.ts";
import { Opened } from "./opened.ts";
import { selectImage } from "./select-image.ts";
import type { BackupOptions, ImageSummary } from "./types.ts";

/** Pages by fingerprint; `loads` has the fingerprint of every page that was asked for, in order. */
export class MemoryPages implements PageSink, PageSource {
  readonly loads: string[] = [];
  readonly #pages = new Map<string, Uint8Array>();

  storePage(_: PageKind, bytes: Uint8Array): Fingerprint {
    const fingerprint = new Uint8Array(createHash("sha256").update(bytes).digest()) as Uint8Array as Fingerprint;
    this.#pages.set(hexOf(fingerprint), bytes);
    return fingerprint;
  }

  loadPage(_: PageKind, fingerprint: Fingerprint): Promise<Uint8Array> {
    const name = hexOf(fingerprint);
    this.loads.push(name);
    const page = this.#pages.get(name);
    return page === undefined ? Promise.reject(new Error(`no page ${name}`)) : Promise.resolve(page);
  }

  /** The tree over these entries, in whatever order they are given. */
  imageOf(entries: Readonly<Record<string, Partial<EntryBody>>>): EntryTreeRoot {
    const tree = new EntryTreeWriter(this);
    const writer = new ByteWriter();
    const sorted = Object.entries(entries).map(([path, body]) => ({ path: utf8(path), body }));
    sorted.sort((a, b) => comparePaths(a.path, a.path.length, b.path, b.path.length));
    for (const { path, body } of sorted) {
      writeEntryBody(writer, entryBody(body));
      const bytes = writer.take();
      tree.addEntry(path, path.length, bytes, 0, bytes.length);
    }
    const root = tree.finish();
    if (root === undefined) throw new Error("an image has entries");
    return root;
  }
}

/** A directory unless it says otherwise. */
export function entryBody(changes: Partial<EntryBody> = {}): EntryBody {
  return {
    kind: ENTRY_DIRECTORY,
    mode: 0o755,
    userId: 1000,
    groupId: 100,
    modified: { seconds: 1_700_000_000, nanoseconds: 5 },
    changed: { seconds: 1_700_000_001, nanoseconds: 7 },
    inode: 42n,
    sizeBytes: 0,
    recheck: false,
    changedWhileRead: false,
    ...changes,
  };
}

export const FILE = { kind: ENTRY_FILE, mode: 0o644 } as const;

/** `directories` directories of `files` files each, below "home": "home/d007/f0042". */
export function manyEntries(directories: number, files: number): Record<string, Partial<EntryBody>> {
  const entries: Record<string, Partial<EntryBody>> = { "": {}, home: {} };
  for (let directory = 0; directory < directories; directory++) {
    const path = `home/d${`${directory}`.padStart(3, "0")}`;
    entries[path] = {};
    for (let file = 0; file < files; file++) entries[`${path}/f${`${file}`.padStart(4, "0")}`] = FILE;
  }
  return entries;
}

/** Gone after the tests. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-browse-"));
  after(() => {
    spawnSync("rm", ["-rf", directory]);
  });
  return directory;
}

export interface TestRepository {
  readonly opened: Opened;
  readonly directory: string;
  backUp(options: BackupOptions): Promise<ImageSummary>;
}

/** A repository whose passphrase costs nothing to try. Closed after the tests. */
export async function newRepository(): Promise<TestRepository> {
  const directory = temporaryDirectory();
  const world = services();
  const path = `${directory}/repository`;
  const kdf = { memoryKiB: 8, passes: 1, lanes: 1 };
  await createRepository({ ...world, path, passphrase: "x", kdf, label: "first" });
  const repository = await openRepository({ files: world.files, path, passphrase: () => "x" });
  const opened = new Opened(world, repository, { cacheDirectory: `${directory}/cache`, threads: 1 });
  after(() => opened.close());
  return {
    opened,
    directory,
    backUp: async (options) => {
      const { imageId } = await runBackup(opened, options);
      if (imageId === undefined) throw new Error("the backup made no image");
      return selectImage(opened, imageId);
    },
  };
}

export async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
