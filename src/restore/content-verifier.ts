// Serves the tasks "verify": reads restored files back and compares each segment with its fingerprint, holes with zeros.

import type { ByteReader } from "../base/bytes.ts";
import { readPackedReferences } from "../formats/segment-reference.ts";
import { KIND_FILE, newStatBuffer } from "../platform/file-tree.ts";
import type { FileHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import { ContentCheck } from "./content-check.ts";
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

export class ContentVerifier {
  readonly #parts: ContentVerifierParts;
  readonly #stat: StatBuffer = newStatBuffer();
  readonly #check: ContentCheck;

  constructor(parts: ContentVerifierParts) {
    const { tree, fingerprinter, results } = parts;
    this.#parts = parts;
    this.#check = new ContentCheck({ tree, fingerprinter, onBytes: (bytes) => (results.totals.bytesDone += bytes) });
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
    this.#parts.tree.statHandle(handle, this.#stat);
    const { kind, sizeBytes } = this.#stat;
    if (kind !== KIND_FILE) return false;
    const end = this.#check.matches(handle, from, readPackedReferences(references), sizeBytes);
    return end !== undefined && (!isEnd || end === sizeBytes);
  }
}
