// The mark: which segments images need. Walks the pages of all images, each distinct page once, for pages are segments
// themselves: the table of what is needed is also the table of what was visited.
//
// The table holds a bounded number of fingerprints. Where there may be more, the mark is made several times, each time
// for one share of the fingerprints of content; pages, which are few, are in every share.

import type { Fingerprint } from "../../base/fingerprint.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import { bytesOfHex } from "../../base/bytes.ts";
import { readEntryBody } from "../../formats/entry.ts";
import type { SegmentListRoot } from "../../formats/entry.ts";
import { EntryPageCursor, decodeIndexPage } from "../../formats/entry-page.ts";
import { decodeListIndex, decodeListLeaf } from "../../formats/segment-list.ts";
import type { SegmentReference } from "../../formats/segment-reference.ts";
import type { ImageRoot } from "../../model/image.ts";
import { SessionSegments } from "../central-index.ts";
import type { PageSource } from "../pages.ts";

/** Fingerprints whose first four bytes, read as ordering sees them, are `from` up to but not including `to`. */
export interface FingerprintShare {
  readonly from: number;
  readonly to: number;
}

/** Equal shares that together are everything. */
export function sharesOf(count: number): readonly FingerprintShare[] {
  const edge = (number: number): number => Math.round((number * 2 ** 32) / count);
  return Array.from({ length: count }, (_, number) => ({ from: edge(number), to: edge(number + 1) }));
}

export function isInShare({ from, to }: FingerprintShare, bytes: Uint8Array, at = 0): boolean {
  const first = ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  return first >= from && first < to;
}

/** What a mark has found. */
export interface LiveSegments {
  /** Only those of the share are asked for. */
  has(fingerprint: Uint8Array, at: number): boolean;
  /** How many different ones the share has. */
  readonly count: number;
}

export interface MarkOptions {
  readonly source: PageSource;
  readonly roots: readonly ImageRoot[];
  readonly share: FingerprintShare;
  /** How many fingerprints are expected at most, pages included. */
  readonly expected: number;
  /** Between two pages. */
  readonly turn: () => Promise<void>;
  readonly onImage?: (done: number) => void;
}

/** Throws what a page cannot be read with. */
export async function markSegments(options: MarkOptions): Promise<LiveSegments> {
  const mark = new Mark(options);
  for (const [done, root] of options.roots.entries()) {
    await mark.image(root);
    options.onImage?.(done + 1);
  }
  return mark;
}

class Mark implements LiveSegments {
  count = 0;
  readonly #options: MarkOptions;
  readonly #table: SessionSegments;
  readonly #cursor = new EntryPageCursor();

  constructor(options: MarkOptions) {
    this.#options = options;
    // Twice as many as the index has: what an image needs and nobody has must be counted, not forgotten.
    this.#table = SessionSegments.create({ expected: options.expected, maximum: options.expected * 2 + 1024 });
  }

  has(fingerprint: Uint8Array, at: number): boolean {
    return this.#table.has(fingerprint, at);
  }

  image({ fingerprint, pageBytes, level }: ImageRoot): Promise<void> {
    return this.#entryPage(bytesOfHex(fingerprint) as Fingerprint, pageBytes, level);
  }

  /** True when it is met for the first time. */
  #add(fingerprint: Uint8Array, at = 0): boolean {
    const isNew = this.#table.insert(fingerprint, at);
    if (isNew && isInShare(this.#options.share, fingerprint, at)) this.count++;
    return isNew;
  }

  async #entryPage(fingerprint: Fingerprint, pageBytes: number, level: number): Promise<void> {
    if (!this.#add(fingerprint)) return;
    await this.#options.turn();
    const page = await this.#options.source.loadPage("page", fingerprint, pageBytes);
    if (level > 0) {
      for (const child of decodeIndexPage(page, level)) await this.#entryPage(child.fingerprint, child.pageBytes, level - 1);
      return;
    }
    // The cursor is used again while the lists are looked at.
    for (const list of this.#entries(page)) await this.#listPage(list.fingerprint, list.pageBytes, list.level);
  }

  #entries(page: Uint8Array): readonly SegmentListRoot[] {
    const cursor = this.#cursor;
    const lists: SegmentListRoot[] = [];
    cursor.open(page);
    while (cursor.next()) {
      const body = readEntryBody(cursor.body());
      for (const reference of body.segments ?? []) this.#reference(reference);
      if (body.storedAttributes !== undefined) this.#reference(body.storedAttributes);
      if (body.segmentList !== undefined) {
        const { fingerprint, pageBytes, level } = body.segmentList;
        lists.push({ fingerprint: new Uint8Array(fingerprint) as Fingerprint, pageBytes, level });
      }
    }
    return lists;
  }

  async #listPage(fingerprint: Fingerprint, pageBytes: number, level: number): Promise<void> {
    if (!this.#add(fingerprint)) return;
    await this.#options.turn();
    const page = await this.#options.source.loadPage("list", fingerprint, pageBytes);
    if (level === 0) for (const reference of decodeListLeaf(page)) this.#reference(reference);
    else for (const child of decodeListIndex(page, level)) await this.#listPage(child.fingerprint, child.pageBytes, level - 1);
  }

  #reference(reference: SegmentReference): void {
    if (reference.kind !== "data" || reference.fingerprint.length !== FINGERPRINT_BYTES) return;
    if (isInShare(this.#options.share, reference.fingerprint)) this.#add(reference.fingerprint);
  }
}
