// Several runs become one. Everything in a run is sorted, so the container tables, the block tables and the segments
// are each merged as streams, a page of every input in memory at a time; beside those only a new number for each old
// container and block is kept (4 bytes each), and the new run's filter. The same segment at the same place in two
// inputs becomes one record; at different places both stay.
//
// The merged run names those it replaces and is durable before the first of them is removed. Whatever happens in
// between, the runs that are present and not superseded hold the same locations as before.

import { assert } from "../../base/assert.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import {
  MergedSegments,
  isFingerprintAt,
  mergedBlocks,
  mergedContainers,
  segmentLength,
  segmentOffset,
} from "./merged-sections.ts";
import type { ContainerSet, MergeInputs } from "./merged-sections.ts";
import { isRunVanished, listRuns, removeRuns } from "./run-directory.ts";
import type { RunName, WritableIndexLocation } from "./run-directory.ts";
import { RunReader } from "./run-reader.ts";
import { RunWriter } from "./run-writer.ts";

export interface MergeRunsOptions extends WritableIndexLocation {
  readonly runs: readonly RunName[];
  /** What lies in these containers is left out. */
  readonly exclude?: ContainerSet;
  readonly signal?: AbortSignal;
}

export type MergeOutcome =
  | { readonly kind: "merged"; readonly run: RunName; readonly segments: number; readonly superseded: readonly RunName[] }
  /** One of the runs is gone: another process is merging too. Nothing was written; look again. */
  | { readonly kind: "changed" };

/** Merges `runs` into a new one and removes them. Merging the same runs twice at once is harmless. One run alone is only for `exclude`. */
export async function mergeRuns(options: MergeRunsOptions): Promise<MergeOutcome> {
  const least = options.exclude === undefined ? 2 : 1;
  assert(
    new Set(options.runs).size === options.runs.length && options.runs.length >= least,
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
    await writeMerged(writer, { readers, exclude: options.exclude, signal: options.signal });

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

async function writeMerged(writer: RunWriter, inputs: MergeInputs): Promise<void> {
  const containers = mergedContainers(inputs, (record) => writer.container(record));
  const blocks = await mergedBlocks(inputs, containers, (container, { bytes, at, view }) => {
    const [offset, storedLength, plainLength] = [4, 8, 12].map((field) => view.getUint32(at + field, true));
    writer.block(container, offset!, storedLength!, plainLength!, bytes, at + 16);
  });
  const merged = new MergedSegments(inputs, blocks);
  const last = new Uint8Array(FINGERPRINT_BYTES);
  let lastBlock = -1;
  let lastOffset = -1;
  for (let cursor = merged.least; cursor !== undefined; cursor = merged.least) {
    if (merged.isPauseDue) await merged.pause();
    const { bytes, at } = cursor;
    const block = merged.blockOf(cursor);
    const offset = segmentOffset(cursor);
    if (block !== lastBlock || offset !== lastOffset || !isFingerprintAt(bytes, at, last)) {
      writer.segment(bytes, at, block, offset, segmentLength(cursor));
      for (let i = 0; i < FINGERPRINT_BYTES; i++) last[i] = bytes[at + i]!;
      lastBlock = block;
      lastOffset = offset;
    }
    merged.advance();
  }
}
