// Entries by name over many images. Images share most of their pages, so the trees of all of them are walked together in
// the order of paths: a page is read once, however many images hold it, and what it says is said of all of them.
//
// A page can be reached from several index pages. All of those begin no later than the page itself, so when pages are
// taken in the order of their first paths, higher ones first, every image that holds a page has been met before it is
// taken. At hand are only pages that begin behind the present path and whose parents began before it.

import { equalBytes } from "../base/bytes.ts";
import { EntryPageCursor, decodeIndexPage } from "../formats/entry-page.ts";
import type { PageReference } from "../formats/entry-page.ts";
import { ENTRY_DIRECTORY, readEntryBody } from "../formats/entry.ts";
import { comparePaths } from "../model/path-order.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";
import { treeRootOf } from "../server/server.ts";
import { changesBetween } from "./entry-changes.ts";
import { isBehind } from "./entries.ts";
import type { PageReading } from "./entries.ts";
import { FindPattern } from "./find-pattern.ts";
import { listedEntryOf } from "./listed-entry.ts";
import { PriorityQueue } from "./priority-queue.ts";
import type { ImageSummary, ListedEntry } from "./types.ts";

export interface FoundEntry {
  /** Oldest first. */
  readonly imageIds: readonly string[];
  readonly entry: ListedEntry;
}

/**
 * In path order; of one path the version of the oldest image first. Versions that differ in nothing a listing or a
 * comparison would show are one. Owners are named as the newest of the images names them.
 */
export async function* findEntries(
  { reader }: PageReading,
  images: readonly ImageSummary[],
  pattern: string,
  ignoreCase?: boolean,
): AsyncGenerator<FoundEntry> {
  const wanted = new FindPattern(pattern, { ignoreCase });
  const roots = images.map(({ record }) => treeRootOf(record.root));
  for await (const { path, body, images: numbers } of matchingEntries(reader, roots, wanted)) {
    const holders = numbers.map((number) => images[number] as ImageSummary);
    const newest = holders.at(-1) as ImageSummary;
    const entry = listedEntryOf({ path, body: readEntryBody(body) }, newest.record);
    yield { imageIds: holders.map(({ id }) => id), entry };
  }
}

export interface MatchingEntry {
  readonly path: Uint8Array;
  readonly body: Uint8Array;
  /** Numbers of the images, ascending. */
  readonly images: readonly number[];
}

interface PendingPage {
  readonly page: PageReference;
  readonly level: number;
  /** Of each parent met so far; no image is in two of them, since no image holds a page twice. */
  readonly holders: (readonly number[])[];
}

/** The entries that match, of images numbered as their roots are. */
export async function* matchingEntries(
  source: PageSource,
  roots: readonly EntryTreeRoot[],
  pattern: FindPattern,
): AsyncGenerator<MatchingEntry> {
  const pages = new PendingPages();
  for (const [number, root] of roots.entries()) pages.add(await beginningOf(source, root), root.level, [number]);
  const cursor = new EntryPageCursor();
  let found: readonly MatchingEntry[] = [];
  for (let pending = pages.take(); pending !== undefined; pending = pages.take()) {
    const { page, level } = pending;
    const images = pending.holders.length === 1 ? (pending.holders[0] ?? []) : pending.holders.flat().sort((a, b) => a - b);
    const bytes = await source.loadPage("page", page.fingerprint, page.pageBytes);
    if (level > 0) {
      for (const child of childrenWithin(decodeIndexPage(bytes, level), pattern.directory)) pages.add(child, level - 1, images);
    } else {
      cursor.open(bytes);
      const fresh: MatchingEntry[] = [];
      while (cursor.next()) {
        const isDirectory = cursor.bytes[cursor.bodyOffset] === ENTRY_DIRECTORY;
        if (!pattern.matches(cursor.path, cursor.pathLength, isDirectory)) continue;
        // Copies: a view would keep its whole block in memory for as long as the entry waits.
        fresh.push({ path: cursor.pathCopy(), body: cursor.body().slice(), images });
      }
      found = merged(found, fresh);
    }
    // Whatever comes now begins no earlier than the next page.
    const next = pages.firstPath;
    const ready = next === undefined ? found.length : found.findIndex(({ path }) => compare(path, next) >= 0);
    if (ready === 0) continue;
    const complete = ready < 0 ? found : found.slice(0, ready);
    found = ready < 0 ? [] : found.slice(ready);
    yield* byOldestImage(complete);
  }
}

/** The root of a small image may be an ordinary page of another one, so it has to be known where it begins. */
async function beginningOf(source: PageSource, root: EntryTreeRoot): Promise<PageReference> {
  const { fingerprint, pageBytes, entryCount, level } = root;
  const page = { fingerprint, pageBytes, entryCount, firstPath: new Uint8Array(0) };
  if (level > 0) return page;
  const cursor = new EntryPageCursor();
  cursor.open(await source.loadPage("page", fingerprint, pageBytes));
  return cursor.next() ? { ...page, firstPath: cursor.pathCopy() } : page;
}

/** Those that may hold something of the subtree of `directory`. */
function* childrenWithin(children: readonly PageReference[], directory: Uint8Array): Generator<PageReference> {
  for (const [at, child] of children.entries()) {
    if (isBehind(child.firstPath, directory)) return;
    const next = children[at + 1]?.firstPath;
    if (next !== undefined && compare(next, directory) <= 0) continue;
    yield child;
  }
}

class PendingPages {
  readonly #byFingerprint = new Map<string, PendingPage>();
  readonly #queue = new PriorityQueue<PendingPage>(
    (a, b) =>
      compare(a.page.firstPath, b.page.firstPath) || b.level - a.level || Buffer.compare(a.page.fingerprint, b.page.fingerprint),
  );

  add(page: PageReference, level: number, images: readonly number[]): void {
    const key = keyOf(page);
    const known = this.#byFingerprint.get(key);
    if (known !== undefined) {
      known.holders.push(images);
      return;
    }
    const pending = { page, level, holders: [images] };
    this.#byFingerprint.set(key, pending);
    this.#queue.add(pending);
  }

  take(): PendingPage | undefined {
    const pending = this.#queue.take();
    if (pending !== undefined) this.#byFingerprint.delete(keyOf(pending.page));
    return pending;
  }

  get firstPath(): Uint8Array | undefined {
    return this.#queue.first?.page.firstPath;
  }
}

function keyOf({ fingerprint }: PageReference): string {
  return Buffer.from(fingerprint.buffer, fingerprint.byteOffset, fingerprint.length).toString("latin1");
}

/** Both in path order; equal versions of an entry become one. */
function merged(some: readonly MatchingEntry[], others: readonly MatchingEntry[]): readonly MatchingEntry[] {
  if (some.length === 0) return others;
  const all: MatchingEntry[] = [];
  let at = 0;
  for (const other of others) {
    for (let entry = some[at]; entry !== undefined && compare(entry.path, other.path) < 0; entry = some[++at]) all.push(entry);
    const firstVersion = all.length;
    for (let entry = some[at]; entry !== undefined && compare(entry.path, other.path) === 0; entry = some[++at]) all.push(entry);
    let same = firstVersion;
    while (same < all.length && !isSameVersion(all[same] as MatchingEntry, other)) same++;
    const known = all[same];
    all[same] = known === undefined ? other : { ...known, images: union(known.images, other.images) };
  }
  for (; at < some.length; at++) all.push(some[at] as MatchingEntry);
  return all;
}

function isSameVersion(a: MatchingEntry, b: MatchingEntry): boolean {
  if (equalBytes(a.body, b.body)) return true;
  const [x, y] = [readEntryBody(a.body), readEntryBody(b.body)];
  const isSameListing = x.inode === y.inode && (x.hardLink === undefined) === (y.hardLink === undefined);
  return isSameListing && changesBetween(x, y).length === 0;
}

function union(a: readonly number[], b: readonly number[]): readonly number[] {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

/** In path order already; of one path the version of the oldest image comes first. */
function byOldestImage(entries: readonly MatchingEntry[]): readonly MatchingEntry[] {
  return entries.toSorted((a, b) => compare(a.path, b.path) || (a.images[0] ?? 0) - (b.images[0] ?? 0));
}

function compare(a: Uint8Array, b: Uint8Array): number {
  return comparePaths(a, a.length, b, b.length);
}
