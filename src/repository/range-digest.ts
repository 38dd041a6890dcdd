// The fingerprint of a range of entries, by which a claim is checked (docs/formats/stream.md). Both halves
// compute it from their own copy of the base image's pages: a page wholly inside the range counts by its
// fingerprint, so a range of a million entries costs a few thousand hashes of nothing but fingerprints.

import { ByteWriter } from "../base/bytes.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import type { EntryPageCursor } from "../formats/entry-page.ts";

const WHOLE_PAGE = 1;
const RECORDS = 2;

export class RangeDigest {
  readonly #fingerprintOf: (bytes: Uint8Array) => Fingerprint;
  readonly #tokens = new ByteWriter(4096);
  readonly #records = new ByteWriter(4096);
  #recordCount = 0;

  /** `fingerprintOf` uses the key of entry pages. */
  constructor(fingerprintOf: (bytes: Uint8Array) => Fingerprint) {
    this.#fingerprintOf = fingerprintOf;
  }

  addPage(fingerprint: Fingerprint): void {
    this.endPage();
    this.#tokens.u8(WHOLE_PAGE).bytes(fingerprint);
  }

  /** The present entry of the cursor, from a page that is only partly in the range. */
  addRecord(cursor: EntryPageCursor): void {
    this.#records.u16(cursor.pathLength).bytes(cursor.path.subarray(0, cursor.pathLength));
    this.#records.u16(cursor.bodyLength).bytes(cursor.body());
    this.#recordCount++;
  }

  /** Call after a partly covered page: each contributes a token of its own. */
  endPage(): void {
    if (this.#recordCount === 0) return;
    this.#tokens.u8(RECORDS).u32(this.#recordCount).bytes(this.#fingerprintOf(this.#records.peek()));
    this.#records.clear();
    this.#recordCount = 0;
  }

  /** The digest of all that was added; the object begins anew. */
  take(): Fingerprint {
    this.endPage();
    const digest = this.#fingerprintOf(this.#tokens.peek());
    this.#tokens.clear();
    return digest;
  }
}
