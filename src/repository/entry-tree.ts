// An image's entries as a tree of pages: the writer makes it, page by page or by reference to pages that
// exist; the reader goes through it in order, from any path on.

import { assert } from "../base/assert.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { EntryPageWriter, INDEX_RECORD_FIXED, decodeIndexPage, encodeIndexPage, indexPageEnds } from "../formats/entry-page.ts";
import type { PageReference } from "../formats/entry-page.ts";
import { comparePaths } from "../model/path-order.ts";
import { LevelledTree } from "./levelled-tree.ts";
import type { PageSink, PageSource } from "./pages.ts";

/** Everything needed to read an image's entries. */
export interface EntryTreeRoot {
  readonly fingerprint: Fingerprint;
  readonly pageBytes: number;
  /** 0 when the root is itself a page of entries. */
  readonly level: number;
  readonly entryCount: number;
}

export class EntryTreeWriter {
  readonly #sink: PageSink;
  readonly #onLeaf: ((bytes: Uint8Array, reference: PageReference) => void) | undefined;
  readonly #leaf = new EntryPageWriter();
  readonly #tree: LevelledTree<PageReference>;

  /** `onLeaf` sees every page of entries that is built here, in order: the track log is written from it. */
  constructor(sink: PageSink, onLeaf?: (bytes: Uint8Array, reference: PageReference) => void) {
    this.#sink = sink;
    this.#onLeaf = onLeaf;
    this.#tree = new LevelledTree<PageReference>({
      storeIndex: (level, children) => referenceToIndex(sink, level, children),
      ends: indexPageEnds,
      sizeOf: (child) => INDEX_RECORD_FIXED + child.firstPath.length,
    });
  }

  /** Between two pages: only here can a page be taken over by reference. */
  get atBoundary(): boolean {
    return this.#leaf.entryCount === 0;
  }

  /** Entries come in path order. */
  addEntry(path: Uint8Array, pathLength: number, body: Uint8Array, bodyOffset: number, bodyLength: number): void {
    if (this.#leaf.add(path, pathLength, body, bodyOffset, bodyLength)) this.#endLeaf();
  }

  /** Takes over a page of entries that ended by the cutting rule, without reading it. */
  addPage(reference: PageReference): void {
    assert(this.atBoundary, "a page is taken over between two pages");
    this.#tree.add(reference);
  }

  #endLeaf(): void {
    this.#tree.add(this.#storeLeaf());
  }

  #storeLeaf(): PageReference {
    const { bytes, entryCount, firstPath } = this.#leaf.take();
    const reference = { fingerprint: this.#sink.storePage("page", bytes), pageBytes: bytes.length, entryCount, firstPath };
    this.#onLeaf?.(bytes, reference);
    return reference;
  }

  /** Ends the page under construction, whatever the cutting rule says, and returns the root over all entries. */
  finish(): EntryTreeRoot | undefined {
    const root = this.#tree.root(this.atBoundary ? undefined : this.#storeLeaf());
    if (root === undefined) return undefined;
    const { fingerprint, pageBytes, entryCount } = root.page;
    return { fingerprint, pageBytes, entryCount, level: root.level };
  }

  /** The root over the entries so far. Ends the present page early, which costs one short page; building goes on. */
  checkpoint(): EntryTreeRoot | undefined {
    if (!this.atBoundary) this.#endLeaf();
    return this.finish();
  }
}

function referenceToIndex(sink: PageSink, level: number, children: readonly PageReference[]): PageReference {
  const bytes = encodeIndexPage(level, children);
  let entryCount = 0;
  for (const child of children) entryCount += child.entryCount;
  const firstPath = (children[0] as PageReference).firstPath;
  return { fingerprint: sink.storePage("page", bytes), pageBytes: bytes.length, entryCount, firstPath };
}

/** A page of entries and where its first entry stands in the image, counted from 0. */
export interface PositionedPage extends PageReference {
  readonly firstPosition: number;
}

/**
 * The pages of entries in order; with `from`, beginning with the page that may hold the first path at or after it.
 * Reads index pages only.
 */
export async function* pagesOf(source: PageSource, root: EntryTreeRoot, from?: Uint8Array): AsyncGenerator<PositionedPage> {
  const first: PageReference = { ...root, firstPath: new Uint8Array(0) };
  yield* below(source, first, root.level, 0, from);
}

async function* below(
  source: PageSource,
  reference: PageReference,
  level: number,
  firstPosition: number,
  from: Uint8Array | undefined,
): AsyncGenerator<PositionedPage> {
  if (level === 0) {
    yield { ...reference, firstPosition };
    return;
  }
  const page = await source.loadPage("page", reference.fingerprint, reference.pageBytes);
  const children = decodeIndexPage(page, level);
  let position = firstPosition;
  for (let i = 0; i < children.length; i++) {
    const child = children[i] as PageReference;
    const next = children[i + 1];
    const isBefore =
      from !== undefined && next !== undefined && comparePaths(next.firstPath, next.firstPath.length, from, from.length) <= 0;
    if (!isBefore) yield* below(source, child, level - 1, position, from);
    position += child.entryCount;
  }
}
