// Saves what can be read of damaged containers: every block that opens, and of it every segment that has its fingerprint,
// goes into new containers. Which blocks there are is known from the container's own directory or, when that
// cannot be read, from the index.

import { equalBytes } from "../base/bytes.ts";
import { HoldfastError, isKeptBack } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import { BlockCompressor, BlockIdentifier, BlockSealer, decompressBlock } from "../engine/engine.ts";
import type { CompressedBlock, Fingerprinter, LoadBlake } from "../engine/engine.ts";
import { BLOCK_DATA, BLOCK_METADATA, decodeBlockPayload } from "../formats/block.ts";
import type { BlockIdentity } from "../formats/block.ts";
import { CONTAINER_DATA, CONTAINER_METADATA } from "../formats/container.ts";
import type { ContainerKind } from "../formats/container.ts";
import type { ContainerName, Volume } from "../media/media.ts";
import type { Random } from "../platform/random.ts";
import type { ContainerContents } from "./central-index.ts";
import { ContainerReader } from "./container-reader.ts";
import { ContainerWriter } from "./container-writer.ts";
import type { BlockSegments } from "./container-writer.ts";
import type { FingerprintKind, KeyRing } from "./key-ring.ts";

export interface SalvageParts {
  readonly keyRing: KeyRing;
  readonly random: Random;
  readonly loadBlake?: LoadBlake;
  readonly fingerprinters: Readonly<Record<FingerprintKind, Fingerprinter>>;
  /** Where what is saved goes, writable; without it nothing is written and only looked at. */
  readonly target: Volume | undefined;
  /** Whether a whole copy of the segment lies elsewhere, so that this one need not be saved. */
  readonly isSafe: (fingerprint: Uint8Array) => boolean;
  /** Hears of each new container when it is durable. */
  readonly onContainer: (contents: ContainerContents) => void;
}

export interface ContainerToSave {
  readonly volume: Volume;
  readonly name: ContainerName;
  /** Whether the system gave all its bytes when it was looked at, whatever they were. */
  readonly isReadable: boolean;
}

export interface SalvagedContainer {
  /** What became of its segments: saved just now, safe elsewhere already, and neither. */
  readonly savedSegments: number;
  readonly savedBytes: number;
  readonly safeSegments: number;
  /** Those that are known of and cannot be read. */
  readonly lostSegments: number;
  /** False when not even what it held is known. */
  readonly isKnown: boolean;
  /** When nothing is written: the fingerprints of what would be saved, one character a byte. */
  readonly readable: readonly string[];
}

type BlockContentKind = typeof BLOCK_DATA | typeof BLOCK_METADATA;

interface Block {
  readonly offset: number;
  readonly storedLength: number;
  readonly identity: BlockIdentity;
  readonly fingerprints: Uint8Array;
  readonly lengths: Uint32Array;
}

interface OpenedBlock {
  readonly kind: BlockContentKind;
  readonly block: CompressedBlock;
}

export class Salvage {
  readonly #parts: SalvageParts;
  readonly #sealer: BlockSealer;
  readonly #identifier: BlockIdentifier;
  readonly #compressor = new BlockCompressor("default");
  readonly #reader: ContainerReader;
  readonly #writers = new Map<BlockContentKind, ContainerWriter>();

  constructor(parts: SalvageParts) {
    const { keyRing, random, loadBlake } = parts;
    const { repositoryId, block: blockKey } = keyRing;
    this.#parts = parts;
    this.#sealer = new BlockSealer({ blockKey, repositoryId, random });
    this.#identifier = new BlockIdentifier(keyRing.identity, loadBlake);
    this.#reader = new ContainerReader({ repositoryId, sealer: this.#sealer });
  }

  /** What the container says of itself; undefined when it cannot be asked. Throws as `save` does. */
  async directoryOf({ volume, name, isReadable }: ContainerToSave): Promise<ContainerContents | undefined> {
    return twice(isReadable, () => this.#reader.readDirectory(volume, name));
  }

  /**
   * Saves what can be read. `contents` is what the container held, as far as anybody knows. REPOSITORY_READ_FAILED or PERMISSION_DENIED
   * when a container cannot be read that could be before.
   */
  async save(container: ContainerToSave, contents: ContainerContents | undefined): Promise<SalvagedContainer> {
    const readable: string[] = [];
    const isKnown = contents !== undefined;
    const outcome = { savedSegments: 0, savedBytes: 0, safeSegments: 0, lostSegments: 0, isKnown, readable };
    if (contents === undefined) return outcome;
    for (const block of blocksOf(contents)) {
      const count = block.lengths.length;
      if (this.#isSafe(block)) {
        outcome.safeSegments += count;
        continue;
      }
      const opened = await twice(container.isReadable, () => this.#open(container, block));
      if (opened === undefined) {
        outcome.lostSegments += count;
        continue;
      }
      const saved = await this.#keep(block, opened);
      if (this.#parts.target === undefined) readable.push(...saved.fingerprints);
      outcome.savedSegments += saved.segments;
      outcome.savedBytes += saved.bytes;
      outcome.lostSegments += count - saved.segments;
    }
    return outcome;
  }

  /** Publishes what is under way; everything saved is durable when it resolves. */
  async flush(): Promise<void> {
    for (const kind of this.#writers.keys()) await this.#finish(kind);
  }

  discard(): void {
    for (const writer of this.#writers.values()) writer.discard();
    this.#writers.clear();
  }

  #isSafe({ fingerprints }: Block): boolean {
    for (let at = 0; at < fingerprints.length; at += FINGERPRINT_BYTES) {
      if (!this.#parts.isSafe(fingerprints.subarray(at, at + FINGERPRINT_BYTES))) return false;
    }
    return true;
  }

  async #open({ volume, name }: ContainerToSave, block: Block): Promise<OpenedBlock> {
    const { identity, fingerprints, lengths, offset, storedLength } = block;
    if (!equalBytes(this.#identifier.identityOf(fingerprints, lengths, 0, lengths.length), identity)) {
      throw new HoldfastError("REPOSITORY_DAMAGED", { message: "the block is not made of the segments it is said to hold" });
    }
    const sealed = await volume.readContainer(name, offset, storedLength);
    let failure: unknown;
    // The index does not know of which kind a block is; the seal does.
    for (const kind of [BLOCK_DATA, BLOCK_METADATA] as const) {
      try {
        const payload = decodeBlockPayload(this.#sealer.open(kind, identity, sealed));
        return { kind, block: { ...payload, plain: decompressBlock(payload) } };
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  }

  async #keep(from: Block, { kind, block }: OpenedBlock): Promise<{ segments: number; bytes: number; fingerprints: string[] }> {
    const right = this.#rightSegments(from, kind, block.plain);
    if (right.lengths.length === 0) return { segments: 0, bytes: 0, fingerprints: [] };
    const { fingerprints, lengths } = right;
    const segments: BlockSegments = { fingerprints, lengths, count: lengths.length };
    const isWhole = lengths.length === from.lengths.length;
    // A block that is whole is not compressed again.
    await this.#append(kind, segments, isWhole ? block : this.#compressor.compress(right.plain));
    const list = Array.from(lengths, (_, i) => latin1(fingerprints.subarray(i * FINGERPRINT_BYTES, (i + 1) * FINGERPRINT_BYTES)));
    return { segments: lengths.length, bytes: right.plain.length, fingerprints: list };
  }

  /** A block that opens was stored as it is, so this finds what was wrong before it was sealed. */
  #rightSegments({ fingerprints, lengths }: Block, kind: BlockContentKind, plain: Uint8Array) {
    const pieces: { readonly fingerprint: Uint8Array; readonly bytes: Uint8Array }[] = [];
    let position = 0;
    lengths.forEach((length, i) => {
      const bytes = plain.subarray(position, position + length);
      const fingerprint = fingerprints.subarray(i * FINGERPRINT_BYTES, (i + 1) * FINGERPRINT_BYTES);
      if (bytes.length === length && this.#isSegment(kind, bytes, fingerprint)) pieces.push({ fingerprint, bytes });
      position += length;
    });
    if (pieces.length === lengths.length) return { fingerprints, lengths, plain };
    return {
      fingerprints: new Uint8Array(Buffer.concat(pieces.map(({ fingerprint }) => fingerprint))),
      lengths: Uint32Array.from(pieces, ({ bytes }) => bytes.length),
      plain: new Uint8Array(Buffer.concat(pieces.map(({ bytes }) => bytes))),
    };
  }

  #isSegment(kind: BlockContentKind, bytes: Uint8Array, fingerprint: Uint8Array): boolean {
    const { data, page, list } = this.#parts.fingerprinters;
    if (kind === BLOCK_DATA) return data.matches(bytes, fingerprint);
    return page.matches(bytes, fingerprint) || list.matches(bytes, fingerprint);
  }

  async #append(kind: BlockContentKind, segments: BlockSegments, block: CompressedBlock): Promise<void> {
    const { target, keyRing, random } = this.#parts;
    if (target === undefined) return;
    let writer = this.#writers.get(kind);
    if (writer === undefined) {
      const containerKind: ContainerKind = kind === BLOCK_DATA ? CONTAINER_DATA : CONTAINER_METADATA;
      const { repositoryId } = keyRing;
      const parts = { volume: target, repositoryId, sealer: this.#sealer, identifier: this.#identifier, random };
      this.#writers.set(kind, (writer = new ContainerWriter({ ...parts, kind: containerKind })));
    }
    writer.appendBlock(kind, segments, block);
    if (writer.isFull) await this.#finish(kind);
  }

  async #finish(kind: BlockContentKind): Promise<void> {
    const writer = this.#writers.get(kind);
    if (writer === undefined) return;
    this.#writers.delete(kind);
    this.#parts.onContainer(await writer.finish());
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function* blocksOf({ blocks, segments }: ContainerContents): Generator<Block> {
  let first = 0;
  for (let block = 0; block < blocks.offsets.length; block++) {
    const end = first + (blocks.segmentCounts[block] as number);
    yield {
      offset: blocks.offsets[block] as number,
      storedLength: blocks.storedLengths[block] as number,
      identity: blocks.identities.subarray(block * 16, block * 16 + 16) as BlockIdentity,
      fingerprints: segments.fingerprints.subarray(first * FINGERPRINT_BYTES, end * FINGERPRINT_BYTES),
      lengths: segments.lengths.subarray(first, end),
    };
    first = end;
  }
}

/**
 * A read that fails once may succeed the second time; undefined when both fail. But what the system could read before and cannot now is
 * not lost: then it throws.
 */
async function twice<T>(isReadable: boolean, read: () => Promise<T>): Promise<T | undefined> {
  for (let isLast = false; ; isLast = true) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      if (!isLast) continue;
      if (isReadable && isKeptBack(error)) throw error;
      return undefined;
    }
  }
}
