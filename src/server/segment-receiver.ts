// Takes segments that somebody else has read and compressed, in a worker thread: opens each block, compares every segment with its
// fingerprint, and stores the block as it came.

import { HoldfastError } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import { hexOf } from "../base/bytes.ts";
import { decompressBlock, releaseNow } from "../engine/engine.ts";
import type { Fingerprinter } from "../engine/engine.ts";
import { decodeSegmentBlock } from "../formats/segment-transfer.ts";
import type { SegmentBlock } from "../formats/segment-transfer.ts";
import type { SegmentWriter } from "../repository/repository.ts";

export class SegmentReceiver {
  readonly #writer: Pick<SegmentWriter, "putBlock" | "settle" | "flush">;
  readonly #fingerprinter: Fingerprinter;

  /** `fingerprinter`: with the key of file content. */
  constructor(writer: Pick<SegmentWriter, "putBlock" | "settle" | "flush">, fingerprinter: Fingerprinter) {
    this.#writer = writer;
    this.#fingerprinter = fingerprinter;
  }

  /** Stores one block; a second one of the same segments has no effect. FORMAT_INVALID, and then nothing of it is stored. */
  async serve(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const block = decodeSegmentBlock(bytes);
    const plain = decompressBlock(block.payload);
    this.#requireFingerprints(block, plain);
    this.#writer.putBlock(block, { ...block.payload, plain });
    if (plain.buffer !== block.payload.bytes.buffer) releaseNow(plain);
    await this.#writer.settle();
    return new Uint8Array(0);
  }

  flush(): Promise<void> {
    return this.#writer.flush();
  }

  #requireFingerprints({ fingerprints, lengths, count }: SegmentBlock, plain: Uint8Array): void {
    let position = 0;
    for (let i = 0; i < count; i++) {
      const end = position + (lengths[i] as number);
      if (!this.#fingerprinter.matches(plain.subarray(position, end), fingerprints, i * FINGERPRINT_BYTES)) {
        throw mismatch(fingerprints.subarray(i * FINGERPRINT_BYTES, (i + 1) * FINGERPRINT_BYTES));
      }
      position = end;
    }
  }
}

function mismatch(fingerprint: Uint8Array): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", {
    message: `Cannot take a block of segments: one is not what its fingerprint ${hexOf(fingerprint).slice(0, 16)}… says`,
    hint: "The sending half is faulty, or its memory is. Nothing of the block was stored.",
  });
}
