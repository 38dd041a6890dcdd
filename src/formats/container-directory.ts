// Container directory, version 1 (docs/formats/container.md): the plain bytes of the block of kind 3. Little-endian.
//
//   offset  size  field                   each block                       each segment, in block order
//        0     2  version, 1                 0   4  offset in the file        0  32  fingerprint
//        2     2  reserved, zero             4   4  stored length            32   4  length
//        4     4  number of blocks           8   4  plain length
//        8     4  number of segments        12  16  identity
//       12     …  blocks, 36 bytes each     28   1  kind: 1 data, 2 metadata
//        …     …  segments, 36 bytes each   29   3  reserved, zero
//                                           32   4  number of segments
//
// In memory it is columns, not objects: a container may list 200,000 segments.

import { ByteReader, ByteWriter } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import {
  BLOCK_DATA,
  BLOCK_IDENTITY_BYTES,
  BLOCK_METADATA,
  MAX_BLOCK_PLAIN_BYTES,
  MAX_BLOCK_STORED_BYTES,
  MIN_BLOCK_STORED_BYTES,
  type BlockIdentity,
} from "./block.ts";
import { CONTAINER_HEADER_BYTES } from "./container.ts";

/** Every reader of a directory holds it whole; these keep it below 12 MiB, which also fits one block. */
export const MAX_CONTAINER_BLOCKS = 65_536;
export const MAX_CONTAINER_SEGMENTS = 262_144;
/** So that a writer with room for one more block can take any; and no single block makes a reader check more. */
export const MAX_BLOCK_SEGMENTS = 65_536;

export const DIRECTORY_HEADER_BYTES = 12;
export const DIRECTORY_BLOCK_BYTES = 36;
export const DIRECTORY_SEGMENT_BYTES = 36;

/** One value a block in every column, in the order of the file. */
export interface DirectoryBlocks {
  readonly offsets: Uint32Array<ArrayBuffer>;
  readonly storedLengths: Uint32Array<ArrayBuffer>;
  readonly plainLengths: Uint32Array<ArrayBuffer>;
  /** 16 bytes a block. */
  readonly identities: Uint8Array<ArrayBuffer>;
  readonly kinds: Uint8Array<ArrayBuffer>;
  /** How many segments each block holds, at least one. */
  readonly segmentCounts: Uint32Array<ArrayBuffer>;
}

/** One value a segment in every column, in the order of the blocks and within each. */
export interface DirectorySegments {
  /** 32 bytes a segment. */
  readonly fingerprints: Uint8Array<ArrayBuffer>;
  /** A segment's offset in its block is the sum of the lengths before it. */
  readonly lengths: Uint32Array<ArrayBuffer>;
}

export interface ContainerDirectory {
  readonly blocks: DirectoryBlocks;
  readonly segments: DirectorySegments;
}

/** What header, trailer and file size say about the directory, and it must agree with. */
export interface DirectoryExpectation {
  /** Where the blocks end. */
  readonly directoryOffset: number;
  readonly blockCount: number;
  readonly segmentCount: number;
}

const DIRECTORY_VERSION = 1;

export function directoryBytes(blockCount: number, segmentCount: number): number {
  return DIRECTORY_HEADER_BYTES + blockCount * DIRECTORY_BLOCK_BYTES + segmentCount * DIRECTORY_SEGMENT_BYTES;
}

export function encodeContainerDirectory({ blocks, segments }: ContainerDirectory): Uint8Array<ArrayBuffer> {
  const blockCount = blocks.offsets.length;
  const segmentCount = segments.lengths.length;
  const writer = new ByteWriter(directoryBytes(blockCount, segmentCount));
  writer.u16(DIRECTORY_VERSION).u16(0).u32(blockCount).u32(segmentCount);
  for (let block = 0; block < blockCount; block++) {
    writer.u32(at(blocks.offsets, block)).u32(at(blocks.storedLengths, block)).u32(at(blocks.plainLengths, block));
    writer.bytes(blockIdentityAt(blocks, block)).u8(at(blocks.kinds, block)).zeros(3).u32(at(blocks.segmentCounts, block));
  }
  for (let segment = 0; segment < segmentCount; segment++) {
    const fingerprint = segments.fingerprints.subarray(segment * FINGERPRINT_BYTES, (segment + 1) * FINGERPRINT_BYTES);
    writer.bytes(fingerprint).u32(at(segments.lengths, segment));
  }
  return writer.peek();
}

/**
 * Reads a directory and checks that its blocks fill the container without gap or overlap, and its segments their
 * blocks. `what` names the container in errors.
 */
export function decodeContainerDirectory(bytes: Uint8Array, expected: DirectoryExpectation, what: string): ContainerDirectory {
  const reader = new ByteReader(bytes, `the directory of ${what}`);
  const { blockCount, segmentCount } = decodeCounts(reader, expected, what);
  const blocks: DirectoryBlocks = {
    offsets: new Uint32Array(blockCount),
    storedLengths: new Uint32Array(blockCount),
    plainLengths: new Uint32Array(blockCount),
    identities: new Uint8Array(blockCount * BLOCK_IDENTITY_BYTES),
    kinds: new Uint8Array(blockCount),
    segmentCounts: new Uint32Array(blockCount),
  };
  const segments: DirectorySegments = {
    fingerprints: new Uint8Array(segmentCount * FINGERPRINT_BYTES),
    lengths: new Uint32Array(segmentCount),
  };
  decodeBlocks(reader, blocks, expected);
  decodeSegments(reader, blocks, segments);
  return { blocks, segments };
}

function decodeCounts(
  reader: ByteReader,
  expected: DirectoryExpectation,
  what: string,
): { blockCount: number; segmentCount: number } {
  const version = reader.u16();
  if (version !== DIRECTORY_VERSION) {
    throw new HoldfastError("FORMAT_VERSION", {
      message: `Cannot read the directory of ${what}: its version is ${version}, this program knows ${DIRECTORY_VERSION}`,
      context: { version, known: DIRECTORY_VERSION },
      hint: "Use a newer version of Holdfast.",
    });
  }
  reader.reservedZeros(2);
  const blockCount = reader.u32();
  const segmentCount = reader.u32();
  if (blockCount !== expected.blockCount || segmentCount !== expected.segmentCount) {
    reader.invalid(
      `it lists ${blockCount} blocks and ${segmentCount} segments, the trailer ${expected.blockCount} and ${expected.segmentCount}`,
    );
  }
  if (blockCount < 1 || blockCount > MAX_CONTAINER_BLOCKS)
    reader.invalid(`it lists ${blockCount} blocks, allowed are 1 to ${MAX_CONTAINER_BLOCKS}`);
  if (segmentCount > MAX_CONTAINER_SEGMENTS)
    reader.invalid(`it lists ${segmentCount} segments, the limit is ${MAX_CONTAINER_SEGMENTS}`);
  const rest = blockCount * DIRECTORY_BLOCK_BYTES + segmentCount * DIRECTORY_SEGMENT_BYTES;
  if (rest < reader.remaining) reader.invalid(`${reader.remaining - rest} bytes follow its end`);
  return { blockCount, segmentCount };
}

function decodeBlocks(reader: ByteReader, blocks: DirectoryBlocks, expected: DirectoryExpectation): void {
  let place = CONTAINER_HEADER_BYTES;
  for (let block = 0; block < expected.blockCount; block++) {
    const offset = reader.u32();
    const storedLength = reader.u32();
    const plainLength = reader.u32();
    const identity = reader.bytes(BLOCK_IDENTITY_BYTES);
    const kind = reader.u8();
    reader.reservedZeros(3);
    if (offset !== place) reader.invalid(`block ${block} begins at byte ${offset}, what precedes it ends at ${place}`);
    if (storedLength < MIN_BLOCK_STORED_BYTES || storedLength > MAX_BLOCK_STORED_BYTES)
      reader.invalid(`block ${block} takes ${storedLength} bytes`);
    if (plainLength < 1 || plainLength > MAX_BLOCK_PLAIN_BYTES) reader.invalid(`block ${block} has ${plainLength} plain bytes`);
    if (kind !== BLOCK_DATA && kind !== BLOCK_METADATA) reader.invalid(`block ${block} is of kind ${kind}, known are 1 and 2`);
    blocks.offsets[block] = offset;
    blocks.storedLengths[block] = storedLength;
    blocks.plainLengths[block] = plainLength;
    blocks.identities.set(identity, block * BLOCK_IDENTITY_BYTES);
    blocks.kinds[block] = kind;
    blocks.segmentCounts[block] = reader.u32();
    place += storedLength;
  }
  if (place !== expected.directoryOffset)
    reader.invalid(`its blocks end at byte ${place}, it begins at ${expected.directoryOffset}`);
}

function decodeSegments(reader: ByteReader, blocks: DirectoryBlocks, segments: DirectorySegments): void {
  const segmentCount = segments.lengths.length;
  let segment = 0;
  for (let block = 0; block < blocks.offsets.length; block++) {
    const count = at(blocks.segmentCounts, block);
    if (count < 1 || count > MAX_BLOCK_SEGMENTS)
      reader.invalid(`block ${block} has ${count} segments, allowed are 1 to ${MAX_BLOCK_SEGMENTS}`);
    const end = segment + count;
    if (end > segmentCount) reader.invalid(`block ${block} ends with segment ${end} of ${segmentCount}`);
    let filled = 0;
    for (; segment < end; segment++) {
      segments.fingerprints.set(reader.bytes(FINGERPRINT_BYTES), segment * FINGERPRINT_BYTES);
      const length = reader.u32();
      if (length === 0) reader.invalid(`segment ${segment} is empty`);
      segments.lengths[segment] = length;
      filled += length;
    }
    const plainLength = at(blocks.plainLengths, block);
    if (filled !== plainLength) reader.invalid(`the segments of block ${block} have ${filled} bytes, the block ${plainLength}`);
  }
  if (segment !== segmentCount) reader.invalid(`${segmentCount - segment} segments belong to no block`);
}

/** A view of a block's identity. */
export function blockIdentityAt(blocks: DirectoryBlocks, block: number): BlockIdentity {
  const offset = block * BLOCK_IDENTITY_BYTES;
  return blocks.identities.subarray(offset, offset + BLOCK_IDENTITY_BYTES) as Uint8Array as BlockIdentity;
}

/** An element that is known to exist. */
function at(column: Uint32Array | Uint8Array, position: number): number {
  return column[position] as number;
}
