// Goes forward through the tree of one image's pages and opens only those it is told to. Listing a directory, leaving
// out what lies below, and comparing two images all come down to which pages are not read.

import { HoldfastError } from "../base/errors.ts";
import { decodeIndexPage } from "../formats/entry-page.ts";
import type { PageReference } from "../formats/entry-page.ts";
import { comparePaths } from "../model/path-order.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";

/** One opened index page and the child that is at hand. */
interface Opened {
  readonly children: readonly PageReference[];
  /** Of the children. */
  readonly level: number;
  at: number;
}

export class PageWalk {
  readonly #source: PageSource;
  /** From the root down to the page at hand. */
  readonly #path: Opened[];

  constructor(source: PageSource, root: EntryTreeRoot) {
    const { fingerprint, pageBytes, entryCount, level } = root;
    this.#source = source;
    // The image record does not say where the first page begins; nothing sorts before the empty path.
    const page = { fingerprint, pageBytes, entryCount, firstPath: new Uint8Array(0) };
    this.#path = [{ children: [page], level, at: 0 }];
  }

  /** The page at hand: nothing of it has been handed out yet. Undefined at the end. */
  get page(): PageReference | undefined {
    const opened = this.#path.at(-1);
    return opened?.children[opened.at];
  }

  /** Of the page at hand: 0 when it is one of entries. */
  get level(): number {
    return this.#path.at(-1)?.level ?? 0;
  }

  /** Leaves the page at hand behind, with all that lies below it. */
  next(): void {
    for (let opened = this.#path.at(-1); opened !== undefined; opened = this.#path.at(-1)) {
      if (++opened.at < opened.children.length) return;
      this.#path.pop();
    }
  }

  /** The bytes of the page at hand. */
  load(): Promise<Uint8Array> {
    const page = this.page;
    if (page === undefined) throw new Error("Broken invariant: a page is loaded before the end");
    return this.#source.loadPage("page", page.fingerprint, page.pageBytes);
  }

  /** Opens the index page at hand and goes to the first page in it. */
  async descend(): Promise<void> {
    const level = this.level;
    const children = decodeIndexPage(await this.load(), level);
    if (children.length === 0)
      throw new HoldfastError("FORMAT_INVALID", { message: "Cannot read an entry page: it refers to none" });
    this.#path.push({ children, level: level - 1, at: 0 });
  }

  /**
   * Goes to the page of entries that may hold the first path at or after `path`, or to the end. Only ever forward:
   * at a page that begins later, it goes to the first page of entries in it.
   */
  async seek(path: Uint8Array): Promise<void> {
    const outermost = this.#path.findIndex((opened) => endsBefore(opened, path));
    if (outermost >= 0) {
      this.#path.length = outermost + 1;
      forward(this.#path[outermost], path);
    }
    while (this.level > 0) {
      await this.descend();
      forward(this.#path.at(-1), path);
    }
  }
}

function forward(opened: Opened | undefined, path: Uint8Array): void {
  if (opened === undefined) return;
  while (endsBefore(opened, path)) opened.at++;
}

/** Whether all paths of the child at hand sort before `path`: another child follows, and it does not begin later. */
function endsBefore(opened: Opened, path: Uint8Array): boolean {
  const next = opened.children[opened.at + 1]?.firstPath;
  return next !== undefined && comparePaths(next, next.length, path, path.length) <= 0;
}
