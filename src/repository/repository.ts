// What the room offers: our data at rest. Everything else in this folder is private to it.

export { BaseImage } from "./base-image.ts";
export type { RangePiece } from "./base-image.ts";
export { EntryTreeWriter, pagesOf } from "./entry-tree.ts";
export type { EntryTreeRoot, PositionedPage } from "./entry-tree.ts";
export { ImageBuilder } from "./image-builder.ts";
export type { ImageBuilderOptions } from "./image-builder.ts";
export type { PageKind, PageSink, PageSource } from "./pages.ts";
export { segmentsOf } from "./segment-list-tree.ts";
export type { SegmentSink } from "./segment-sink.ts";
