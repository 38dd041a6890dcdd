// Fills one container: seals blocks, appends them to the draft and, at the end, publishes it under the hash of
// its bytes. Used in a worker thread; everything but the last wait for the device is synchronous, so the worker goes on
// with the next container while this one becomes durable.

import { createHash } from "node:crypto";
import { assert } from "../base/assert.ts";
import { equalBytes } from "../base/bytes.ts";
import { HoldfastError, messageOf } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import { decompressBlock, releaseNow, uninitializedBytes } from "../engine/engine.ts";
import type { BlockIdentifier, BlockSealer, CompressedBlock } from "../engine/engine.ts";
import {
  BLOCK_DIRECTORY,
  BLOCK_HEADER_BYTES,
  CODEC_STORED,
  SEAL_OVERHEAD_BYTES,
  decodeBlockPayload,
  encodeBlockHeader,
} from "../formats/block.ts";
import type { BlockIdentity, BlockKind } from "../formats/block.ts";
import {
  CONTAINER_NONCE_BYTES,
  CONTAINER_TRAILER_BYTES,
  encodeContainerHeader,
  encodeContainerTrailer,
} from "../formats/container.ts";
import type { ContainerKind } from "../formats/container.ts";
import {
  MAX_BLOCK_SEGMENTS,
  MAX_CONTAINER_BLOCKS,
  MAX_CONTAINER_SEGMENTS,
  directoryBytes,
  encodeContainerDirectory,
} from "../formats/container-directory.ts";
import type { ContainerDraft, ContainerName, Volume } from "../media/media.ts";
import type { Random } from "../platform/random.ts";
import type { ContainerListing } from "./container-reader.ts";
import { DirectoryColumns } from "./directory-columns.ts";

/** Large enough that files are few, small enough to be fetched, copied or written anew as a whole. */
export const DEFAULT_CONTAINER_LIMIT_BYTES = 48 * 1024 * 1024;
const SMALLEST_LIMIT_BYTES = 4096;
const LARGEST_LIMIT_BYTES = 64 * 1024 * 1024;

export interface ContainerWriterOptions {
  /** Writable. */
  readonly volume: Volume;
  /** 16 bytes. */
  readonly repositoryId: Uint8Array;
  readonly sealer: BlockSealer;
  readonly identifier: BlockIdentifier;
  readonly kind: ContainerKind;
  readonly random: Random;
  /** The container is full when it has about this many bytes, directory included; the block that fills it may exceed it. */
  readonly limitBytes?: number;
  /**
   * Opens every sealed block again and compares it with the plain bytes before it is written, which finds faults of
   * this machine and of libraries while the original is still there. On unless it is said otherwise.
   */
  readonly verifyBlocks?: boolean;
}

/** Segments in columns, which may be longer than `count`: 32 bytes a fingerprint, and lengths in plain bytes. */
export interface BlockSegments {
  readonly count: number;
  readonly fingerprints: Uint8Array;
  readonly lengths: Uint32Array;
}

/** A block on its way from one container to another. */
export interface SealedBlock {
  readonly identity: BlockIdentity;
  readonly plainLength: number;
  readonly sealed: Uint8Array;
}

export interface BlockPlacement {
  /** Among the blocks of this container. */
  readonly ordinal: number;
  readonly offset: number;
  readonly storedLength: number;
  readonly identity: BlockIdentity;
}

/** Its arrays may be transferred to another thread. */
export type PublishedContainer = ContainerListing;

type State = "open" | "finished" | "discarded" | "failed";

export class ContainerWriter {
  readonly #options: ContainerWriterOptions;
  readonly #limitBytes: number;
  readonly #draft: ContainerDraft;
  readonly #hash = createHash("sha256");
  readonly #nonce: Uint8Array;
  readonly #columns = new DirectoryColumns();
  readonly #blockHeader = new Uint8Array(BLOCK_HEADER_BYTES);
  #sealed = new Uint8Array(0);
  #opened = new Uint8Array(0);
  #position = 0;
  #state: State = "open";

  /** Creates the draft and writes its header. */
  constructor(options: ContainerWriterOptions) {
    this.#options = options;
    this.#limitBytes = options.limitBytes ?? DEFAULT_CONTAINER_LIMIT_BYTES;
    assert(
      this.#limitBytes >= SMALLEST_LIMIT_BYTES && this.#limitBytes <= LARGEST_LIMIT_BYTES,
      "a container's limit is 4 KiB to 64 MiB",
    );
    this.#nonce = options.random.bytes(CONTAINER_NONCE_BYTES);
    this.#draft = options.volume.createContainer();
    this.#guarded(() => {
      this.#write(encodeContainerHeader({ kind: options.kind, repositoryId: options.repositoryId, nonce: this.#nonce }));
    });
  }

  get blockCount(): number {
    return this.#columns.blockCount;
  }

  /** Bytes the container would have if it were finished now. */
  get sizeBytes(): number {
    const directory = directoryBytes(this.#columns.blockCount, this.#columns.segmentCount);
    return this.#position + SEAL_OVERHEAD_BYTES + BLOCK_HEADER_BYTES + directory + CONTAINER_TRAILER_BYTES;
  }

  /** Until it is full, a container takes any block. */
  get isFull(): boolean {
    const { blockCount, segmentCount } = this.#columns;
    return (
      this.sizeBytes >= this.#limitBytes ||
      blockCount >= MAX_CONTAINER_BLOCKS ||
      segmentCount > MAX_CONTAINER_SEGMENTS - MAX_BLOCK_SEGMENTS
    );
  }

  /** Seals and appends one block; nothing of the arguments is kept. */
  appendBlock(kind: Exclude<BlockKind, typeof BLOCK_DIRECTORY>, segments: BlockSegments, block: CompressedBlock): BlockPlacement {
    this.#requireOpen();
    assert(!this.isFull, "a full container takes no block");
    requireSegments(segments, block);
    return this.#guarded(() => {
      const { fingerprints, lengths, count } = segments;
      const identity = this.#options.identifier.identityOf(fingerprints, lengths, 0, count);
      const offset = this.#position;
      const storedLength = this.#writeSealed(kind, identity, block);
      const { plainLength } = block;
      const ordinal = this.#columns.add({ offset, storedLength, plainLength, identity, kind }, segments);
      return { ordinal, offset, storedLength, identity };
    });
  }

  /**
   * Appends a block that was sealed for another container, as it is: its seal is bound to its identity and not to its place.
   * The caller has opened it and compared its segments.
   */
  appendSealedBlock(kind: Exclude<BlockKind, typeof BLOCK_DIRECTORY>, segments: BlockSegments, block: SealedBlock): void {
    this.#requireOpen();
    assert(!this.isFull, "a full container takes no block");
    this.#guarded(() => {
      const { identity, plainLength, sealed } = block;
      const { fingerprints, lengths, count } = segments;
      const expected = this.#options.identifier.identityOf(fingerprints, lengths, 0, count);
      assert(equalBytes(expected, identity), "a sealed block is made of the segments it is listed with");
      const offset = this.#position;
      this.#write(sealed);
      this.#columns.add({ offset, storedLength: sealed.length, plainLength, identity, kind }, segments);
    });
  }

  /**
   * Completes the container. The writing is done when this returns, so that another container can be begun; the promise
   * resolves when this one is durable under its name. There must be a block; without any, `discard`.
   */
  async finish(): Promise<PublishedContainer> {
    this.#requireOpen();
    const { volume, kind } = this.#options;
    const directory = this.#columns.take();
    const blockCount = directory.blocks.offsets.length;
    assert(blockCount > 0, "a container has a block");
    try {
      const directoryOffset = this.#position;
      const plain = encodeContainerDirectory(directory);
      const block: CompressedBlock = { codec: CODEC_STORED, plainLength: plain.length, bytes: plain, plain };
      const directoryStoredLength = this.#writeSealed(BLOCK_DIRECTORY, this.#nonce as BlockIdentity, block);
      const segmentCount = directory.segments.lengths.length;
      this.#write(encodeContainerTrailer({ directoryOffset, directoryStoredLength, blockCount, segmentCount }));
      this.#requireSize();
      const name = this.#hash.digest("hex") as ContainerName;
      this.#close("finished");
      await this.#draft.publish(name);
      return { volumeId: volume.id, name, kind, sizeBytes: this.#position, ...directory };
    } catch (error) {
      this.#fail();
      throw error;
    }
  }

  /** Gives up the container; harmless at any time. A container that is being published is not taken back. */
  discard(): void {
    if (this.#state !== "open") return;
    this.#close("discarded");
    this.#draft.discard();
  }

  #writeSealed(kind: BlockKind, identity: BlockIdentity, block: CompressedBlock): number {
    const { sealer, verifyBlocks } = this.#options;
    const storedLength = block.bytes.length + BLOCK_HEADER_BYTES + SEAL_OVERHEAD_BYTES;
    this.#sealed = withRoom(this.#sealed, storedLength);
    encodeBlockHeader(this.#blockHeader, block.codec, block.plainLength);
    sealer.sealInto(this.#sealed, 0, kind, identity, [this.#blockHeader, block.bytes]);
    const sealed = this.#sealed.subarray(0, storedLength);
    if (verifyBlocks !== false) this.#verify(kind, identity, sealed, block.plain);
    this.#write(sealed);
    return storedLength;
  }

  #verify(kind: BlockKind, identity: BlockIdentity, sealed: Uint8Array, plain: Uint8Array): void {
    try {
      this.#opened = withRoom(this.#opened, sealed.length);
      const length = this.#options.sealer.openInto(this.#opened, kind, identity, sealed);
      const payload = decodeBlockPayload(this.#opened.subarray(0, length));
      const again = decompressBlock(payload);
      const same = equalBytes(again, plain);
      if (again !== payload.bytes) releaseNow(again);
      if (!same) throw new HoldfastError("FORMAT_INVALID", { message: "its bytes are not those that were put in" });
    } catch (cause) {
      throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
        message: `Cannot store a block: opened again after sealing it is not the same (${messageOf(cause)})`,
        retry: "now",
        hint: "The memory or the processor of this machine makes errors. Nothing wrong was written; test the hardware.",
        cause,
      });
    }
  }

  #write(bytes: Uint8Array): void {
    this.#draft.file.write(bytes, this.#position);
    this.#hash.update(bytes);
    this.#position += bytes.length;
  }

  #requireSize(): void {
    const found = this.#draft.file.sizeBytes();
    if (found !== this.#position) {
      throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
        message: `Cannot publish a container: its file has ${found} bytes, ${this.#position} were written`,
        context: { found, written: this.#position },
      });
    }
  }

  #requireOpen(): void {
    assert(this.#state === "open", `this container takes no more work: it is ${this.#state}`);
  }

  /** What failed half way must not be continued: the file and the tables may disagree. */
  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.#fail();
      throw error;
    }
  }

  #fail(): void {
    this.#close("failed");
    this.#draft.discard();
  }

  #close(state: State): void {
    this.#state = state;
    releaseNow(this.#sealed);
    releaseNow(this.#opened);
  }
}

function requireSegments({ count, fingerprints, lengths }: BlockSegments, block: CompressedBlock): void {
  assert(count >= 1 && count <= MAX_BLOCK_SEGMENTS, "a block has 1 to 65,536 segments");
  assert(
    fingerprints.length >= count * FINGERPRINT_BYTES && lengths.length >= count,
    "every segment has a fingerprint and a length",
  );
  let total = 0;
  for (let segment = 0; segment < count; segment++) {
    const length = lengths[segment] as number;
    assert(length > 0, "a segment has bytes");
    total += length;
  }
  assert(total === block.plainLength && total === block.plain.length, "the segments fill their block");
}

/** A buffer of at least `length` bytes, `buffer` itself where it suffices. */
function withRoom(buffer: Uint8Array<ArrayBuffer>, length: number): Uint8Array<ArrayBuffer> {
  if (buffer.length >= length) return buffer;
  releaseNow(buffer);
  return uninitializedBytes(Math.max(length, buffer.length * 2, 65_536));
}
