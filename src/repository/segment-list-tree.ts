// The content of large files as trees of segment list pages.

import type { Fingerprint } from "../base/fingerprint.ts";
import { INLINE_SEGMENTS_LIMIT } from "../formats/entry.ts";
import type { SegmentListRoot } from "../formats/entry.ts";
import { decodeListIndex, decodeListLeaf, encodeListIndex, encodeListLeaf, listPageEnds } from "../formats/segment-list.ts";
import type { ListPageReference } from "../formats/segment-list.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import { LevelledTree } from "./levelled-tree.ts";
import type { PageSink, PageSource } from "./pages.ts";

export type FileContent =
  | { readonly kind: "segments"; readonly segments: readonly SegmentReference[] }
  | { readonly kind: "list"; readonly list: SegmentListRoot };

/** Gathers the references of one file in order and decides between a short list in the entry and a tree of pages. */
export class FileContentBuilder {
  readonly #sink: PageSink;
  readonly #tree: LevelledTree<ListPageReference>;
  #pending: SegmentReference[] = [];
  #hasPages = false;

  constructor(sink: PageSink) {
    this.#sink = sink;
    this.#tree = new LevelledTree<ListPageReference>({
      storeIndex: (level, children) => {
        const bytes = encodeListIndex(level, children);
        let contentBytes = 0;
        for (const child of children) contentBytes += child.contentBytes;
        return { fingerprint: sink.storePage("list", bytes), pageBytes: bytes.length, contentBytes };
      },
      ends: (child, recordCount) => listPageEnds(child.fingerprint, recordCount),
      sizeOf: () => 0,
    });
  }

  add(reference: SegmentReference): void {
    this.#pending.push(reference);
    const fingerprint = reference.kind === "data" ? reference.fingerprint : undefined;
    if (!listPageEnds(fingerprint, this.#pending.length)) return;
    this.#tree.add(this.#storeLeaf());
    this.#hasPages = true;
  }

  #storeLeaf(): ListPageReference {
    const references = this.#pending;
    this.#pending = [];
    const bytes = encodeListLeaf(references);
    let contentBytes = 0;
    for (const reference of references) contentBytes += reference.length;
    return { fingerprint: this.#sink.storePage("list", bytes), pageBytes: bytes.length, contentBytes };
  }

  finish(): FileContent {
    if (!this.#hasPages && this.#pending.length <= INLINE_SEGMENTS_LIMIT) {
      return { kind: "segments", segments: this.#pending };
    }
    const root = this.#tree.root(this.#pending.length === 0 ? undefined : this.#storeLeaf());
    if (root === undefined) throw new Error("Broken invariant: a list that left the entry has a root");
    const { fingerprint, pageBytes } = root.page;
    return { kind: "list", list: { fingerprint, pageBytes, level: root.level } };
  }
}

/** The references of a file's content in order. */
export async function* segmentsOf(
  source: PageSource,
  content: { readonly segments?: readonly SegmentReference[]; readonly segmentList?: SegmentListRoot },
): AsyncGenerator<readonly SegmentReference[]> {
  if (content.segments !== undefined) yield content.segments;
  if (content.segmentList !== undefined) {
    const { fingerprint, pageBytes, level } = content.segmentList;
    yield* listed(source, fingerprint, pageBytes, level);
  }
}

async function* listed(
  source: PageSource,
  fingerprint: Fingerprint,
  pageBytes: number,
  level: number,
): AsyncGenerator<readonly SegmentReference[]> {
  const page = await source.loadPage("list", fingerprint, pageBytes);
  if (level === 0) {
    yield decodeListLeaf(page);
    return;
  }
  for (const child of decodeListIndex(page, level)) {
    yield* listed(source, child.fingerprint, child.pageBytes, level - 1);
  }
}
