// Stores segments: forgets those the repository has, gathers small ones into blocks, compresses, seals, and fills
// containers one after another. Each thread has its own; they share the table of what this session has stored.

import { assert } from "../base/assert.ts";
import { errorFrom } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { BlockCompressor, BlockIdentifier, BlockSealer } from "../engine/engine.ts";
import type { CompressedBlock, CompressionLevel, Fingerprinter, LoadBlake } from "../engine/engine.ts";
import { BLOCK_DATA, BLOCK_METADATA } from "../formats/block.ts";
import { CONTAINER_DATA, CONTAINER_METADATA } from "../formats/container.ts";
import type { Volume } from "../media/media.ts";
import type { Random } from "../platform/random.ts";
import type { CentralIndex, ContainerContents, SessionSegments } from "./central-index.ts";
import { ContainerWriter } from "./container-writer.ts";
import type { BlockSegments, SealedBlock } from "./container-writer.ts";
import type { KeyRing } from "./key-ring.ts";
import type { PageKind, PageSink } from "./pages.ts";
import type { SegmentSink } from "./segment-sink.ts";

export interface SegmentWriterOptions {
  readonly kind: "data" | "metadata";
  readonly volume: Volume;
  readonly keyRing: KeyRing;
  readonly random: Random;
  readonly compression: CompressionLevel;
  /** What is stored already and need not be stored again. */
  readonly index: Pick<CentralIndex, "has">;
  readonly session: Pick<SessionSegments, "insert">;
  readonly loadBlake?: LoadBlake;
  /** False: sealed blocks are not opened again before they are written. */
  readonly verifyBlocks?: boolean | undefined;
  /** Hears of each container when it is durable. */
  readonly onContainer: (container: WrittenContainer) => void;
}

export interface WrittenContainer {
  readonly contents: ContainerContents;
  readonly storedBytes: number;
  readonly plainBytes: number;
}

/** Small segments are gathered until a block has this much: compression gains little from more. */
const BLOCK_BYTES = 1024 * 1024;
/** Segments from here on are blocks of their own. */
const LARGE_SEGMENT_BYTES = 512 * 1024;
/** A block of tiny files ends here, whatever its size. */
const BLOCK_SEGMENTS = 8192;
/** Containers that may wait for the disk at a time; more would only wait in memory. */
const PUBLISHING_LIMIT = 2;

export class SegmentWriter implements SegmentSink {
  readonly #options: SegmentWriterOptions;
  readonly #sealer: BlockSealer;
  readonly #identifier: BlockIdentifier;
  readonly #compressor: BlockCompressor;
  readonly #block = new Uint8Array(BLOCK_BYTES + LARGE_SEGMENT_BYTES + 1);
  readonly #fingerprints = new Uint8Array(BLOCK_SEGMENTS * FINGERPRINT_BYTES);
  readonly #lengths = new Uint32Array(BLOCK_SEGMENTS);
  readonly #single = new Uint32Array(1);
  #used = 0;
  #count = 0;
  #plainBytes = 0;
  #container: ContainerWriter | undefined;
  #publishing = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor(options: SegmentWriterOptions) {
    const { keyRing, random, loadBlake, compression } = options;
    this.#options = options;
    this.#sealer = new BlockSealer({ blockKey: keyRing.block, repositoryId: keyRing.repositoryId, random });
    this.#identifier = new BlockIdentifier(keyRing.identity, loadBlake);
    this.#compressor = new BlockCompressor(compression);
  }

  // --- SegmentSink ---------------------------------------------------------------------------

  reserve(length: number): Uint8Array {
    assert(length <= LARGE_SEGMENT_BYTES + 1, "a small segment");
    if (this.#used + length > this.#block.length) this.#endBlock();
    return this.#block.subarray(this.#used, this.#used + length);
  }

  keep(fingerprint: Fingerprint, length: number): void {
    if (!this.#isNew(fingerprint)) return;
    this.#fingerprints.set(fingerprint, this.#count * FINGERPRINT_BYTES);
    this.#lengths[this.#count++] = length;
    this.#used += length;
    if (this.#used >= BLOCK_BYTES || this.#count === BLOCK_SEGMENTS) this.#endBlock();
  }

  put(fingerprint: Fingerprint, bytes: Uint8Array): void {
    if (bytes.length < LARGE_SEGMENT_BYTES) {
      this.reserve(bytes.length).set(bytes);
      this.keep(fingerprint, bytes.length);
    } else if (this.#isNew(fingerprint)) {
      this.#single[0] = bytes.length;
      this.#append(fingerprint, this.#single, 1, bytes);
    }
  }

  /** Takes over a block of another container as it is, whatever the index has. */
  putSealedBlock(segments: BlockSegments, block: SealedBlock): void {
    if (this.#failure !== undefined) throw this.#failure;
    const container = (this.#container ??= this.#openContainer());
    container.appendSealedBlock(this.#blockKind, segments, block);
    this.#plainBytes += block.plainLength;
    if (container.isFull) this.#endContainer();
  }

  /**
   * Stores a block that was compressed elsewhere, unless this session has stored all of its segments. What the index has of them is not
   * asked: whoever wanted the block had reasons. The caller has compared the segments with their fingerprints.
   */
  putBlock(segments: BlockSegments, block: CompressedBlock): void {
    if (this.#failure !== undefined) throw this.#failure;
    let isNew = false;
    for (let i = 0; i < segments.count; i++) {
      const at = i * FINGERPRINT_BYTES;
      if (this.#options.session.insert(segments.fingerprints, at)) isNew = true;
    }
    if (!isNew) return;
    const container = (this.#container ??= this.#openContainer());
    container.appendBlock(this.#blockKind, segments, block);
    this.#plainBytes += block.plainLength;
    if (container.isFull) this.#endContainer();
  }

  get #blockKind(): typeof BLOCK_DATA | typeof BLOCK_METADATA {
    return this.#options.kind === "data" ? BLOCK_DATA : BLOCK_METADATA;
  }

  #isNew(fingerprint: Fingerprint): boolean {
    const { session, index } = this.#options;
    return !index.has(fingerprint) && session.insert(fingerprint);
  }

  // --- blocks and containers -----------------------------------------------------------------

  #endBlock(): void {
    if (this.#count === 0) return;
    this.#append(this.#fingerprints, this.#lengths, this.#count, this.#block.subarray(0, this.#used));
    this.#used = 0;
    this.#count = 0;
  }

  #append(fingerprints: Uint8Array, lengths: Uint32Array, count: number, plain: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure;
    const container = (this.#container ??= this.#openContainer());
    const payload = this.#compressor.compress(plain);
    container.appendBlock(this.#blockKind, { fingerprints, lengths, count }, payload);
    this.#compressor.release();
    this.#plainBytes += plain.length;
    if (container.isFull) this.#endContainer();
  }

  #openContainer(): ContainerWriter {
    const { volume, keyRing, random, kind, verifyBlocks = true } = this.#options;
    return new ContainerWriter({
      volume,
      verifyBlocks,
      repositoryId: keyRing.repositoryId,
      sealer: this.#sealer,
      identifier: this.#identifier,
      kind: kind === "data" ? CONTAINER_DATA : CONTAINER_METADATA,
      random,
    });
  }

  /** Publishing goes on while the next container is filled. */
  #endContainer(): void {
    const container = this.#container;
    if (container === undefined) return;
    this.#container = undefined;
    const plainBytes = this.#plainBytes;
    this.#plainBytes = 0;
    const published = container.finish().then(
      (contents) => this.#options.onContainer({ contents, storedBytes: contents.sizeBytes, plainBytes }),
      (error: unknown) => {
        this.#failure ??= errorFrom(error);
      },
    );
    const tracked = published.finally(() => this.#publishing.delete(tracked));
    this.#publishing.add(tracked);
  }

  /** Resolves when not too many containers wait for the disk; call between two pieces of work. Throws what publishing failed with. */
  async settle(): Promise<void> {
    while (this.#publishing.size >= PUBLISHING_LIMIT) await Promise.race(this.#publishing);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Publishes what is under way; resolves when everything stored so far is durable. */
  async flush(): Promise<void> {
    this.#endBlock();
    this.#endContainer();
    while (this.#publishing.size > 0) await Promise.all(this.#publishing);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Forgets what is not published. */
  discard(): void {
    this.#container?.discard();
    this.#container = undefined;
  }
}

/** Stores pages as segments of their own kinds. */
export class PageWriter implements PageSink {
  readonly #writer: SegmentWriter;
  readonly #fingerprinters: Readonly<Record<PageKind, Fingerprinter>>;

  constructor(writer: SegmentWriter, fingerprinters: Readonly<Record<PageKind, Fingerprinter>>) {
    this.#writer = writer;
    this.#fingerprinters = fingerprinters;
  }

  storePage(kind: PageKind, bytes: Uint8Array): Fingerprint {
    const fingerprint = this.#fingerprinters[kind].of(bytes);
    this.#writer.put(fingerprint, bytes);
    return fingerprint;
  }

  flush(): Promise<void> {
    return this.#writer.flush();
  }
}
