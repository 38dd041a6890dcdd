// What one backup has added to the repository: only the receiving half can tell.

import type { ImageStatistics } from "../model/image.ts";
import type { WrittenContainer } from "../repository/repository.ts";

export class StoredCounts {
  #containers = 0;
  #segments = 0;
  #storedBytes = 0;
  #plainBytes = 0;

  /** A container is durable. */
  add({ contents, storedBytes, plainBytes }: WrittenContainer): void {
    this.#containers++;
    this.#segments += contents.segments.lengths.length;
    this.#storedBytes += storedBytes;
    this.#plainBytes += plainBytes;
  }

  /** As the repository grew: compressed, sealed, pages and directories included. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /** Before compression. */
  get plainBytes(): number {
    return this.#plainBytes;
  }

  /** The figures of an image of so many entries: `sent` but for what is known here. */
  complete(sent: ImageStatistics, entryCount: number): ImageStatistics {
    return {
      ...sent,
      unchangedEntries: Math.max(0, entryCount - sent.newEntries - sent.changedEntries),
      newBytes: this.#plainBytes,
      addedBytes: this.#storedBytes,
      newSegments: this.#segments,
      newContainers: this.#containers,
    };
  }
}
