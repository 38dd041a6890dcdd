// Blocks of a repository on a server, for a restore: of each block, what the client was granted, in one answer.

import { HoldfastError } from "../../base/errors.ts";
import type { BlockKind } from "../../formats/block.ts";
import { SEGMENTS_ASKED_LIMIT } from "../../formats/granted-pages.ts";
import type { SegmentLocation } from "../../repository/repository.ts";
import type { BlockSource } from "../../restore/restore.ts";
import type { RemoteServer } from "./remote-server.ts";
import type { KnownSegment, SegmentBook } from "./segment-book.ts";

/**
 * The server refuses, or cannot be reached: no matter of this block. Not a HoldfastError itself, so that nobody takes it for a damaged copy
 * and looks for another.
 */
export class ServerFailure extends Error {
  override readonly name = "ServerFailure";
  override readonly cause: HoldfastError;

  constructor(cause: HoldfastError) {
    super(cause.message, { cause });
    this.cause = cause;
  }
}

export class RemoteBlocks implements BlockSource {
  readonly #server: RemoteServer;
  readonly #segments: SegmentBook;

  constructor(server: RemoteServer, segments: SegmentBook) {
    this.#server = server;
    this.#segments = segments;
  }

  /**
   * As long as the block, with zeros where nothing was granted or could be read: whoever uses a segment compares it with its fingerprint.
   */
  async readBlock(_kind: BlockKind, location: SegmentLocation): Promise<Uint8Array> {
    const bytes = new Uint8Array(location.plainLength);
    const known = this.#segments.inBlock(location);
    for (let from = 0; from < known.length; from += SEGMENTS_ASKED_LIMIT) {
      const asked = known.slice(from, from + SEGMENTS_ASKED_LIMIT);
      const found = await this.#server.segments(asked).catch((error: unknown) => {
        throw error instanceof HoldfastError ? new ServerFailure(error) : error;
      });
      asked.forEach((segment, i) => place(bytes, segment, found[i]));
    }
    return bytes;
  }
}

/** What does not fit is not what was asked for. */
function place(block: Uint8Array, { place: at }: KnownSegment, segment: Uint8Array | undefined): void {
  if (at === undefined || segment?.length !== at.length || at.offset + at.length > block.length) return;
  block.set(segment, at.offset);
}
