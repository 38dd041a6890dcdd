// Gathers files that are to be read into requests of a good size and hands the answers back to them.

import { assert } from "../base/assert.ts";
import { equalBytes } from "../base/bytes.ts";
import type { BackupStatistics } from "../model/backup-report.ts";
import { nameStartOf } from "../model/path-order.ts";
import type { PendingFile } from "./pending.ts";
import { ReadRequestWriter, readResponses } from "./read-protocol.ts";
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
  #files: { readonly file: PendingFile; readonly part: number }[] = [];
  #bytes = 0;
  #directory: Uint8Array = new Uint8Array(0);

  constructor(pool: ReaderPool, statistics: BackupStatistics) {
    this.#pool = pool;
    this.#statistics = statistics;
  }

  /** Asks for a file or a stretch of it; the answer will be among its responses. */
  add(file: PendingFile, stretch: Stretch | undefined, expectedBytes: number): void {
    const nameStart = nameStartOf(file.path, file.path.length);
    const part = file.responses.length;
    file.responses.push(undefined);
    file.waitingFor++;
    this.#request.add({
      directory: this.#directoryOf(file.path, nameStart),
      name: file.path.subarray(nameStart),
      fixedSegmentBytes: file.fixedSegmentBytes,
      stretch,
    });
    this.#files.push({ file, part });
    this.#bytes += expectedBytes;
    if (this.#request.count >= REQUEST_FILES || this.#bytes >= REQUEST_BYTES) this.dispatch();
  }

  /** The absolute path of the directory; the same object for files of the same directory. */
  #directoryOf(path: Uint8Array, nameStart: number): Uint8Array {
    const cached = this.#directory;
    const length = Math.max(nameStart, 1);
    if (cached.length === length && equalBytes(cached.subarray(1), path.subarray(0, length - 1))) return cached;
    const directory = new Uint8Array(length);
    directory[0] = 0x2f;
    directory.set(path.subarray(0, length - 1), 1);
    this.#directory = directory;
    return directory;
  }

  /** Sends off what is gathered. */
  dispatch(): void {
    if (this.#request.count === 0) return;
    const files = this.#files;
    const bytes = this.#bytes;
    this.#files = [];
    this.#bytes = 0;
    this.#pool.dispatch(this.#request.take(), bytes, (packed) => {
      let i = 0;
      for (const response of readResponses(packed)) {
        const { file, part } = files[i++] as (typeof files)[number];
        file.responses[part] = response;
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
