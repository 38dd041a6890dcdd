// What one container holds, packed: the block and segment tables of its directory, in container order.
// The container writer hands this over when a container is published, and reading a container's directory
// gives the same again, so the central index can always be derived from the containers. Typed arrays
// because a container may hold tens of thousands of segments and a rebuild passes millions of them.

import { assert } from "../../base/assert.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import { BLOCK_IDENTITY_BYTES } from "../../formats/block.ts";
import type { ContainerName, VolumeId } from "../../media/volume.ts";

/** One element per block, in the order of the container. Every array has exactly one entry per block. */
export interface PackedBlocks {
  /** Where the sealed block begins in the container file. */
  readonly offsets: Uint32Array;
  /** Sealed length in the container file. */
  readonly storedLengths: Uint32Array;
  /** Length of the block's content: the sum of its segments' lengths. */
  readonly plainLengths: Uint32Array;
  /** 16 bytes per block, concatenated. */
  readonly identities: Uint8Array;
  /** How many of the container's segments lie in this block. */
  readonly segmentCounts: Uint32Array;
}

/** One element per segment, in block order and within a block in the order of the content. */
export interface PackedSegments {
  /** 32 bytes per segment, concatenated. */
  readonly fingerprints: Uint8Array;
  /** Content length. A segment's offset in its block is the sum of the lengths before it. */
  readonly lengths: Uint32Array;
}

export interface ContainerContents {
  readonly volumeId: VolumeId;
  readonly name: ContainerName;
  readonly blocks: PackedBlocks;
  readonly segments: PackedSegments;
}

/** Stops the work when the tables do not fit each other: an index entry made from them would point nowhere. */
export function checkContainerContents(contents: ContainerContents): void {
  const { blocks, segments } = contents;
  const blockCount = blocks.offsets.length;
  assert(/^[0-9a-f]{32}$/.test(contents.volumeId), "a volume identifier is 32 hexadecimal digits");
  assert(/^[0-9a-f]{64}$/.test(contents.name), "a container name is 64 hexadecimal digits");
  assert(blocks.storedLengths.length === blockCount, "every block has a stored length");
  assert(blocks.plainLengths.length === blockCount, "every block has a plain length");
  assert(blocks.segmentCounts.length === blockCount, "every block has a segment count");
  assert(blocks.identities.length === blockCount * BLOCK_IDENTITY_BYTES, "every block has an identity of 16 bytes");
  const segmentCount = segments.lengths.length;
  assert(segments.fingerprints.length === segmentCount * FINGERPRINT_BYTES, "every segment has a fingerprint of 32 bytes");

  let segment = 0;
  for (let block = 0; block < blockCount; block++) {
    const end = segment + blocks.segmentCounts[block]!;
    assert(end <= segmentCount, "the blocks' segment counts add up to the number of segments");
    let length = 0;
    for (; segment < end; segment++) length += segments.lengths[segment]!;
    assert(length === blocks.plainLengths[block], "a block's plain length is the sum of its segments' lengths");
  }
  assert(segment === segmentCount, "the blocks' segment counts add up to the number of segments");
}
