// Several runs become one. Everything in a run is sorted, so the container tables, the block tables and the segments
// are each merged as streams, a page of every input in memory at a time; beside those only a new number for each old
// container and block is kept (4 bytes each), and the new run's filter. The same segment at the same place in two
// inputs becomes one record; at different places both stay.
//
// The merged run names those it replaces and is durable before the first of them is removed. Whatever happens in
// between, the runs that are present and not superseded hold the same locations as before.

import { setImmediate } from "node:timers/promises";
import { assert } from "../../base/assert.ts";
import { equalBytes } from "../../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import { HoldfastError } from "../../base/errors.ts";
import { BLOCK_RECORD_BYTES, CONTAINER_RECORD_BYTES } from "../../formats/index-run.ts";
import type { SectionName } from "../../formats/index-run.ts";
import { MergedCursors, RecordCursor } from "./record-cursor.ts";
import { isRunVanished, listRuns, removeRuns, runInvalid } from "./run-directory.ts";
import type { RunName, WritableIndexLocation } from "./run-directory.ts";
import { RunReader } from "./run-reader.ts";
import { RunWriter } from "./run-writer.ts";

export interface MergeRunsOptions extends WritableIndexLocation {
  readonly runs: readonly RunName[];
  readonly signal?: AbortSignal;
}

export type MergeOutcome =
  | { readonly kind: "merged"; readonly run: RunName; readonly segments: number; readonly superseded: readonly RunName[] }
  /** One of the runs is gone: another process is merging too. Nothing was written; look again. */
  | { readonly kind: "changed" };

/** Records between two pauses in which the process may do something else. */
const PAUSE_RECORDS = 32 * 1024;

/** Merges `runs` into a new one and removes them. Merging the same runs twice at once is harmless. */
export async function mergeRuns(options: MergeRunsOptions): Promise<MergeOutcome> {
  assert(
    new Set(options.runs).size === options.runs.length && options.runs.length >= 2,
    "a merge takes two or more different runs",
  );
  const readers: RunReader[] = [];
  let writer: RunWriter | undefined;
  try {
    for (const name of options.runs) {
      const reader = RunReader.open(options, name);
      if (reader === undefined) return { kind: "changed" };
      readers.push(reader);
    }
    writer = new RunWriter(
      options,
      readers.reduce((sum, { counts }) => sum + counts.segments, 0),
    );
    await writeMerged(writer, readers, options.signal);

    const present = new Set(listRuns(options.files, options.directory));
    if (!options.runs.every((name) => present.has(name))) {
      // Not wrong to go on, but the other process's run holds the same, and two of them would be a waste.
      writer.discard();
      return { kind: "changed" };
    }
    // What the inputs replaced and is still there must stay replaced when the inputs are gone.
    const inherited = readers.flatMap((reader) => reader.superseded()).filter((name) => present.has(name));
    const superseded = [...new Set([...options.runs, ...inherited])].sort();
    const segments = writer.count("segments");
    const run = await writer.publish(superseded);
    // Closed first: Windows does not remove an open file at once.
    for (const reader of readers) reader.close();
    removeRuns(options.files, options.directory, superseded);
    return { kind: "merged", run, segments, superseded };
  } catch (error) {
    writer?.discard();
    if (isRunVanished(error)) return { kind: "changed" };
    throw error;
  } finally {
    for (const reader of readers) reader.close();
  }
}

async function writeMerged(writer: RunWriter, readers: readonly RunReader[], signal: AbortSignal | undefined): Promise<void> {
  const containerNumbers = mergeContainers(writer, readers);
  const blockNumbers = await mergeBlocks(writer, readers, containerNumbers, signal);
  await mergeSegments(writer, readers, blockNumbers, signal);
}

function cursorsOf(readers: readonly RunReader[], section: SectionName): RecordCursor[] {
  return readers.map((reader, input) => new RecordCursor(reader, section, input));
}

/** For each input, the new number of each of its containers. */
function mergeContainers(writer: RunWriter, readers: readonly RunReader[]): Uint32Array[] {
  const numbers = readers.map(({ counts }) => new Uint32Array(counts.containers));
  const merged = new MergedCursors(cursorsOf(readers, "containers"), (a, b) => compareAt(a, b, CONTAINER_RECORD_BYTES));
  const last = new Uint8Array(CONTAINER_RECORD_BYTES);
  for (let cursor = merged.least; cursor !== undefined; cursor = merged.least) {
    const record = cursor.bytes.subarray(cursor.at, cursor.at + CONTAINER_RECORD_BYTES);
    if (writer.count("containers") === 0 || !equalBytes(record, last)) {
      if (isBelow(record, 0, last)) throw outOfOrder(readers, cursor, "containers");
      writer.container(record);
      last.set(record);
    }
    numbers[cursor.input]![cursor.ordinal] = writer.count("containers") - 1;
    merged.advance();
  }
  return numbers;
}

/** For each input, the new number of each of its blocks. */
async function mergeBlocks(
  writer: RunWriter,
  readers: readonly RunReader[],
  containerNumbers: readonly Uint32Array[],
  signal: AbortSignal | undefined,
): Promise<Uint32Array[]> {
  const containerOf = ({ input, view, at }: RecordCursor): number =>
    numberOf(containerNumbers[input]!, view.getUint32(at, true), readers[input]!, "container");
  const offsetOf = ({ view, at }: RecordCursor): number => view.getUint32(at + 4, true);
  const numbers = readers.map(({ counts }) => new Uint32Array(counts.blocks));
  const merged = new MergedCursors(
    cursorsOf(readers, "blocks"),
    (a, b) => containerOf(a) - containerOf(b) || offsetOf(a) - offsetOf(b),
  );
  const last = new Uint8Array(BLOCK_RECORD_BYTES - 4);
  let lastContainer = -1;
  let lastOffset = -1;
  for (let cursor = merged.least, pause = 0; cursor !== undefined; cursor = merged.least) {
    if (++pause % PAUSE_RECORDS === 0) await pauseFor(signal);
    const container = containerOf(cursor);
    const offset = offsetOf(cursor);
    const record = cursor.bytes.subarray(cursor.at, cursor.at + BLOCK_RECORD_BYTES);
    if (container === lastContainer && offset === lastOffset) {
      // A container never changes, so two runs that differ about it cannot both have been made from it.
      if (!equalBytes(record.subarray(4), last)) contradiction(readers[cursor.input]!.name);
    } else {
      if (container < lastContainer || (container === lastContainer && offset < lastOffset))
        throw outOfOrder(readers, cursor, "blocks");
      writer.block(
        container,
        offset,
        cursor.view.getUint32(cursor.at + 8, true),
        cursor.view.getUint32(cursor.at + 12, true),
        record,
        16,
      );
      last.set(record.subarray(4));
      lastContainer = container;
      lastOffset = offset;
    }
    numbers[cursor.input]![cursor.ordinal] = writer.count("blocks") - 1;
    merged.advance();
  }
  return numbers;
}

async function mergeSegments(
  writer: RunWriter,
  readers: readonly RunReader[],
  blockNumbers: readonly Uint32Array[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const blockOf = ({ input, view, at }: RecordCursor): number =>
    numberOf(blockNumbers[input]!, view.getUint32(at + FINGERPRINT_BYTES, true), readers[input]!, "block");
  const offsetOf = ({ view, at }: RecordCursor): number => view.getUint32(at + FINGERPRINT_BYTES + 4, true);
  const merged = new MergedCursors(
    cursorsOf(readers, "segments"),
    (a, b) => compareAt(a, b, FINGERPRINT_BYTES) || blockOf(a) - blockOf(b) || offsetOf(a) - offsetOf(b),
  );
  const last = new Uint8Array(FINGERPRINT_BYTES);
  let lastBlock = -1;
  let lastOffset = -1;
  for (let cursor = merged.least, pause = 0; cursor !== undefined; cursor = merged.least) {
    if (++pause % PAUSE_RECORDS === 0) await pauseFor(signal);
    const { bytes, at, view } = cursor;
    const block = blockOf(cursor);
    const offset = offsetOf(cursor);
    if (block !== lastBlock || offset !== lastOffset || !isSameFingerprint(bytes, at, last)) {
      if (isBelow(bytes, at, last)) throw outOfOrder(readers, cursor, "segments");
      writer.segment(bytes, at, block, offset, view.getUint32(at + FINGERPRINT_BYTES + 8, true));
      for (let i = 0; i < FINGERPRINT_BYTES; i++) last[i] = bytes[at + i]!;
      lastBlock = block;
      lastOffset = offset;
    }
    merged.advance();
  }
}

async function pauseFor(signal: AbortSignal | undefined): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
}

/** Compares the first `length` bytes of two current records. */
function compareAt(a: RecordCursor, b: RecordCursor, length: number): number {
  for (let i = 0; i < length; i++) {
    const difference = a.bytes[a.at + i]! - b.bytes[b.at + i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

function isSameFingerprint(bytes: Uint8Array, at: number, last: Uint8Array): boolean {
  for (let i = 0; i < FINGERPRINT_BYTES; i++) if (bytes[at + i] !== last[i]) return false;
  return true;
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
