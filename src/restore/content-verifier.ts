// Serves the tasks "verify": reads restored files back and compares each segment with its fingerprint, holes with zeros.

import type { ByteReader } from "../base/bytes.ts";
import { SEGMENT_LENGTH_LIMIT, readPackedReferences } from "../formats/segment-reference.ts";
import { KIND_FILE, newStatBuffer } from "../platform/file-tree.ts";
import type { FileHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import type { DirectoryPath } from "./directory-path.ts";
import type { DirectoryNote } from "./file-maker.ts";
import { codeOfFailure } from "./entry-writer.ts";
import { joinPath } from "./entry-path.ts";
import type { ContentFingerprinter } from "./parts.ts";
import type { ResultWriter } from "./results.ts";
import { readRecords } from "./tasks.ts";
import type { ContentRecord } from "./tasks.ts";

export interface ContentVerifierParts {
  readonly tree: FileTree;
  readonly directories: DirectoryPath<DirectoryNote>;
  readonly fingerprinter: ContentFingerprinter;
  readonly results: ResultWriter;
}

const FIRST_BUFFER_BYTES = 1024 * 1024;
const ZEROS_BYTES = 1024 * 1024;

export class ContentVerifier {
  readonly #parts: ContentVerifierParts;
  readonly #stat: StatBuffer = newStatBuffer();
  #buffer = new Uint8Array(0);
  #zeros = new Uint8Array(0);

  constructor(parts: ContentVerifierParts) {
    this.#parts = parts;
  }

  serve(reader: ByteReader): void {
    const { results, directories, tree } = this.#parts;
    let directory: Uint8Array = new Uint8Array(0);
    for (const record of readRecords(reader)) {
      if (record.tag === "directory") directory = record.path;
      else if (record.tag !== "content") reader.invalid(`a record "${record.tag}" among contents`);
      else {
        const { content } = record;
        let handle: FileHandle | undefined;
        let code: string | undefined;
        try {
          handle = tree.openFileAt(directories.open(directory, directory.length), content.name);
          if (!this.#isRight(handle, content)) code = "CONTENT_DIFFERS";
        } catch (error) {
          code = codeOfFailure(error);
        } finally {
          if (handle !== undefined) tree.close(handle);
        }
        if (code !== undefined) results.problem(joinPath(directory, content.name), "verify", code);
        else if (content.isWhole) results.totals.verifiedFiles++;
        if (content.isEnd) results.totals.filesDone++;
      }
    }
  }

  #isRight(handle: FileHandle, { from, references, isEnd }: ContentRecord): boolean {
    const { tree, fingerprinter, results } = this.#parts;
    tree.statHandle(handle, this.#stat);
    const { kind, sizeBytes } = this.#stat;
    if (kind !== KIND_FILE) return false;
    let position = from;
    for (const reference of readPackedReferences(references)) {
      const end = position + reference.length;
      if (end > sizeBytes) return false;
      if (reference.kind === "hole") {
        if (!this.#isZero(handle, position, end)) return false;
      } else {
        const bytes = this.#room(reference.length);
        if (tree.read(handle, bytes, position) !== reference.length) return false;
        if (!fingerprinter.matches(bytes, reference.fingerprint)) return false;
      }
      results.totals.bytesDone += reference.length;
      position = end;
    }
    return !isEnd || position === sizeBytes;
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
