// Reads segments back: look up, read the block, open it, check the fingerprint. Every copy is tried before a segment
// counts as lost. Meant for pages and other small things that are asked for one by one; restores plan instead.

import { HoldfastError, hasCode } from "../base/errors.ts";
import { hexOf } from "../base/bytes.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import type { Fingerprinter } from "../engine/engine.ts";
import { BLOCK_DATA, BLOCK_METADATA } from "../formats/block.ts";
import type { BlockKind } from "../formats/block.ts";
import { isRunVanished } from "./central-index.ts";
import type { CentralIndex, SegmentLocation } from "./central-index.ts";
import type { FingerprintKind } from "./key-ring.ts";
import type { PageKind, PageSource } from "./pages.ts";

/** The plain bytes of a block; throws what is wrong with it. */
export interface BlockSource {
  readBlock(kind: BlockKind, location: SegmentLocation): Promise<Uint8Array>;
}

export interface SegmentReaderParts {
  readonly index: CentralIndex;
  readonly blocks: BlockSource;
  readonly fingerprinters: Readonly<Record<FingerprintKind, Fingerprinter>>;
}

/** Opened blocks kept at hand: neighbouring pages lie in the same block. */
const CACHE_BYTES = 24 * 1024 * 1024;

export class SegmentReader implements PageSource {
  readonly #parts: SegmentReaderParts;
  readonly #cache = new Map<string, Uint8Array>();
  #cachedBytes = 0;

  constructor(parts: SegmentReaderParts) {
    this.#parts = parts;
  }

  async loadPage(kind: PageKind, fingerprint: Fingerprint, pageBytes: number): Promise<Uint8Array> {
    const bytes = await this.load(kind, fingerprint);
    if (bytes.length === pageBytes) return bytes;
    throw new HoldfastError("REPOSITORY_DAMAGED", {
      message: `Page ${hexOf(fingerprint)} has ${bytes.length} bytes, ${pageBytes} were expected`,
    });
  }

  /** The segment, a view that must not be written to. SEGMENT_MISSING, or what is wrong with its last copy. */
  async load(kind: FingerprintKind, fingerprint: Fingerprint): Promise<Uint8Array> {
    try {
      return await this.#loadOnce(kind, fingerprint);
    } catch (error) {
      // A collection may have moved it to another container since the index was opened.
      if (!hasCode(error, "SEGMENT_MISSING") || !this.#parts.index.refresh()) throw error;
      return this.#loadOnce(kind, fingerprint);
    }
  }

  async #loadOnce(kind: FingerprintKind, fingerprint: Fingerprint): Promise<Uint8Array> {
    const locations = this.#locate(fingerprint);
    let failure: unknown;
    for (const location of locations) {
      try {
        const block = await this.#block(kind === "data" ? BLOCK_DATA : BLOCK_METADATA, location);
        const bytes = block.subarray(location.offset, location.offset + location.length);
        if (this.#parts.fingerprinters[kind].matches(bytes, fingerprint)) return bytes;
        failure = new HoldfastError("REPOSITORY_DAMAGED", {
          message: `Container ${location.container}: the segment at byte ${location.offset} of the block at ${location.blockOffset} is not the one the index names`,
        });
      } catch (error) {
        failure = error;
      }
    }
    if (locations.length > 0) throw failure;
    throw new HoldfastError("SEGMENT_MISSING", {
      message: `The repository holds no segment ${hexOf(fingerprint)} (${kind})`,
      hint: "Run `holdfast rebuild-index`; if that does not find it, `holdfast verify` shows what is affected.",
    });
  }

  #locate(fingerprint: Fingerprint): readonly SegmentLocation[] {
    const { index } = this.#parts;
    try {
      const locations = index.findAll(fingerprint);
      // Another process may have stored it since the index was opened.
      if (locations.length > 0 || !index.refresh()) return locations;
    } catch (error) {
      if (!isRunVanished(error)) throw error;
      index.refresh();
    }
    return index.findAll(fingerprint);
  }

  async #block(kind: BlockKind, location: SegmentLocation): Promise<Uint8Array> {
    const key = `${location.volumeId} ${location.container} ${location.blockOffset}`;
    const cached = this.#cache.get(key);
    if (cached !== undefined) {
      // The most recently used come last.
      this.#cache.delete(key);
      this.#cache.set(key, cached);
      return cached;
    }
    const block = await this.#parts.blocks.readBlock(kind, location);
    this.#cache.set(key, block);
    this.#cachedBytes += block.length;
    for (const [oldest, bytes] of this.#cache) {
      if (this.#cachedBytes <= CACHE_BYTES) break;
      this.#cache.delete(oldest);
      this.#cachedBytes -= bytes.length;
    }
    return block;
  }
}
