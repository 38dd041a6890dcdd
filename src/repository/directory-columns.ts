// The directory of a container while it is filled: columns that grow.

import type { BlockIdentity } from "../formats/block.ts";
import { BLOCK_IDENTITY_BYTES } from "../formats/block.ts";
import type { ContainerDirectory } from "../formats/container-directory.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";

interface AddedBlock {
  readonly offset: number;
  readonly storedLength: number;
  readonly plainLength: number;
  readonly identity: BlockIdentity;
  readonly kind: number;
}

interface AddedSegments {
  readonly count: number;
  readonly fingerprints: Uint8Array;
  readonly lengths: Uint32Array;
}

export class DirectoryColumns {
  #blockCount = 0;
  #segmentCount = 0;
  #offsets = new Uint32Array(64);
  #storedLengths = new Uint32Array(64);
  #plainLengths = new Uint32Array(64);
  #segmentCounts = new Uint32Array(64);
  #kinds = new Uint8Array(64);
  #identities = new Uint8Array(64 * BLOCK_IDENTITY_BYTES);
  #fingerprints = new Uint8Array(256 * FINGERPRINT_BYTES);
  #lengths = new Uint32Array(256);

  get blockCount(): number {
    return this.#blockCount;
  }

  get segmentCount(): number {
    return this.#segmentCount;
  }

  /** Copies everything; returns the block's ordinal. */
  add(block: AddedBlock, segments: AddedSegments): number {
    const ordinal = this.#blockCount;
    if (ordinal === this.#offsets.length) this.#growBlocks(ordinal * 2);
    this.#offsets[ordinal] = block.offset;
    this.#storedLengths[ordinal] = block.storedLength;
    this.#plainLengths[ordinal] = block.plainLength;
    this.#segmentCounts[ordinal] = segments.count;
    this.#kinds[ordinal] = block.kind;
    this.#identities.set(block.identity, ordinal * BLOCK_IDENTITY_BYTES);

    const first = this.#segmentCount;
    const end = first + segments.count;
    if (end > this.#lengths.length) this.#growSegments(Math.max(end, this.#lengths.length * 2));
    this.#fingerprints.set(segments.fingerprints.subarray(0, segments.count * FINGERPRINT_BYTES), first * FINGERPRINT_BYTES);
    this.#lengths.set(segments.lengths.subarray(0, segments.count), first);
    this.#blockCount = ordinal + 1;
    this.#segmentCount = end;
    return ordinal;
  }

  /** The directory in arrays of exactly its size. */
  take(): ContainerDirectory {
    const [blocks, segments] = [this.#blockCount, this.#segmentCount];
    return {
      blocks: {
        offsets: this.#offsets.slice(0, blocks),
        storedLengths: this.#storedLengths.slice(0, blocks),
        plainLengths: this.#plainLengths.slice(0, blocks),
        identities: this.#identities.slice(0, blocks * BLOCK_IDENTITY_BYTES),
        kinds: this.#kinds.slice(0, blocks),
        segmentCounts: this.#segmentCounts.slice(0, blocks),
      },
      segments: {
        fingerprints: this.#fingerprints.slice(0, segments * FINGERPRINT_BYTES),
        lengths: this.#lengths.slice(0, segments),
      },
    };
  }

  #growBlocks(capacity: number): void {
    this.#offsets = grown(this.#offsets, capacity);
    this.#storedLengths = grown(this.#storedLengths, capacity);
    this.#plainLengths = grown(this.#plainLengths, capacity);
    this.#segmentCounts = grown(this.#segmentCounts, capacity);
    this.#kinds = grown(this.#kinds, capacity);
    this.#identities = grown(this.#identities, capacity * BLOCK_IDENTITY_BYTES);
  }

  #growSegments(capacity: number): void {
    this.#fingerprints = grown(this.#fingerprints, capacity * FINGERPRINT_BYTES);
    this.#lengths = grown(this.#lengths, capacity);
  }
}

function grown<Column extends Uint32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(column: Column, length: number): Column {
  const larger = (column instanceof Uint32Array ? new Uint32Array(length) : new Uint8Array(length)) as Column;
  larger.set(column);
  return larger;
}
