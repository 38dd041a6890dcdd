// What changed between two images. Both trees of pages are walked side by side; pages that both have are passed by
// without being read, so the cost follows what changed and not what there is.

import { equalBytes } from "../base/bytes.ts";
import { EntryPageCursor } from "../formats/entry-page.ts";
import { readEntryBody } from "../formats/entry.ts";
import { comparePaths, isWithin } from "../model/path-order.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";
import { treeRootOf } from "../server/server.ts";
import { changesBetween } from "./entry-changes.ts";
import { imagePathOf, isBehind, lookUp, pathNotInImage } from "./entries.ts";
import type { PageReading } from "./entries.ts";
import { listedEntryOf } from "./listed-entry.ts";
import type { RawEntry } from "./listed-entry.ts";
import { PageWalk } from "./page-walk.ts";
import type { Difference, ImageSummary } from "./types.ts";

export interface DiffOptions {
  /** Only this and what lies below it. */
  readonly path?: string | Uint8Array;
}

/** In path order. PATH_NOT_IN_IMAGE when neither image has the path. */
export async function* diffImages(
  { reader }: PageReading,
  before: ImageSummary,
  after: ImageSummary,
  options: DiffOptions = {},
): AsyncGenerator<Difference> {
  const path = imagePathOf(options.path);
  const [rootBefore, rootAfter] = [treeRootOf(before.record.root), treeRootOf(after.record.root)];
  if (path.length > 0 && !(await holds(reader, rootBefore, path)) && !(await holds(reader, rootAfter, path))) {
    throw await pathNotInImage(reader, after, path);
  }
  for await (const { old, now } of differingEntries(reader, rootBefore, rootAfter, path)) {
    if (old === undefined) {
      if (now !== undefined) yield { kind: "added", entry: listedEntryOf(now, after.record) };
    } else if (now === undefined) {
      yield { kind: "removed", entry: listedEntryOf(old, before.record) };
    } else {
      const changes = changesBetween(old.body, now.body);
      if (changes.length === 0) continue;
      yield {
        kind: "changed",
        before: listedEntryOf(old, before.record),
        after: listedEntryOf(now, after.record),
        changes,
      };
    }
  }
}

async function holds(source: PageSource, root: EntryTreeRoot, path: Uint8Array): Promise<boolean> {
  const { entry, isImplied } = await lookUp(source, root, path);
  return entry !== undefined || isImplied;
}

/** One path at which two images hold different bytes, or which only one of them has. */
export interface EntryPair {
  readonly old: RawEntry | undefined;
  readonly now: RawEntry | undefined;
}

/** In path order. Pairs may differ in nothing that counts: `changesBetween` says what does. */
export async function* differingEntries(
  source: PageSource,
  before: EntryTreeRoot,
  after: EntryTreeRoot,
  directory: Uint8Array,
): AsyncGenerator<EntryPair> {
  const old = new Side(source, before, directory);
  const now = new Side(source, after, directory);
  // From the root on whole images may turn out to be equal at once; a subtree begins inside of a page of entries.
  if (directory.length > 0) await Promise.all([old.seek(), now.seek()]);
  while (!old.isAtEnd || !now.isAtEnd) {
    if (old.isAtSamePage(now)) {
      old.passPage();
      now.passPage();
      continue;
    }
    const order = old.compare(now);
    const [oldFirst, nowFirst] = [order <= 0, order >= 0];
    if (oldFirst && nowFirst && old.isOpen && now.isOpen) {
      if (!old.hasSameBody(now)) yield { old: old.entry(), now: now.entry() };
      old.nextEntry();
      now.nextEntry();
    } else if (oldFirst && nowFirst) {
      // One begins where the other is: open what is closed, the higher page first, since the other may lie in it.
      const level = Math.max(old.level, now.level);
      if (!old.isOpen && old.level === level) await old.open();
      if (!now.isOpen && now.level === level) await now.open();
    } else if (oldFirst) {
      if (!old.isOpen) await old.open();
      else {
        yield { old: old.entry(), now: undefined };
        old.nextEntry();
      }
    } else if (now.isOpen) {
      yield { old: undefined, now: now.entry() };
      now.nextEntry();
    } else {
      await now.open();
    }
  }
}

/** Where one of the two images stands: in front of a page, or at an entry inside of an open page of entries. */
class Side {
  readonly #walk: PageWalk;
  readonly #directory: Uint8Array;
  readonly #cursor = new EntryPageCursor();
  #isOpen = false;
  #isAtEnd = false;

  constructor(source: PageSource, root: EntryTreeRoot, directory: Uint8Array) {
    this.#walk = new PageWalk(source, root);
    this.#directory = directory;
  }

  get isAtEnd(): boolean {
    return this.#isAtEnd;
  }
  /** At an entry. */
  get isOpen(): boolean {
    return this.#isOpen;
  }
  /** Of the page; 0 also at an entry. */
  get level(): number {
    return this.#walk.level;
  }

  async seek(): Promise<void> {
    await this.#walk.seek(this.#directory);
    this.#checkEnd();
  }

  /** Whether both stand in front of one and the same page, which therefore holds no difference. */
  isAtSamePage(other: Side): boolean {
    if (this.#isOpen || other.#isOpen || this.#isAtEnd || other.#isAtEnd) return false;
    const [a, b] = [this.#walk.page, other.#walk.page];
    return a !== undefined && b !== undefined && equalBytes(a.fingerprint, b.fingerprint);
  }

  passPage(): void {
    this.#walk.next();
    this.#checkEnd();
  }

  /** Which comes first. In front of a page that is where its first entry sorts. */
  compare(other: Side): number {
    if (this.#isAtEnd) return 1;
    if (other.#isAtEnd) return -1;
    const [a, b] = [this.#position, other.#position];
    return comparePaths(a.path, a.length, b.path, b.length);
  }

  get #position(): { readonly path: Uint8Array; readonly length: number } {
    if (this.#isOpen) return { path: this.#cursor.path, length: this.#cursor.pathLength };
    const path = this.#walk.page?.firstPath ?? this.#directory;
    return { path, length: path.length };
  }

  /** Goes one step into the page: to its first child, or to its first entry. */
  async open(): Promise<void> {
    if (this.#walk.level > 0) return this.#walk.descend();
    this.#cursor.open(await this.#walk.load());
    this.#isOpen = true;
    const { path } = this.#cursor;
    do {
      this.nextEntry();
    } while (this.#isOpen && comparePaths(path, this.#cursor.pathLength, this.#directory, this.#directory.length) < 0);
  }

  nextEntry(): void {
    const cursor = this.#cursor;
    if (cursor.next()) {
      const { path, pathLength } = cursor;
      const directory = this.#directory;
      if (isWithin(path, pathLength, directory, directory.length)) return;
      if (comparePaths(path, pathLength, directory, directory.length) < 0) return;
      this.#isAtEnd = true;
    }
    this.#isOpen = false;
    if (this.#isAtEnd) return;
    this.#walk.next();
    this.#checkEnd();
  }

  #checkEnd(): void {
    const { page } = this.#walk;
    this.#isAtEnd = page === undefined || isBehind(page.firstPath, this.#directory);
  }

  hasSameBody(other: Side): boolean {
    return equalBytes(this.#cursor.body(), other.#cursor.body());
  }

  /** The body holds views into the page. */
  entry(): RawEntry {
    return { path: this.#cursor.pathCopy(), body: readEntryBody(this.#cursor.body()) };
  }
}
