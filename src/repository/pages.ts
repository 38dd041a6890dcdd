// Where the pages of images come from and go to. Pages are segments of their own kinds, so equal pages are
// stored once and a fingerprint is proof of the bytes.

import type { Fingerprint } from "../base/fingerprint.ts";

/** Entry pages and segment list pages have fingerprint keys of their own: one can never pass for the other. */
export type PageKind = "page" | "list";

export interface PageSource {
  /** The page with this fingerprint, checked; SEGMENT_MISSING when no copy can be found. */
  loadPage(kind: PageKind, fingerprint: Fingerprint, pageBytes: number): Promise<Uint8Array>;
}

export interface PageSink {
  /** Stores the page unless it is there already. It is durable after the next flush of whatever stands behind. */
  storePage(kind: PageKind, bytes: Uint8Array): Fingerprint;
}
