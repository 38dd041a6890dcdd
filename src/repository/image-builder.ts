// Builds the pages of one image from entries and from ranges of earlier images. Both halves of a backup run it
// over the same messages: the server to store the image, the client to write its track log. Equal input gives
// equal pages.

import { assert } from "../base/assert.ts";
import { ByteWriter, viewOf } from "../base/bytes.ts";
import { ENTRY_FIXED_BYTES, PART_SEGMENTS, PART_SEGMENT_LIST } from "../formats/entry.ts";
import type { PageReference } from "../formats/entry-page.ts";
import { writeSegmentReference } from "../formats/segment-reference.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import type { BaseImage } from "./base-image.ts";
import { EntryTreeWriter } from "./entry-tree.ts";
import type { EntryTreeRoot, PositionedPage } from "./entry-tree.ts";
import type { PageSink } from "./pages.ts";
import { FileContentBuilder } from "./segment-list-tree.ts";

export interface ImageBuilderOptions {
  readonly sink: PageSink;
  /** Sees each page of entries that is built here. */
  readonly onPageBuilt?: (reference: PageReference, bytes: Uint8Array) => void;
  /** Sees each page of entries that is taken over by reference. */
  readonly onPageTaken?: (page: PositionedPage, base: BaseImage) => Promise<void> | void;
}

export class ImageBuilder {
  readonly #options: ImageBuilderOptions;
  readonly #tree: EntryTreeWriter;
  readonly #completed = new ByteWriter(1024);
  #open: { readonly path: Uint8Array; readonly body: Uint8Array; readonly content: FileContentBuilder } | undefined;

  constructor(options: ImageBuilderOptions) {
    this.#options = options;
    this.#tree = new EntryTreeWriter(options.sink, (bytes, reference) => options.onPageBuilt?.(reference, bytes));
  }

  /** Inside an entry whose content is still coming. */
  get isInsideContent(): boolean {
    return this.#open !== undefined;
  }

  addEntry(path: Uint8Array, body: Uint8Array): void {
    assert(this.#open === undefined && body.length >= ENTRY_FIXED_BYTES, "a complete entry, after a complete entry");
    this.#tree.addEntry(path, path.length, body, 0, body.length);
  }

  /** Begins an entry whose references follow: `body` has no content parts yet. */
  beginContent(path: Uint8Array, body: Uint8Array): void {
    assert(this.#open === undefined && body.length >= ENTRY_FIXED_BYTES, "an entry begins after a complete entry");
    this.#open = { path: path.slice(), body: body.slice(), content: new FileContentBuilder(this.#options.sink) };
  }

  addContent(segment: SegmentReference): void {
    assert(this.#open !== undefined, "content belongs to an entry");
    this.#open.content.add(segment);
  }

  /** The complete body, valid until the next call. */
  endContent(): Uint8Array {
    assert(this.#open !== undefined, "content belongs to an entry");
    const { path, body, content } = this.#open;
    this.#open = undefined;
    const complete = this.#withContent(body, content);
    this.#tree.addEntry(path, path.length, complete, 0, complete.length);
    return complete;
  }

  /** The content parts are the last ones of a body, so they can be appended to one that was made without them. */
  #withContent(body: Uint8Array, content: FileContentBuilder): Uint8Array {
    const result = content.finish();
    const writer = this.#completed;
    const parts = viewOf(body).getUint32(4, true);
    writer.clear();
    writer.bytes(body);
    if (result.kind === "segments") {
      if (result.segments.length === 0) return writer.peek();
      writer.patchU32(4, parts | PART_SEGMENTS);
      writer.u16(result.segments.length);
      for (const segment of result.segments) writeSegmentReference(writer, segment);
    } else {
      writer.patchU32(4, parts | PART_SEGMENT_LIST);
      writer.u32(result.list.pageBytes).u8(result.list.level).zeros(3).bytes(result.list.fingerprint);
    }
    return writer.peek();
  }

  /** Resolves with the number of entries taken over, fewer than `count` when the base cannot be read from there on. */
  takeOver(base: BaseImage, first: number, count: number): Promise<number> {
    assert(this.#open === undefined, "a range begins after a complete entry");
    return base.appendTo(this.#tree, first, count, (page) => this.#options.onPageTaken?.(page, base));
  }

  /** The root so far; building goes on. */
  checkpoint(): EntryTreeRoot | undefined {
    return this.#tree.checkpoint();
  }

  finish(): EntryTreeRoot | undefined {
    assert(this.#open === undefined, "an image ends after a complete entry");
    return this.#tree.finish();
  }
}
