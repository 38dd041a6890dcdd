// Segments for a receiving half on another machine: gathers them into blocks, offers their fingerprints, and sends what is wanted,
// compressed. Several blocks are on their way at a time, so that the way there and back is not waited for.

import { assert } from "../base/assert.ts";
import { errorFrom } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { BlockCompressor, createFingerprinter } from "../engine/engine.ts";
import type { CompressionLevel, Fingerprinter, LoadBlake } from "../engine/engine.ts";
import {
  PROOF_BYTES,
  PROVED_SEGMENT_BYTES,
  SEGMENT_HELD,
  SEGMENT_TO_PROVE,
  SEGMENT_WANTED,
  encodeSegmentBlock,
  readAnswer,
} from "../formats/segment-transfer.ts";
import type { SegmentSink, SessionSegments } from "../repository/repository.ts";

/** The receiving half, as far as segments go; messages as in src/formats/segment-transfer.ts. */
export interface SegmentTransfer {
  offer(fingerprints: Uint8Array): Promise<Uint8Array>;
  /** Answers each with 1 when it is believed, else 0. */
  prove(proofs: Uint8Array): Promise<Uint8Array>;
  store(block: Uint8Array): Promise<void>;
}

export interface SegmentOutboxOptions {
  readonly transfer: SegmentTransfer;
  /** Which segments some thread of this backup has offered already. */
  readonly offered: Pick<SessionSegments, "insert">;
  readonly compression: CompressionLevel;
  /** What possession is proved with. */
  readonly challenge: Uint8Array;
  readonly loadBlake?: LoadBlake | undefined;
}

/** Small segments are gathered until a block has this much. */
const BLOCK_BYTES = 1024 * 1024;
/** Segments from here on are blocks of their own. */
const LARGE_SEGMENT_BYTES = 512 * 1024;
const BLOCK_SEGMENTS = 4096;
/** Of one thread: 8 MiB on the way carry 20 Mbit/s over three seconds. */
const BLOCKS_ON_THEIR_WAY = 8;

interface GatheredBlock {
  readonly fingerprints: Uint8Array;
  readonly lengths: Uint32Array;
  readonly plain: Uint8Array;
}

export class SegmentOutbox implements SegmentSink {
  readonly #options: SegmentOutboxOptions;
  readonly #compressor: BlockCompressor;
  readonly #prover: Fingerprinter;
  readonly #block = new Uint8Array(BLOCK_BYTES + LARGE_SEGMENT_BYTES + 1);
  readonly #fingerprints = new Uint8Array(BLOCK_SEGMENTS * FINGERPRINT_BYTES);
  readonly #lengths = new Uint32Array(BLOCK_SEGMENTS);
  #used = 0;
  #count = 0;
  #onTheirWay = new Set<Promise<void>>();
  #failure: Error | undefined;

  constructor(options: SegmentOutboxOptions) {
    this.#options = options;
    this.#compressor = new BlockCompressor(options.compression);
    this.#prover = createFingerprinter(options.challenge, options.loadBlake);
  }

  reserve(length: number): Uint8Array {
    assert(length <= LARGE_SEGMENT_BYTES + 1, "a small segment");
    if (this.#used + length > this.#block.length) this.#endBlock();
    return this.#block.subarray(this.#used, this.#used + length);
  }

  keep(fingerprint: Fingerprint, length: number): void {
    if (!this.#options.offered.insert(fingerprint)) return;
    this.#fingerprints.set(fingerprint, this.#count * FINGERPRINT_BYTES);
    this.#lengths[this.#count++] = length;
    this.#used += length;
    if (this.#used >= BLOCK_BYTES || this.#count === BLOCK_SEGMENTS) this.#endBlock();
  }

  put(fingerprint: Fingerprint, bytes: Uint8Array): void {
    if (bytes.length < LARGE_SEGMENT_BYTES) {
      this.reserve(bytes.length).set(bytes);
      this.keep(fingerprint, bytes.length);
    } else if (this.#options.offered.insert(fingerprint)) {
      this.#dispatch({ fingerprints: fingerprint.slice(), lengths: Uint32Array.of(bytes.length), plain: bytes.slice() });
    }
  }

  /** Resolves when not too many blocks are on their way; call between two pieces of work. Throws what sending failed with. */
  async settle(): Promise<void> {
    while (this.#onTheirWay.size >= BLOCKS_ON_THEIR_WAY && this.#failure === undefined) await Promise.race(this.#onTheirWay);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when the other half has everything. */
  async flush(): Promise<void> {
    this.#endBlock();
    while (this.#onTheirWay.size > 0 && this.#failure === undefined) await Promise.all(this.#onTheirWay);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #endBlock(): void {
    if (this.#count === 0) return;
    this.#dispatch({
      fingerprints: this.#fingerprints.slice(0, this.#count * FINGERPRINT_BYTES),
      lengths: this.#lengths.slice(0, this.#count),
      plain: this.#block.slice(0, this.#used),
    });
    this.#used = 0;
    this.#count = 0;
  }

  #dispatch(block: GatheredBlock): void {
    if (this.#failure !== undefined) throw this.#failure;
    const delivered = this.#deliver(block).catch((error: unknown) => {
      this.#failure ??= errorFrom(error);
    });
    const tracked = delivered.finally(() => this.#onTheirWay.delete(tracked));
    this.#onTheirWay.add(tracked);
  }

  async #deliver(block: GatheredBlock): Promise<void> {
    const { transfer } = this.#options;
    const answer = readAnswer(await transfer.offer(block.fingerprints), block.lengths.length).slice();
    await this.#prove(block, answer);
    const message = this.#compress(block, answer);
    if (message !== undefined) await transfer.store(message);
  }

  /** Of what is there already, we show that we have it; what is not believed is sent like what is not there. */
  async #prove(block: GatheredBlock, answer: Uint8Array): Promise<void> {
    const asked = positionsOf(answer, SEGMENT_TO_PROVE);
    if (asked.length === 0) return;
    const proofs = new Uint8Array(asked.length * PROVED_SEGMENT_BYTES);
    const plainOf = segmentsOf(block);
    asked.forEach((segment, i) => {
      const at = i * PROVED_SEGMENT_BYTES;
      proofs.set(block.fingerprints.subarray(segment * FINGERPRINT_BYTES, (segment + 1) * FINGERPRINT_BYTES), at);
      this.#prover.into(plainOf(segment), proofs, at + PROVED_SEGMENT_BYTES - PROOF_BYTES);
    });
    const believed = await this.#options.transfer.prove(proofs);
    asked.forEach((segment, i) => {
      answer[segment] = believed[i] === 1 ? SEGMENT_HELD : SEGMENT_WANTED;
    });
  }

  /** The message with what is wanted of the block; undefined when nothing is. */
  #compress(block: GatheredBlock, answer: Uint8Array): Uint8Array | undefined {
    const wanted = positionsOf(answer, SEGMENT_WANTED);
    if (wanted.length === 0) return undefined;
    const part = wanted.length === block.lengths.length ? block : partOf(block, wanted);
    const payload = this.#compressor.compress(part.plain);
    const message = encodeSegmentBlock({ ...part, count: part.lengths.length, payload });
    this.#compressor.release();
    return message;
  }
}

function positionsOf(answer: Uint8Array, state: number): readonly number[] {
  const positions: number[] = [];
  for (let i = 0; i < answer.length; i++) if (answer[i] === state) positions.push(i);
  return positions;
}

/** For segments asked for in ascending order. */
function segmentsOf({ lengths, plain }: GatheredBlock): (segment: number) => Uint8Array {
  let next = 0;
  let start = 0;
  return (segment) => {
    for (; next < segment; next++) start += lengths[next] as number;
    return plain.subarray(start, start + (lengths[segment] as number));
  };
}

function partOf(block: GatheredBlock, wanted: readonly number[]): GatheredBlock {
  const lengths = Uint32Array.from(wanted, (segment) => block.lengths[segment] as number);
  const plain = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  const fingerprints = new Uint8Array(wanted.length * FINGERPRINT_BYTES);
  const plainOf = segmentsOf(block);
  let position = 0;
  wanted.forEach((segment, i) => {
    fingerprints.set(
      block.fingerprints.subarray(segment * FINGERPRINT_BYTES, (segment + 1) * FINGERPRINT_BYTES),
      i * FINGERPRINT_BYTES,
    );
    const bytes = plainOf(segment);
    plain.set(bytes, position);
    position += bytes.length;
  });
  return { fingerprints, lengths, plain };
}
