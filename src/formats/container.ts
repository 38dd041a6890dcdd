// Container file, version 1 (docs/formats/container.md). Little-endian.
//
//   header 64 ‖ sealed blocks, back to back ‖ directory (a sealed block of kind 3) ‖ trailer 32
//
// Header                                         Trailer
//   offset  size  field                            offset  size  field
//        0     8  magic "HFCONTNR"                      0     4  directory offset
//        8     2  version, 1                            4     4  directory stored length
//       10     1  kind: 1 data, 2 metadata              8     4  number of blocks
//       11     1  reserved, zero                       12     4  number of segments
//       12     4  reserved, zero                       16     4  reserved, zero
//       16    16  repository identifier                20     4  CRC-32 of bytes 0-19
//       32    16  nonce, random                        24     8  magic "HFCONEND"
//       48    12  reserved, zero
//       60     4  CRC-32 of bytes 0-59
//
// The directory has a layout of its own: container-directory.ts.

import { crc32 } from "node:zlib";
import { assert } from "../base/assert.ts";
import { ByteReader, ByteWriter, hexOf, equalBytes, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { MAX_BLOCK_STORED_BYTES, MIN_BLOCK_STORED_BYTES } from "./block.ts";
import { beginFrame, endFrame, openFrame } from "./fixed-frame.ts";
import type { FrameRules } from "./fixed-frame.ts";
import { REPOSITORY_ID_BYTES } from "./repository-record.ts";

export const CONTAINER_HEADER_BYTES = 64;
export const CONTAINER_TRAILER_BYTES = 32;
export const CONTAINER_NONCE_BYTES = 16;

/** Offsets are 32 bits wide, and whoever copies or checks a container holds or fetches it as one: a larger one is refused unread. */
export const MAX_CONTAINER_BYTES = 128 * 1024 * 1024;

export const CONTAINER_DATA = 1;
export const CONTAINER_METADATA = 2;
/** What a container was filled with, so that metadata can be found and kept without opening anything. */
export type ContainerKind = typeof CONTAINER_DATA | typeof CONTAINER_METADATA;

export interface ContainerHeader {
  readonly kind: ContainerKind;
  /** 16 bytes. */
  readonly repositoryId: Uint8Array;
  /** 16 random bytes; the identity of the directory block. */
  readonly nonce: Uint8Array;
}

export interface ContainerTrailer {
  readonly directoryOffset: number;
  readonly directoryStoredLength: number;
  readonly blockCount: number;
  readonly segmentCount: number;
}

const CONTAINER_VERSION = 1;
const TRAILER_CHECKED_BYTES = 20;
const trailerMagic = utf8("HFCONEND");

export function encodeContainerHeader(header: ContainerHeader): Uint8Array<ArrayBuffer> {
  assert(header.repositoryId.length === REPOSITORY_ID_BYTES, "a repository identifier has 16 bytes");
  assert(header.nonce.length === CONTAINER_NONCE_BYTES, "a container nonce has 16 bytes");
  const rules = headerRules("a container header");
  const writer = beginFrame(new ByteWriter(CONTAINER_HEADER_BYTES), rules);
  writer.u8(header.kind).zeros(5).bytes(header.repositoryId).bytes(header.nonce).zeros(12);
  return endFrame(writer, rules);
}

/** `what` names the container in errors. The results are copies. */
export function decodeContainerHeader(bytes: Uint8Array, what: string): ContainerHeader {
  const reader = openFrame(bytes, headerRules(`the header of ${what}`));
  const kind = reader.u8();
  if (kind !== CONTAINER_DATA && kind !== CONTAINER_METADATA) {
    return reader.invalid(`its kind is ${kind}, known are 1 (data) and 2 (metadata)`);
  }
  reader.reservedZeros(5);
  const repositoryId = reader.bytes(REPOSITORY_ID_BYTES).slice();
  const nonce = reader.bytes(CONTAINER_NONCE_BYTES).slice();
  reader.reservedZeros(12);
  return { kind, repositoryId, nonce };
}

export function encodeContainerTrailer(trailer: ContainerTrailer): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(CONTAINER_TRAILER_BYTES);
  writer.u32(trailer.directoryOffset).u32(trailer.directoryStoredLength);
  writer.u32(trailer.blockCount).u32(trailer.segmentCount).u32(0);
  return writer.u32(crc32(writer.peek())).bytes(trailerMagic).take();
}

/** `fileBytes` is the size of the whole container, which directory and trailer must fill to the last byte. */
export function decodeContainerTrailer(bytes: Uint8Array, fileBytes: number, what: string): ContainerTrailer {
  const reader = new ByteReader(bytes, `the trailer of ${what}`);
  const checked = reader.bytes(TRAILER_CHECKED_BYTES);
  const checksum = reader.u32();
  const magic = reader.bytes(trailerMagic.length);
  reader.end();
  if (!equalBytes(magic, trailerMagic)) {
    throw new HoldfastError("FORMAT_MAGIC", {
      message: `Cannot read the trailer of ${what}: it ends with bytes ${hexOf(magic)}, expected "HFCONEND"`,
      hint: "The container was cut off, or its end is destroyed.",
    });
  }
  if (checksum !== crc32(checked)) {
    throw new HoldfastError("FORMAT_CHECKSUM", {
      message: `Cannot read the trailer of ${what}: its checksum does not fit its bytes`,
      hint: "It is damaged.",
    });
  }
  const fields = new ByteReader(checked, `the trailer of ${what}`);
  const directoryOffset = fields.u32();
  const directoryStoredLength = fields.u32();
  const blockCount = fields.u32();
  const segmentCount = fields.u32();
  fields.reservedZeros(4);
  if (fileBytes > MAX_CONTAINER_BYTES)
    fields.invalid(`the container has ${fileBytes} bytes, the limit is ${MAX_CONTAINER_BYTES}`);
  if (directoryStoredLength < MIN_BLOCK_STORED_BYTES || directoryStoredLength > MAX_BLOCK_STORED_BYTES) {
    fields.invalid(`it gives the directory ${directoryStoredLength} bytes`);
  }
  const end = directoryOffset + directoryStoredLength + CONTAINER_TRAILER_BYTES;
  if (directoryOffset <= CONTAINER_HEADER_BYTES || end !== fileBytes) {
    fields.invalid(`directory and trailer would take bytes ${directoryOffset} to ${end}, the container has ${fileBytes}`);
  }
  return { directoryOffset, directoryStoredLength, blockCount, segmentCount };
}

function headerRules(what: string): FrameRules {
  return { what, magic: "HFCONTNR", version: CONTAINER_VERSION, lengthBytes: CONTAINER_HEADER_BYTES };
}
