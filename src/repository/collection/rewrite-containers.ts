// Writes what is still needed of some containers into new ones. Every block is opened and every segment that is taken is
// compared with its fingerprint: damage must not be carried on, and ends the collection. A block that is needed as a
// whole is then copied sealed; the segments of others are grouped into new blocks.

import { hexOf } from "../../base/bytes.ts";
import { HoldfastError } from "../../base/errors.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import type { Fingerprint } from "../../base/fingerprint.ts";
import { BlockSealer } from "../../engine/engine.ts";
import type { Fingerprinter, LoadBlake } from "../../engine/engine.ts";
import { BLOCK_DATA, BLOCK_IDENTITY_BYTES } from "../../formats/block.ts";
import type { BlockIdentity, BlockKind } from "../../formats/block.ts";
import type { Volume, VolumeId } from "../../media/media.ts";
import type { Random } from "../../platform/random.ts";
import type { ContainerContents } from "../central-index.ts";
import { ContainerReader } from "../container-reader.ts";
import type { ContainerListing } from "../container-reader.ts";
import type { FingerprintKind, KeyRing } from "../key-ring.ts";
import { SegmentWriter } from "../segment-writer.ts";
import { blockOfPlace, offsetOfPlace } from "./census.ts";
import type { CensusContainer } from "./census.ts";

export interface RewriteParts {
  /** To read from. */
  readonly volumes: ReadonlyMap<VolumeId, Volume>;
  /** Writable. */
  readonly target: Volume;
  readonly keyRing: KeyRing;
  readonly random: Random;
  readonly fingerprinters: Readonly<Record<FingerprintKind, Fingerprinter>>;
  readonly loadBlake: LoadBlake;
  readonly signal?: AbortSignal | undefined;
  readonly onContainer?: ((done: number, total: number) => void) | undefined;
  /** A new container is durable; it stays even when the rest fails. */
  readonly onWritten?: ((storedBytes: number) => void) | undefined;
}

export interface Rewritten {
  /** Durable, and in no index yet. */
  readonly containers: readonly ContainerContents[];
  readonly segments: number;
}

/** `places` are those of a census: the segments to take, in ascending order, all of them in `containers`. */
export async function rewriteContainers(
  parts: RewriteParts,
  containers: readonly CensusContainer[],
  places: Float64Array,
): Promise<Rewritten> {
  const rewriter = new Rewriter(parts);
  try {
    let next = 0;
    for (const [done, container] of containers.entries()) {
      parts.signal?.throwIfAborted();
      const end = container.firstBlock + container.blockCount;
      const first = next;
      while (next < places.length && blockOfPlace(places[next]!) < end) next++;
      if (next > first) await rewriter.take(container, places.subarray(first, next));
      parts.onContainer?.(done + 1, containers.length);
    }
    return await rewriter.finish();
  } finally {
    rewriter.discard();
  }
}

class Rewriter {
  readonly #parts: RewriteParts;
  readonly #reader: ContainerReader;
  readonly #writers: Readonly<Record<"data" | "metadata", SegmentWriter>>;
  readonly #written: ContainerContents[] = [];
  #segments = 0;

  constructor(parts: RewriteParts) {
    const { keyRing, random } = parts;
    const { repositoryId, block: blockKey } = keyRing;
    this.#parts = parts;
    this.#reader = new ContainerReader({ repositoryId, sealer: new BlockSealer({ blockKey, repositoryId, random }) });
    this.#writers = { data: this.#writer("data"), metadata: this.#writer("metadata") };
  }

  #writer(kind: "data" | "metadata"): SegmentWriter {
    const { target, keyRing, random, loadBlake } = this.#parts;
    return new SegmentWriter({
      kind,
      volume: target,
      keyRing,
      random,
      loadBlake,
      compression: "default",
      // Each place is taken once, and what is to be taken is to be stored anew wherever else it lies.
      index: { has: () => false },
      session: { insert: () => true },
      onContainer: ({ contents, storedBytes }) => {
        this.#written.push(contents);
        this.#parts.onWritten?.(storedBytes);
      },
    });
  }

  async take(container: CensusContainer, places: Float64Array): Promise<void> {
    const volume = this.#parts.volumes.get(container.volumeId);
    if (volume === undefined) {
      throw new HoldfastError("VOLUME_UNAVAILABLE", {
        message: `Cannot read container ${container.container}: its volume ${container.volumeId} is not available`,
        retry: "later",
        hint: "Nothing was removed. Mount the volume and try again.",
      });
    }
    const listing = await this.#reader.readDirectory(volume, container.container);
    const { blocks } = listing;
    if (blocks.offsets.length !== container.blockCount) throw contradiction(container, "the number of its blocks");
    let next = 0;
    let firstSegment = 0;
    for (let block = 0; block < container.blockCount; block++) {
      const first = next;
      while (next < places.length && blockOfPlace(places[next]!) === container.firstBlock + block) next++;
      const count = blocks.segmentCounts[block]!;
      if (next > first) await this.#takeBlock(volume, listing, block, firstSegment, places.subarray(first, next));
      firstSegment += count;
    }
    if (next !== places.length) throw contradiction(container, "which blocks it has");
  }

  async #takeBlock(
    volume: Volume,
    listing: ContainerListing,
    block: number,
    firstSegment: number,
    places: Float64Array,
  ): Promise<void> {
    const { blocks, segments } = listing;
    const kind = blocks.kinds[block] as BlockKind;
    const identity = blocks.identities.slice(
      block * BLOCK_IDENTITY_BYTES,
      (block + 1) * BLOCK_IDENTITY_BYTES,
    ) as Uint8Array as BlockIdentity;
    const plainLength = blocks.plainLengths[block]!;
    const { sealed, plain } = await this.#reader.readSealedBlock(volume, kind, {
      container: listing.name,
      blockOffset: blocks.offsets[block]!,
      storedLength: blocks.storedLengths[block]!,
      plainLength,
      identity,
    });
    const count = blocks.segmentCounts[block]!;
    const fingerprints = segments.fingerprints.subarray(
      firstSegment * FINGERPRINT_BYTES,
      (firstSegment + count) * FINGERPRINT_BYTES,
    );
    const lengths = segments.lengths.subarray(firstSegment, firstSegment + count);
    const writer = this.#writers[kind === BLOCK_DATA ? "data" : "metadata"];
    const isWhole = places.length === count;
    let next = 0;
    let offset = 0;
    for (let segment = 0; segment < count; segment++) {
      const end = offset + lengths[segment]!;
      if (next < places.length && offsetOfPlace(places[next]!) === offset) {
        const fingerprint = fingerprints.subarray(segment * FINGERPRINT_BYTES, (segment + 1) * FINGERPRINT_BYTES);
        const bytes = plain.subarray(offset, end);
        if (!this.#matches(kind, bytes, fingerprint)) throw damagedSegment(listing, block, fingerprint);
        if (!isWhole) writer.put(fingerprint as Fingerprint, bytes);
        next++;
      }
      offset = end;
    }
    if (next !== places.length) throw contradiction({ container: listing.name }, `the segments of its block ${block}`);
    if (isWhole) writer.putSealedBlock({ count, fingerprints, lengths }, { identity, plainLength, sealed });
    this.#segments += places.length;
    await writer.settle();
  }

  /** A block of metadata holds pages of both kinds; which, only the fingerprint tells. */
  #matches(kind: BlockKind, bytes: Uint8Array, fingerprint: Uint8Array): boolean {
    const { data, page, list } = this.#parts.fingerprinters;
    if (kind === BLOCK_DATA) return data.matches(bytes, fingerprint);
    return page.matches(bytes, fingerprint) || list.matches(bytes, fingerprint);
  }

  async finish(): Promise<Rewritten> {
    await this.#writers.data.flush();
    await this.#writers.metadata.flush();
    return { containers: this.#written, segments: this.#segments };
  }

  discard(): void {
    this.#writers.data.discard();
    this.#writers.metadata.discard();
  }
}

function contradiction({ container }: { readonly container: string }, what: string): HoldfastError {
  return new HoldfastError("REPOSITORY_DAMAGED", {
    message: `The index and container ${container} do not agree about ${what}`,
    context: { container },
    hint: "Nothing was removed. Run `holdfast rebuild-index`, then try again.",
  });
}

function damagedSegment(listing: ContainerListing, block: number, fingerprint: Uint8Array): HoldfastError {
  return new HoldfastError("REPOSITORY_DAMAGED", {
    message: `Container ${listing.name}: segment ${hexOf(fingerprint)} in the block at byte ${listing.blocks.offsets[block]} is not what its fingerprint says`,
    context: { container: listing.name },
    hint: "Nothing was removed. Run `holdfast verify --read-data`, then `holdfast repair`.",
  });
}
