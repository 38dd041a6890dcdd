// The identity of a block: 16 bytes from the keyed BLAKE3 (key "identity") of its segment table, in block order
//   fingerprint (32) ‖ length (4, little-endian)   for each segment.
// It says what the block holds without saying it to anybody else, and the block's seal is bound to it.

import { assert } from "../base/assert.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import { BLOCK_IDENTITY_BYTES, type BlockIdentity } from "../formats/block.ts";
import { createFingerprinter, type Fingerprinter, type LoadBlake } from "./fingerprint.ts";

const ENTRY_BYTES = FINGERPRINT_BYTES + 4;

/** Keeps buffers of its own, so every thread makes one for itself. */
export class BlockIdentifier {
  readonly #hasher: Fingerprinter;
  readonly #digest = new Uint8Array(FINGERPRINT_BYTES);
  #table = Buffer.alloc(64 * ENTRY_BYTES);

  /** `identityKey` is the 32-byte subkey of purpose "identity". */
  constructor(identityKey: Uint8Array, load?: LoadBlake) {
    this.#hasher = createFingerprinter(identityKey, load);
  }

  /**
   * Of the segments `from` to `from + count` in columns: `fingerprints` with 32 bytes each, `lengths` in plain bytes.
   * The result is a fresh 16 bytes.
   */
  identityOf(fingerprints: Uint8Array, lengths: Uint32Array, from: number, count: number): BlockIdentity {
    assert(
      count > 0 && from + count <= lengths.length && (from + count) * FINGERPRINT_BYTES <= fingerprints.length,
      "the segments exist",
    );
    const bytes = count * ENTRY_BYTES;
    if (this.#table.length < bytes) this.#table = Buffer.alloc(Math.max(bytes, this.#table.length * 2));
    const table = this.#table;
    for (let position = 0; position < count; position++) {
      const segment = from + position;
      table.set(fingerprints.subarray(segment * FINGERPRINT_BYTES, (segment + 1) * FINGERPRINT_BYTES), position * ENTRY_BYTES);
      table.writeUInt32LE(lengths[segment] as number, position * ENTRY_BYTES + FINGERPRINT_BYTES);
    }
    this.#hasher.into(table.subarray(0, bytes), this.#digest, 0);
    return this.#digest.slice(0, BLOCK_IDENTITY_BYTES) as Uint8Array as BlockIdentity;
  }
}
