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

export const DIRECTORY_HEADER_BYTES = 12;
export const DIRECTORY_BLOCK_BYTES = 36;
export const DIRECTORY_SEGMENT_BYTES = 36;

/** The blocks of a container in the order they lie in it, and the segments of each. Columns have exactly one value each. */
export interface ContainerDirectory {
  readonly blockCount: number;
  readonly segmentCount: number;
  readonly blockOffsets: Uint32Array<ArrayBuffer>;
  readonly storedLengths: Uint32Array<ArrayBuffer>;
  readonly plainLengths: Uint32Array<ArrayBuffer>;
  /** 16 bytes a block. */
  readonly identities: Uint8Array<ArrayBuffer>;
  readonly kinds: Uint8Array<ArrayBuffer>;
  /** How many segments each block holds, at least one. */
  readonly blockSegmentCounts: Uint32Array<ArrayBuffer>;
  /** 32 bytes a segment. */
  readonly fingerprints: Uint8Array<ArrayBuffer>;
  readonly segmentLengths: Uint32Array<ArrayBuffer>;
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

export function encodeContainerDirectory(directory: ContainerDirectory): Uint8Array<ArrayBuffer> {
  const { blockCount, segmentCount } = directory;
  const writer = new ByteWriter(directoryBytes(blockCount, segmentCount));
  writer.u16(DIRECTORY_VERSION).u16(0).u32(blockCount).u32(segmentCount);
  for (let block = 0; block < blockCount; block++) {
    writer.u32(at(directory.blockOffsets, block)).u32(at(directory.storedLengths, block)).u32(at(directory.plainLengths, block));
    writer.bytes(blockIdentityAt(directory, block)).u8(at(directory.kinds, block)).zeros(3);
    writer.u32(at(directory.blockSegmentCounts, block));
  }
  for (let segment = 0; segment < segmentCount; segment++) {
    const fingerprint = directory.fingerprints.subarray(segment * FINGERPRINT_BYTES, (segment + 1) * FINGERPRINT_BYTES);
    writer.bytes(fingerprint).u32(at(directory.segmentLengths, segment));
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
  const directory: ContainerDirectory = {
    blockCount,
    segmentCount,
    blockOffsets: new Uint32Array(blockCount),
    storedLengths: new Uint32Array(blockCount),
    plainLengths: new Uint32Array(blockCount),
    identities: new Uint8Array(blockCount * BLOCK_IDENTITY_BYTES),
    kinds: new Uint8Array(blockCount),
    blockSegmentCounts: new Uint32Array(blockCount),
    fingerprints: new Uint8Array(segmentCount * FINGERPRINT_BYTES),
    segmentLengths: new Uint32Array(segmentCount),
  };
  decodeBlocks(reader, directory, expected);
  decodeSegments(reader, directory);
  return directory;
}

function decodeCounts(reader: ByteReader, expected: DirectoryExpectation, what: string): { blockCount: number; segmentCount: number } {
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
    reader.invalid(`it lists ${blockCount} blocks and ${segmentCount} segments, the trailer ${expected.blockCount} and ${expected.segmentCount}`);
  }
  if (blockCount < 1 || blockCount > MAX_CONTAINER_BLOCKS) reader.invalid(`it lists ${blockCount} blocks, allowed are 1 to ${MAX_CONTAINER_BLOCKS}`);
  if (segmentCount > MAX_CONTAINER_SEGMENTS) reader.invalid(`it lists ${segmentCount} segments, the limit is ${MAX_CONTAINER_SEGMENTS}`);
  const rest = blockCount * DIRECTORY_BLOCK_BYTES + segmentCount * DIRECTORY_SEGMENT_BYTES;
  if (rest < reader.remaining) reader.invalid(`${reader.remaining - rest} bytes follow its end`);
  return { blockCount, segmentCount };
}

function decodeBlocks(reader: ByteReader, directory: ContainerDirectory, expected: DirectoryExpectation): void {
  let place = CONTAINER_HEADER_BYTES;
  for (let block = 0; block < directory.blockCount; block++) {
    const offset = reader.u32();
    const storedLength = reader.u32();
    const plainLength = reader.u32();
    const identity = reader.bytes(BLOCK_IDENTITY_BYTES);
    const kind = reader.u8();
    reader.reservedZeros(3);
    if (offset !== place) reader.invalid(`block ${block} begins at byte ${offset}, the space before it ends at ${place}`);
    if (storedLength < MIN_BLOCK_STORED_BYTES || storedLength > MAX_BLOCK_STORED_BYTES) reader.invalid(`block ${block} takes ${storedLength} bytes`);
    if (plainLength < 1 || plainLength > MAX_BLOCK_PLAIN_BYTES) reader.invalid(`block ${block} has ${plainLength} plain bytes`);
    if (kind !== BLOCK_DATA && kind !== BLOCK_METADATA) reader.invalid(`block ${block} is of kind ${kind}, known are 1 and 2`);
    directory.blockOffsets[block] = offset;
    directory.storedLengths[block] = storedLength;
    directory.plainLengths[block] = plainLength;
    directory.identities.set(identity, block * BLOCK_IDENTITY_BYTES);
    directory.kinds[block] = kind;
    directory.blockSegmentCounts[block] = reader.u32();
    place += storedLength;
  }
  if (place !== expected.directoryOffset) reader.invalid(`its blocks end at byte ${place}, it begins at ${expected.directoryOffset}`);
}

function decodeSegments(reader: ByteReader, directory: ContainerDirectory): void {
  let segment = 0;
  for (let block = 0; block < directory.blockCount; block++) {
    const end = segment + at(directory.blockSegmentCounts, block);
    if (end === segment) reader.invalid(`block ${block} has no segments`);
    if (end > directory.segmentCount) reader.invalid(`block ${block} ends with segment ${end} of ${directory.segmentCount}`);
    let filled = 0;
    for (; segment < end; segment++) {
      directory.fingerprints.set(reader.bytes(FINGERPRINT_BYTES), segment * FINGERPRINT_BYTES);
      const length = reader.u32();
      if (length === 0) reader.invalid(`segment ${segment} is empty`);
      directory.segmentLengths[segment] = length;
      filled += length;
    }
    const plainLength = at(directory.plainLengths, block);
    if (filled !== plainLength) reader.invalid(`the segments of block ${block} have ${filled} bytes, the block ${plainLength}`);
  }
  if (segment !== directory.segmentCount) reader.invalid(`${directory.segmentCount - segment} segments belong to no block`);
}

/** A view of a block's identity. */
export function blockIdentityAt(directory: ContainerDirectory, block: number): BlockIdentity {
  const offset = block * BLOCK_IDENTITY_BYTES;
  return directory.identities.subarray(offset, offset + BLOCK_IDENTITY_BYTES) as Uint8Array as BlockIdentity;
}

/** For every segment the block it lies in and where: what an index stores. */
export function segmentPlaces(directory: ContainerDirectory): {
  readonly blockOrdinals: Uint32Array<ArrayBuffer>;
  readonly offsetsInBlock: Uint32Array<ArrayBuffer>;
} {
  const blockOrdinals = new Uint32Array(directory.segmentCount);
  const offsetsInBlock = new Uint32Array(directory.segmentCount);
  let segment = 0;
  for (let block = 0; block < directory.blockCount; block++) {
    let offset = 0;
    for (let rest = at(directory.blockSegmentCounts, block); rest > 0; rest--, segment++) {
      blockOrdinals[segment] = block;
      offsetsInBlock[segment] = offset;
      offset += at(directory.segmentLengths, segment);
    }
  }
  return { blockOrdinals, offsetsInBlock };
}

/** An element that is known to exist. */
function at(column: Uint32Array | Uint8Array, position: number): number {
  return column[position] as number;
}
