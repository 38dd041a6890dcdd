// Where a segment is stored: once as a value to keep, once as a buffer that a million lookups can share.

import { BLOCK_IDENTITY_BYTES } from "../../formats/block.ts";
import type { BlockIdentity } from "../../formats/block.ts";
import type { ContainerName, VolumeId } from "../../media/volume.ts";

export interface SegmentLocation {
  readonly volumeId: VolumeId;
  readonly container: ContainerName;
  /** Where the sealed block begins in the container file, and its length there. */
  readonly blockOffset: number;
  readonly storedLength: number;
  /** Length of the block's content. */
  readonly plainLength: number;
  readonly identity: BlockIdentity;
  /** Where the segment begins in the block's content, and its length. */
  readonly offset: number;
  readonly length: number;
}

/**
 * Filled by `CentralIndex.locate` without allocating. The ordinals are good until the index is refreshed or closed:
 * equal run and block mean the same block, so neighbouring segments can be recognised without comparing names;
 * `CentralIndex.containerOf` turns run and container into names.
 */
export class LocationBuffer {
  run = 0;
  container = 0;
  block = 0;
  blockOffset = 0;
  storedLength = 0;
  plainLength = 0;
  offset = 0;
  length = 0;
  readonly identity = new Uint8Array(BLOCK_IDENTITY_BYTES) as BlockIdentity;
}
