// Cuts what comes as a stream, piece by piece, into segments.

import { ByteWriter } from "../base/bytes.ts";
import { writeSegmentReference } from "../formats/segment-reference.ts";
import type { FileReaderParts } from "./file-reader.ts";

export class StreamReader {
  readonly #parts: Pick<FileReaderParts, "cutter" | "fingerprintOf" | "sink">;
  readonly #references = new ByteWriter(4096);
  #filled = 0;

  constructor(parts: Pick<FileReaderParts, "cutter" | "fingerprintOf" | "sink">) {
    this.#parts = parts;
  }

  add(piece: Uint8Array): void {
    const { window } = this.#parts.cutter;
    for (let from = 0; from < piece.length;) {
      const room = Math.min(window.length - this.#filled, piece.length - from);
      window.set(piece.subarray(from, from + room), this.#filled);
      this.#filled += room;
      from += room;
      if (this.#filled === window.length) this.#cut(false);
    }
  }

  /** The references of the whole content, packed. */
  finish(): Uint8Array {
    this.#cut(true);
    return this.#references.take();
  }

  #cut(isAtEnd: boolean): void {
    const { cutter, fingerprintOf, sink } = this.#parts;
    let start = 0;
    while (start < this.#filled) {
      const end = cutter.next(start, this.#filled, isAtEnd);
      if (end < 0) break;
      const bytes = cutter.window.subarray(start, end);
      const fingerprint = fingerprintOf(bytes);
      sink.put(fingerprint, bytes);
      writeSegmentReference(this.#references, { kind: "data", length: bytes.length, fingerprint });
      start = end;
    }
    cutter.window.copyWithin(0, start, this.#filled);
    this.#filled -= start;
  }
}
