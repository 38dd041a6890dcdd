// An earlier image seen as a sequence of pages with positions: what claims speak of. The server reads it from
// the repository, the client from its track log; both cut ranges into the same pieces.
//
// The table of pages is held in memory: about one reference for two hundred entries.

import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { EntryPageCursor } from "../formats/entry-page.ts";
import { pagesOf } from "./entry-tree.ts";
import type { EntryTreeRoot, EntryTreeWriter, PositionedPage } from "./entry-tree.ts";
import type { PageSource } from "./pages.ts";
import { RangeDigest } from "./range-digest.ts";

/** The part of a range that lies in one page: its entries `from` up to but not including `to`. */
export interface RangePiece {
  readonly page: PositionedPage;
  readonly from: number;
  readonly to: number;
  readonly whole: boolean;
  /** The last page of an image ends because the image does; it is never taken over by reference. */
  readonly isLastPage: boolean;
}

/** Enough for the two edges of a claim to be checked and then used without a second reading. */
const PAGES_KEPT = 4;

export class BaseImage {
  readonly pages: readonly PositionedPage[];
  readonly entryCount: number;
  readonly #load: (page: PositionedPage) => Promise<Uint8Array>;
  readonly #kept = new Map<number, Uint8Array>();
  readonly #cursor = new EntryPageCursor();

  /** `pages` are all pages of entries of the image, in order. */
  constructor(pages: readonly PositionedPage[], load: (page: PositionedPage) => Promise<Uint8Array>) {
    const last = pages.at(-1);
    this.pages = pages;
    this.entryCount = last === undefined ? 0 : last.firstPosition + last.entryCount;
    this.#load = load;
  }

  async load(page: PositionedPage): Promise<Uint8Array> {
    const kept = this.#kept.get(page.firstPosition);
    if (kept !== undefined) return kept;
    const bytes = await this.#load(page);
    if (this.#kept.size >= PAGES_KEPT) {
      for (const oldest of this.#kept.keys()) {
        this.#kept.delete(oldest);
        break;
      }
    }
    this.#kept.set(page.firstPosition, bytes);
    return bytes;
  }

  /** The pieces of a range, in order. Throws CLAIM_REFUSED outside the image. */
  *pieces(first: number, count: number): Generator<RangePiece> {
    const end = first + count;
    if (first < 0 || count <= 0 || end > this.entryCount) {
      throw new HoldfastError("CLAIM_REFUSED", {
        message: `Cannot take over entries ${first} to ${end}: the base image has ${this.entryCount} entries`,
        context: { first, count, entries: this.entryCount },
      });
    }
    for (let i = this.#pageAt(first); ; i++) {
      const page = this.pages[i];
      assert(page !== undefined, "the pages of a base image cover all its entries");
      const from = Math.max(first - page.firstPosition, 0);
      const to = Math.min(end - page.firstPosition, page.entryCount);
      const whole = from === 0 && to === page.entryCount;
      yield { page, from, to, whole, isLastPage: i === this.pages.length - 1 };
      if (page.firstPosition + page.entryCount >= end) return;
    }
  }

  /** The number of the page that holds the entry at `position`. */
  #pageAt(position: number): number {
    let low = 0;
    let high = this.pages.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.pages[middle] as PositionedPage).firstPosition <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Calls `visit` for each entry of the piece; the cursor is reused. */
  async eachEntry(piece: RangePiece, visit: (cursor: EntryPageCursor) => void): Promise<void> {
    const cursor = this.#cursor;
    cursor.open(await this.load(piece.page));
    while (cursor.next()) {
      if (cursor.position >= piece.to) return;
      if (cursor.position >= piece.from) visit(cursor);
    }
  }

  async digest(first: number, count: number, fingerprintOf: (bytes: Uint8Array) => Fingerprint): Promise<Fingerprint> {
    const digest = new RangeDigest(fingerprintOf);
    for (const piece of this.pieces(first, count)) {
      if (piece.whole) {
        digest.addPage(piece.page.fingerprint);
      } else {
        await this.eachEntry(piece, (cursor) => digest.addRecord(cursor));
        digest.endPage();
      }
    }
    return digest.take();
  }

  /**
   * Appends the range to a tree under construction, whole pages by reference wherever the cutting rule allows.
   * `onPage` sees the pages taken over that way. Resolves with the number of entries appended, which are the first ones: fewer than
   * `count` when a page that had to be read cannot be.
   */
  async appendTo(
    tree: EntryTreeWriter,
    first: number,
    count: number,
    onPage?: (page: PositionedPage) => Promise<void> | void,
  ): Promise<number> {
    let appended = 0;
    for (const piece of this.pieces(first, count)) {
      if (piece.whole && !piece.isLastPage && tree.atBoundary) {
        tree.addPage(piece.page);
        await onPage?.(piece.page);
      } else if (await this.isReadable(piece.page)) {
        await this.eachEntry(piece, (cursor) => {
          tree.addEntry(cursor.path, cursor.pathLength, cursor.bytes, cursor.bodyOffset, cursor.bodyLength);
        });
      } else {
        break;
      }
      appended += piece.to - piece.from;
    }
    return appended;
  }

  /** A page that can be read is then at hand for the next call. */
  async isReadable(page: PositionedPage): Promise<boolean> {
    try {
      await this.load(page);
      return true;
    } catch (error) {
      if (error instanceof HoldfastError) return false;
      throw error;
    }
  }
}

/** An image as the repository holds it; reads its index pages. */
export async function openBaseImage(source: PageSource, root: EntryTreeRoot): Promise<BaseImage> {
  const pages: PositionedPage[] = [];
  for await (const page of pagesOf(source, root)) pages.push(page);
  return new BaseImage(pages, (page) => source.loadPage("page", page.fingerprint, page.pageBytes));
}
