// Reads containers: their directory in two small reads, and single blocks. Everything read is checked before it is
// believed, and an error says which container of which volume it is about.

import { equalBytes, hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { decompressBlock, uninitializedBytes } from "../engine/engine.ts";
import type { BlockSealer } from "../engine/engine.ts";
import { BLOCK_DIRECTORY, MAX_BLOCK_STORED_BYTES, MIN_BLOCK_STORED_BYTES, decodeBlockPayload } from "../formats/block.ts";
import type { BlockIdentity, BlockKind } from "../formats/block.ts";
import {
  CONTAINER_HEADER_BYTES,
  CONTAINER_TRAILER_BYTES,
  MAX_CONTAINER_BYTES,
  decodeContainerHeader,
  decodeContainerTrailer,
} from "../formats/container.ts";
import type { ContainerHeader, ContainerKind, ContainerTrailer } from "../formats/container.ts";
import { decodeContainerDirectory } from "../formats/container-directory.ts";
import type { DirectoryBlocks, DirectorySegments } from "../formats/container-directory.ts";
import type { ContainerName, Volume } from "../media/media.ts";
import type { ContainerContents } from "./central-index.ts";

/** The end of a container that is read at once: its trailer, and the directories of nearly all. */
const TAIL_BYTES = 65_536;

const SMALLEST_CONTAINER_BYTES = CONTAINER_HEADER_BYTES + 2 * MIN_BLOCK_STORED_BYTES + CONTAINER_TRAILER_BYTES;

export interface ContainerReaderOptions {
  readonly sealer: BlockSealer;
  /** 16 bytes. */
  readonly repositoryId: Uint8Array;
}

/** What a container says of itself: all that an index stores of it, and the kinds. Arrays have memory of their own. */
export interface ContainerListing extends ContainerContents {
  readonly blocks: DirectoryBlocks;
  readonly segments: DirectorySegments;
  readonly kind: ContainerKind;
  readonly sizeBytes: number;
}

/** Where a block lies, as the index has it. */
export interface BlockLocation {
  readonly container: ContainerName;
  readonly blockOffset: number;
  readonly storedLength: number;
  readonly plainLength: number;
  readonly identity: BlockIdentity;
}

/** Keeps a buffer of its own, so every thread makes one for itself; calls may overlap. */
export class ContainerReader {
  readonly #sealer: BlockSealer;
  readonly #repositoryId: Uint8Array;
  #payload = new Uint8Array(0);

  constructor(options: ContainerReaderOptions) {
    this.#sealer = options.sealer;
    this.#repositoryId = options.repositoryId;
  }

  /**
   * The directory, checked against header, trailer, size and seal. SEGMENT_MISSING when the volume lacks the container,
   * FORMAT_… or SEAL_BROKEN when it is not whole, REPOSITORY_DAMAGED when it belongs to another repository.
   */
  async readDirectory(volume: Volume, name: ContainerName): Promise<ContainerListing> {
    const what = `container ${name} of volume "${volume.name}"`;
    const sizeBytes = await volume.containerSize(name);
    if (sizeBytes === undefined) {
      throw new HoldfastError("SEGMENT_MISSING", {
        message: `Cannot read ${what}: it does not exist`,
        context: { container: name },
      });
    }
    requireSize(sizeBytes, what);
    const header = decodeContainerHeader(await volume.readContainer(name, 0, CONTAINER_HEADER_BYTES), what);
    this.#requireOurs(header, what);
    const tailBytes = Math.min(TAIL_BYTES, sizeBytes - CONTAINER_HEADER_BYTES);
    const tail = await volume.readContainer(name, sizeBytes - tailBytes, tailBytes);
    const trailer = decodeContainerTrailer(tail.subarray(tailBytes - CONTAINER_TRAILER_BYTES), sizeBytes, what);
    const sealed = await sealedDirectory(volume, name, trailer, tail, sizeBytes - tailBytes);
    const plain = this.#plainOf(BLOCK_DIRECTORY, header.nonce as BlockIdentity, sealed, `the directory of ${what}`);
    const directory = decodeContainerDirectory(plain, trailer, what);
    return { volumeId: volume.id, name, kind: header.kind, sizeBytes, ...directory };
  }

  /**
   * The plain bytes of a block, in memory that is the caller's. `kind` is the one it was written with: the seal tells
   * kinds apart, the index does not. Throws what `readContainer` throws, FORMAT_… or SEAL_BROKEN.
   */
  async readBlock(volume: Volume, kind: BlockKind, location: BlockLocation): Promise<Uint8Array> {
    return (await this.readSealedBlock(volume, kind, location)).plain;
  }

  /** The same with the bytes as they lie in the container, for whoever copies the block. */
  async readSealedBlock(
    volume: Volume,
    kind: BlockKind,
    location: BlockLocation,
  ): Promise<{ readonly sealed: Uint8Array; readonly plain: Uint8Array }> {
    const { container, blockOffset, storedLength, plainLength, identity } = location;
    const what = `the block at byte ${blockOffset} of container ${container} of volume "${volume.name}"`;
    // An index that was damaged or invented must not make us fetch and hold gigabytes.
    if (storedLength < MIN_BLOCK_STORED_BYTES || storedLength > MAX_BLOCK_STORED_BYTES) {
      throw new HoldfastError("FORMAT_INVALID", { message: `Cannot read ${what}: no block has ${storedLength} bytes` });
    }
    const stored = await volume.readContainer(container, blockOffset, storedLength);
    const plain = this.#plainOf(kind, identity, stored, what);
    if (plain.length !== plainLength) {
      throw new HoldfastError("FORMAT_INVALID", {
        message: `Cannot read ${what}: it has ${plain.length} plain bytes, expected ${plainLength}`,
        context: { found: plain.length, expected: plainLength },
      });
    }
    return { sealed: stored, plain };
  }

  /** Opens and unfolds; no other call comes between, so the buffer is free again when this returns. */
  #plainOf(kind: BlockKind, identity: BlockIdentity, stored: Uint8Array, what: string): Uint8Array {
    if (this.#payload.length < stored.length)
      this.#payload = uninitializedBytes(Math.max(stored.length, 2 * this.#payload.length));
    try {
      const length = this.#sealer.openInto(this.#payload, kind, identity, stored);
      const payload = decodeBlockPayload(this.#payload.subarray(0, length));
      const plain = decompressBlock(payload);
      return plain === payload.bytes ? new Uint8Array(plain) : plain;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      throw new HoldfastError(error.code, {
        message: `Cannot read ${what}: ${error.message}`,
        context: error.context,
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }

  #requireOurs(header: ContainerHeader, what: string): void {
    if (equalBytes(header.repositoryId, this.#repositoryId)) return;
    throw new HoldfastError("REPOSITORY_DAMAGED", {
      message: `Cannot read ${what}: it belongs to the repository ${hexOf(header.repositoryId)}, not ${hexOf(this.#repositoryId)}`,
      hint: "A file of another repository was copied here.",
    });
  }
}

/** From the tail that was read already, or by a read of its own. */
async function sealedDirectory(
  volume: Volume,
  name: ContainerName,
  { directoryOffset, directoryStoredLength }: ContainerTrailer,
  tail: Uint8Array,
  tailOffset: number,
): Promise<Uint8Array> {
  if (directoryOffset < tailOffset) return volume.readContainer(name, directoryOffset, directoryStoredLength);
  const start = directoryOffset - tailOffset;
  return tail.subarray(start, start + directoryStoredLength);
}

function requireSize(sizeBytes: number, what: string): void {
  if (sizeBytes < SMALLEST_CONTAINER_BYTES) {
    throw new HoldfastError("FORMAT_TRUNCATED", {
      message: `Cannot read ${what}: it has ${sizeBytes} bytes, the smallest container ${SMALLEST_CONTAINER_BYTES}`,
      context: { length: sizeBytes },
      hint: "The container was cut off.",
    });
  }
  if (sizeBytes > MAX_CONTAINER_BYTES) {
    throw new HoldfastError("FORMAT_INVALID", {
      message: `Cannot read ${what}: it has ${sizeBytes} bytes, the limit is ${MAX_CONTAINER_BYTES}`,
    });
  }
}
