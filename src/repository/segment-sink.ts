// Where the reading half puts what it has cut and fingerprinted. In one process the sink stores it at once;
// over a network it offers fingerprints and sends what is wanted. The reader cannot tell the difference.

import type { Fingerprint } from "../base/fingerprint.ts";

export interface SegmentSink {
  /**
   * Room of `length` bytes for a small segment, to be read into directly. The view is valid until the next call of
   * any method; nothing is stored unless `keep` follows.
   */
  reserve(length: number): Uint8Array;
  /** Stores the first `length` bytes of the room reserved last, unless the repository has that segment already. */
  keep(fingerprint: Fingerprint, length: number): void;
  /** Stores a segment that lies elsewhere; its bytes are used before the call returns. */
  put(fingerprint: Fingerprint, bytes: Uint8Array): void;
}
