// Compares an open file with what an image says of its content: every segment with its fingerprint, holes with zeros. The
// references of the image say where to cut, so nothing is cut anew.

import { SEGMENT_LENGTH_LIMIT } from "../formats/segment-reference.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import type { FileHandle, FileTree } from "../platform/file-tree.ts";
import type { ContentFingerprinter } from "./parts.ts";

export interface ContentCheckParts {
  readonly tree: FileTree;
  readonly fingerprinter: ContentFingerprinter;
  readonly onBytes: (bytes: number) => void;
}

const FIRST_BUFFER_BYTES = 1024 * 1024;
const ZEROS_BYTES = 1024 * 1024;

/** Keeps buffers of its own, so every thread makes one for itself. */
export class ContentCheck {
  readonly #parts: ContentCheckParts;
  #buffer = new Uint8Array(0);
  #zeros = new Uint8Array(0);

  constructor(parts: ContentCheckParts) {
    this.#parts = parts;
  }

  /** Where the references end when the file, from `from` on, is what they say; undefined when it is not, or ends before. Throws FileTreeErrors. */
  matches(handle: FileHandle, from: number, references: Iterable<SegmentReference>, sizeBytes: number): number | undefined {
    const { tree, fingerprinter, onBytes } = this.#parts;
    let position = from;
    for (const reference of references) {
      const end = position + reference.length;
      if (end > sizeBytes) return undefined;
      if (reference.kind === "hole") {
        if (!this.#isZero(handle, position, end)) return undefined;
      } else {
        const bytes = this.#room(reference.length);
        if (tree.read(handle, bytes, position) !== reference.length) return undefined;
        if (!fingerprinter.matches(bytes, reference.fingerprint)) return undefined;
      }
      onBytes(reference.length);
      position = end;
    }
    return position;
  }

  /** Only where the file system says that there is anything. */
  #isZero(handle: FileHandle, from: number, to: number): boolean {
    const { tree } = this.#parts;
    if (this.#zeros.length === 0) this.#zeros = new Uint8Array(ZEROS_BYTES);
    for (let run = tree.nextData(handle, from, to); run !== undefined; run = tree.nextData(handle, run.end, to)) {
      for (let position = run.start; position < run.end;) {
        const length = Math.min(ZEROS_BYTES, run.end - position);
        const bytes = this.#room(length);
        if (tree.read(handle, bytes, position) !== length) return false;
        if (Buffer.compare(bytes, this.#zeros.subarray(0, length)) !== 0) return false;
        position += length;
      }
    }
    return true;
  }

  #room(length: number): Uint8Array {
    if (this.#buffer.length < length) {
      this.#buffer = new Uint8Array(
        Math.min(SEGMENT_LENGTH_LIMIT, Math.max(length, FIRST_BUFFER_BYTES, this.#buffer.length * 2)),
      );
    }
    return this.#buffer.subarray(0, length);
  }
}
