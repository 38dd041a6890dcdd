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

/** What neighbouring files need lies in the same blocks. */
const KEPT_BYTES = 64 * 1024 * 1024;

interface KeptBlock {
  readonly bytes: Uint8Array;
  /** Where the segments begin that were asked for. */
  readonly asked: Set<number>;
  /** Ends when they are there. */
  loading: Promise<void>;
}

/** One for all threads of a restore. */
export class RemoteBlocks implements BlockSource {
  readonly #server: RemoteServer;
  readonly #segments: SegmentBook;
  /** The most recently used last. */
  readonly #kept = new Map<string, KeptBlock>();
  #keptBytes = 0;

  constructor(server: RemoteServer, segments: SegmentBook) {
    this.#server = server;
    this.#segments = segments;
  }

  /**
   * As long as the block, with zeros where nothing was granted or could be read: whoever uses a segment compares it with its fingerprint.
   */
  async readBlock(_kind: BlockKind, location: SegmentLocation): Promise<Uint8Array> {
    const key = `${location.volumeId} ${location.container} ${location.blockOffset}`;
    const block = this.#kept.get(key) ?? this.#keep(key, location.plainLength);
    this.#kept.delete(key);
    this.#kept.set(key, block);
    const wanted = this.#segments.inBlock(location).filter(({ place: at }) => at !== undefined && !block.asked.has(at.offset));
    if (wanted.length > 0) {
      for (const { place: at } of wanted) if (at !== undefined) block.asked.add(at.offset);
      const earlier = block.loading;
      block.loading = Promise.all([earlier, this.#fill(block, wanted)]).then(() => undefined);
      // What failed is asked for again by whoever comes next.
      block.loading.catch(() => this.#forget(key, block));
    }
    await block.loading;
    // It is freed after use, and others use it too.
    return block.bytes.slice();
  }

  async #fill({ bytes }: KeptBlock, wanted: readonly KnownSegment[]): Promise<void> {
    for (let from = 0; from < wanted.length; from += SEGMENTS_ASKED_LIMIT) {
      const asked = wanted.slice(from, from + SEGMENTS_ASKED_LIMIT);
      const found = await this.#server.segments(asked).catch((error: unknown) => {
        throw error instanceof HoldfastError ? new ServerFailure(error) : error;
      });
      asked.forEach((segment, i) => place(bytes, segment, found[i]));
    }
  }

  #keep(key: string, plainLength: number): KeptBlock {
    const block: KeptBlock = { bytes: new Uint8Array(plainLength), asked: new Set(), loading: Promise.resolve() };
    this.#kept.set(key, block);
    this.#keptBytes += plainLength;
    for (const [oldest, old] of this.#kept) {
      if (this.#keptBytes <= KEPT_BYTES || old === block) break;
      this.#forget(oldest, old);
    }
    return block;
  }

  #forget(key: string, block: KeptBlock): void {
    if (this.#kept.get(key) !== block) return;
    this.#kept.delete(key);
    this.#keptBytes -= block.bytes.length;
  }
}

/** What does not fit is not what was asked for. */
function place(block: Uint8Array, { place: at }: KnownSegment, segment: Uint8Array | undefined): void {
  if (at === undefined || segment?.length !== at.length || at.offset + at.length > block.length) return;
  block.set(segment, at.offset);
}
