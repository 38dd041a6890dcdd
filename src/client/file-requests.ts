// Gathers files that are to be read into requests of a good size and hands the answers back to them.

import { assert } from "../base/assert.ts";
import type { BackupStatistics } from "../model/backup-report.ts";
import type { PendingFile } from "./pending.ts";
import { ReadRequestWriter, readResponses } from "./read-protocol.ts";
import type { ReadRequest, SeenFile } from "./read-protocol.ts";
import type { ReaderPool } from "./reader-pool.ts";

const REQUEST_FILES = 256;
const REQUEST_BYTES = 4 * 1024 * 1024;

export interface Stretch {
  readonly from: number;
  readonly to: number;
}

export class FileRequests {
  readonly #pool: ReaderPool;
  readonly #statistics: BackupStatistics;
  readonly #request = new ReadRequestWriter();
  #files: PendingFile[] = [];
  /** For each of the files, which of its responses is asked for. */
  #parts: number[] = [];
  #bytes = 0;

  constructor(pool: ReaderPool, statistics: BackupStatistics) {
    this.#pool = pool;
    this.#statistics = statistics;
  }

  /** Asks for the whole file; the answer will be its only response. `seen` is what the walk saw, where one has been. */
  addWhole(file: PendingFile, seen: SeenFile | undefined): void {
    this.#add(file, 0, { stretch: undefined, seen }, seen?.sizeBytes ?? 0);
  }

  /** Asks for a stretch of the file; the answer will be its response number `part`. */
  addStretch(file: PendingFile, part: number, stretch: Stretch, expectedBytes: number): void {
    this.#add(file, part, { stretch, seen: undefined }, expectedBytes);
  }

  #add(file: PendingFile, part: number, { stretch, seen }: Pick<ReadRequest, "stretch" | "seen">, expectedBytes: number): void {
    file.waitingFor++;
    this.#request.add(file.path, { fixedSegmentBytes: file.fixedSegmentBytes, stretch, seen });
    this.#files.push(file);
    this.#parts.push(part);
    this.#bytes += expectedBytes;
    if (this.#request.count >= REQUEST_FILES || this.#bytes >= REQUEST_BYTES) this.dispatch();
  }

  /** Sends off what is gathered. */
  dispatch(): void {
    if (this.#request.count === 0) return;
    const files = this.#files;
    const parts = this.#parts;
    const bytes = this.#bytes;
    this.#files = [];
    this.#parts = [];
    this.#bytes = 0;
    this.#pool.dispatch(this.#request.take(), bytes, (packed) => {
      let i = 0;
      for (const response of readResponses(packed)) {
        const file = files[i] as PendingFile;
        file.responses[parts[i++] as number] = response;
        file.waitingFor--;
        this.#statistics.bytesRead += response.bytesRead;
      }
      assert(i === files.length, "every requested file is answered");
    });
  }

  /** Resolves when all of the file has been answered. */
  async complete(file: PendingFile): Promise<void> {
    this.dispatch();
    while (file.waitingFor > 0) await this.#pool.progress();
  }
}
