// The sections of several runs as one ascending sequence each: what a merge writes and what a collection counts. Every
// distinct container and block gets a number of its own, and each input a table from its numbers to those.

import { setImmediate } from "node:timers/promises";
import { equalBytes, hexOf } from "../../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import { HoldfastError } from "../../base/errors.ts";
import { BLOCK_RECORD_BYTES, CONTAINER_RECORD_BYTES } from "../../formats/index-run.ts";
import type { SectionName } from "../../formats/index-run.ts";
import { MergedCursors, RecordCursor } from "./record-cursor.ts";
import { runInvalid } from "./run-directory.ts";
import type { RunName } from "./run-directory.ts";
import type { RunReader } from "./run-reader.ts";

/** Containers by `containerKey`. */
export type ContainerSet = ReadonlySet<string>;

/** How a container is named in a `ContainerSet`: its record in a run, in hexadecimal. */
export function containerKey(volumeId: string, container: string): string {
  return volumeId + container;
}

/** Records between two pauses in which the process may do something else. */
const PAUSE_RECORDS = 32 * 1024;

export interface MergeInputs {
  readonly readers: readonly RunReader[];
  /** These are left out, with their blocks and segments. */
  readonly exclude?: ContainerSet | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** For each input the number of each of its containers, and which of them are left out. */
export interface ContainerNumbers {
  readonly count: number;
  readonly numbers: readonly Uint32Array[];
  readonly excluded: readonly (Uint8Array | undefined)[];
}

/** `use` sees every distinct container record in order. */
export function mergedContainers(inputs: MergeInputs, use: (record: Uint8Array) => void): ContainerNumbers {
  const { readers } = inputs;
  const excluded = readers.map((reader) => excludedIn(reader, inputs.exclude));
  const numbers = readers.map(({ counts }) => new Uint32Array(counts.containers));
  const isExcluded = ({ input, ordinal }: RecordCursor): boolean => excluded[input]?.[ordinal] === 1;
  const cursors = readers.map((reader, input) => new RecordCursor(reader, "containers", input, isExcluded));
  const merged = new MergedCursors(cursors, (a, b) => compareAt(a, b, CONTAINER_RECORD_BYTES));
  const last = new Uint8Array(CONTAINER_RECORD_BYTES);
  let count = 0;
  for (let cursor = merged.least; cursor !== undefined; cursor = merged.least) {
    const record = cursor.bytes.subarray(cursor.at, cursor.at + CONTAINER_RECORD_BYTES);
    if (count === 0 || !equalBytes(record, last)) {
      if (isBelow(record, 0, last)) throw outOfOrder(readers, cursor, "containers");
      use(record);
      last.set(record);
      count++;
    }
    numbers[cursor.input]![cursor.ordinal] = count - 1;
    merged.advance();
  }
  return { count, numbers, excluded };
}

/** Which containers of a run are in the set, as ones; undefined when none is. */
export function excludedIn(reader: RunReader, exclude: ContainerSet | undefined): Uint8Array | undefined {
  if (exclude === undefined || exclude.size === 0) return undefined;
  const found = new Uint8Array(reader.counts.containers);
  let any = false;
  let ordinal = 0;
  reader.forEachPage("containers", (plain) => {
    for (let at = 0; at < plain.length; at += CONTAINER_RECORD_BYTES, ordinal++) {
      if (!exclude.has(hexOf(plain.subarray(at, at + CONTAINER_RECORD_BYTES)))) continue;
      found[ordinal] = 1;
      any = true;
    }
  });
  return any ? found : undefined;
}

/** For each input the number of each of its blocks, and which of them are left out. */
export interface BlockNumbers {
  readonly count: number;
  readonly numbers: readonly Uint32Array[];
  readonly excluded: readonly (Uint8Array | undefined)[];
}

/** `use` sees every distinct block in order: its record, and the number of its container. */
export async function mergedBlocks(
  inputs: MergeInputs,
  containers: ContainerNumbers,
  use: (container: number, cursor: RecordCursor) => void,
): Promise<BlockNumbers> {
  const { readers, signal } = inputs;
  const containerOf = ({ input, view, at }: RecordCursor): number =>
    numberOf(containers.numbers[input]!, view.getUint32(at, true), readers[input]!, "container");
  const offsetOf = ({ view, at }: RecordCursor): number => view.getUint32(at + 4, true);
  const numbers = readers.map(({ counts }) => new Uint32Array(counts.blocks));
  const excluded = readers.map(({ counts }, input) =>
    containers.excluded[input] === undefined ? undefined : new Uint8Array(counts.blocks),
  );
  const isExcluded = ({ input, ordinal, view, at }: RecordCursor): boolean => {
    if (containers.excluded[input]?.[view.getUint32(at, true)] !== 1) return false;
    excluded[input]![ordinal] = 1;
    return true;
  };
  const merged = new MergedCursors(
    readers.map((reader, input) => new RecordCursor(reader, "blocks", input, isExcluded)),
    (a, b) => containerOf(a) - containerOf(b) || offsetOf(a) - offsetOf(b),
  );
  const last = new Uint8Array(BLOCK_RECORD_BYTES - 4);
  let lastContainer = -1;
  let lastOffset = -1;
  let count = 0;
  for (let cursor = merged.least, pause = 0; cursor !== undefined; cursor = merged.least) {
    if (++pause % PAUSE_RECORDS === 0) await pauseFor(signal);
    const container = containerOf(cursor);
    const offset = offsetOf(cursor);
    const record = cursor.bytes.subarray(cursor.at + 4, cursor.at + BLOCK_RECORD_BYTES);
    if (container === lastContainer && offset === lastOffset) {
      // A container never changes, so two runs that differ about it cannot both have been made from it.
      if (!equalBytes(record, last)) contradiction(readers[cursor.input]!.name);
    } else {
      if (container < lastContainer || (container === lastContainer && offset < lastOffset))
        throw outOfOrder(readers, cursor, "blocks");
      use(container, cursor);
      last.set(record);
      lastContainer = container;
      lastOffset = offset;
      count++;
    }
    numbers[cursor.input]![cursor.ordinal] = count - 1;
    merged.advance();
  }
  return { count, numbers, excluded };
}

/** Every segment record in order of fingerprint, block and offset; one and the same place may come several times. */
export class MergedSegments {
  readonly #merged: MergedCursors;
  readonly #readers: readonly RunReader[];
  readonly #last = new Uint8Array(FINGERPRINT_BYTES);
  readonly #numbers: readonly Uint32Array[];
  readonly #signal: AbortSignal | undefined;
  #pause = 0;

  /** `startPages`: for each input the page to begin with; the first unless given. */
  constructor({ readers, signal }: MergeInputs, blocks: BlockNumbers, startPages?: readonly number[]) {
    const isExcluded = ({ input, view, at }: RecordCursor): boolean =>
      blocks.excluded[input]?.[view.getUint32(at + FINGERPRINT_BYTES, true)] === 1;
    this.#readers = readers;
    this.#numbers = blocks.numbers;
    this.#signal = signal;
    this.#merged = new MergedCursors(
      readers.map((reader, input) =>
        new RecordCursor(reader, "segments", input, isExcluded).startAtPage(startPages?.[input] ?? 0),
      ),
      (a, b) => compareAt(a, b, FINGERPRINT_BYTES) || this.blockOf(a) - this.blockOf(b) || segmentOffset(a) - segmentOffset(b),
    );
  }

  get least(): RecordCursor | undefined {
    return this.#merged.least;
  }

  /** The number of the block that the record names. */
  blockOf({ input, view, at }: RecordCursor): number {
    return numberOf(this.#numbers[input]!, view.getUint32(at + FINGERPRINT_BYTES, true), this.#readers[input]!, "block");
  }

  advance(): void {
    const before = this.#merged.least;
    if (before === undefined) return;
    for (let i = 0; i < FINGERPRINT_BYTES; i++) this.#last[i] = before.bytes[before.at + i]!;
    this.#merged.advance();
    const next = this.#merged.least;
    if (next !== undefined && isBelow(next.bytes, next.at, this.#last)) throw outOfOrder(this.#readers, next, "segments");
  }

  /** To be called for each record: true when it is time to await `pause`. */
  get isPauseDue(): boolean {
    return ++this.#pause % PAUSE_RECORDS === 0;
  }

  pause(): Promise<void> {
    return pauseFor(this.#signal);
  }
}

/** Where the segment of the record begins in its block. */
export function segmentOffset({ view, at }: RecordCursor): number {
  return view.getUint32(at + FINGERPRINT_BYTES + 4, true);
}

export function segmentLength({ view, at }: RecordCursor): number {
  return view.getUint32(at + FINGERPRINT_BYTES + 8, true);
}

export async function pauseFor(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
}

export function isFingerprintAt(bytes: Uint8Array, at: number, last: Uint8Array): boolean {
  for (let i = 0; i < FINGERPRINT_BYTES; i++) if (bytes[at + i] !== last[i]) return false;
  return true;
}

/** Compares the first `length` bytes of two current records. */
function compareAt(a: RecordCursor, b: RecordCursor, length: number): number {
  for (let i = 0; i < length; i++) {
    const difference = a.bytes[a.at + i]! - b.bytes[b.at + i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Whether what stands at `at` sorts before `last`. */
function isBelow(bytes: Uint8Array, at: number, last: Uint8Array): boolean {
  for (let i = 0; i < last.length; i++) {
    const difference = bytes[at + i]! - last[i]!;
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** The new number of a container or block; a record may name any. */
function numberOf(numbers: Uint32Array, ordinal: number, { name }: RunReader, what: "container" | "block"): number {
  const number = numbers[ordinal];
  if (number === undefined) throw runInvalid(name, `it refers to ${what} ${ordinal} of ${numbers.length}`);
  return number;
}

/** Lookups search a run by halves: what is out of order would be lost. */
function outOfOrder(readers: readonly RunReader[], { input, ordinal }: RecordCursor, what: SectionName): HoldfastError {
  return runInvalid(readers[input]!.name, `its ${what} are not in order at number ${ordinal}`);
}

function contradiction(run: RunName): never {
  throw new HoldfastError("FORMAT_INVALID", {
    message: `Cannot merge index run ${run}: it describes a block of a container differently from another run`,
    context: { run },
    hint: "Rebuild the index from the containers.",
  });
}
