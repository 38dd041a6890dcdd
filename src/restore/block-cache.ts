// Blocks as a writing thread reads them: the last one stays at hand, because what follows is often in it too, and its memory
// is given back when the next one comes.

import { HoldfastError } from "../base/errors.ts";
import { releaseNow } from "../engine/engine.ts";
import { BLOCK_DATA } from "../formats/block.ts";
import type { BlockIdentity } from "../formats/block.ts";
import type { SegmentLocation } from "../repository/repository.ts";
import type { BlockSource, ContentFingerprinter } from "./parts.ts";
import { isSameBlock } from "./segment-places.ts";

/** Why a segment cannot be had from a place: the whole block cannot, or only this segment of it. */
export class BadPlace extends Error {
  override readonly name = "BadPlace";
  readonly location: SegmentLocation;
  readonly code: string;
  readonly isWholeBlock: boolean;

  constructor(location: SegmentLocation, code: string, isWholeBlock: boolean) {
    super(`${code} at byte ${location.blockOffset} of container ${location.container}`);
    this.location = location;
    this.code = code;
    this.isWholeBlock = isWholeBlock;
  }
}

export class BlockCache {
  readonly #source: BlockSource;
  readonly #fingerprinter: ContentFingerprinter;
  #location: SegmentLocation | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  #failure: BadPlace | undefined;

  constructor(source: BlockSource, fingerprinter: ContentFingerprinter) {
    this.#source = source;
    this.#fingerprinter = fingerprinter;
  }

  /** Whether a segment of the block can be had without waiting. */
  holds(location: SegmentLocation): boolean {
    return this.#location !== undefined && isSameBlock(this.#location, location);
  }

  /** Reads the block, so that `segment` can be called for what lies in it. Never throws for the repository: `segment` does. */
  async load(location: SegmentLocation): Promise<void> {
    if (this.holds(location)) return;
    this.clear();
    try {
      this.#bytes = await this.#source.readBlock(BLOCK_DATA, location);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#failure = new BadPlace(location, error.code, true);
    }
    // The bytes of a location belong to a task, which ends before the cache does.
    this.#location = { ...location, identity: new Uint8Array(location.identity) as Uint8Array as BlockIdentity };
  }

  /** A view of a segment of the loaded block, compared with its fingerprint. Throws BadPlace. */
  segment(location: SegmentLocation, offset: number, length: number, fingerprint: Uint8Array): Uint8Array {
    if (this.#failure !== undefined) throw this.#failure;
    const bytes = this.#bytes.subarray(offset, offset + length);
    if (bytes.length === length && this.#fingerprinter.matches(bytes, fingerprint)) return bytes;
    throw new BadPlace({ ...location, offset, length }, "REPOSITORY_DAMAGED", false);
  }

  /** A copy of a segment from the first of its places that has it. Throws the last BadPlace. */
  async anyCopy(locations: readonly SegmentLocation[], fingerprint: Uint8Array): Promise<Uint8Array> {
    let failure: BadPlace | undefined;
    for (const location of locations) {
      const { offset, length } = location;
      await this.load(location);
      try {
        // Not `slice`, which of a Buffer is no copy.
        return new Uint8Array(this.segment(location, offset, length, fingerprint));
      } catch (error) {
        if (!(error instanceof BadPlace)) throw error;
        failure = error;
      }
    }
    throw failure ?? new BadPlace(NOWHERE, "SEGMENT_MISSING", true);
  }

  clear(): void {
    releaseNow(this.#bytes);
    this.#bytes = new Uint8Array(0);
    this.#location = undefined;
    this.#failure = undefined;
  }
}

const NOWHERE = { container: "", blockOffset: 0 } as unknown as SegmentLocation;
