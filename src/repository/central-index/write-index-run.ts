// One run from the contents of containers: what a backup writes at its end and a rebuild writes batch by batch.

import { setImmediate } from "node:timers/promises";
import { assert } from "../../base/assert.ts";
import { bytesOfHex, compareBytes, concatBytes, equalBytes } from "../../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import { BLOCK_IDENTITY_BYTES } from "../../formats/block.ts";
import { checkContainerContents } from "./container-contents.ts";
import type { ContainerContents, PackedBlocks } from "./container-contents.ts";
import type { RunName, WritableIndexLocation } from "./run-directory.ts";
import { RunWriter } from "./run-writer.ts";
import { listOf, numberFingerprints, sortFingerprints } from "./sort-segments.ts";

export interface WriteIndexRunOptions extends WritableIndexLocation {
  /** In any order; one that occurs twice (same volume, same name) counts once. */
  readonly containers: readonly ContainerContents[];
  /** Runs whose content is in this one; readers ignore them from now on. Removing them is the caller's next step. */
  readonly supersedes?: readonly RunName[];
  readonly signal?: AbortSignal;
}

/** Segments between two pauses in which the process may do something else. */
const PAUSE_SEGMENTS = 32 * 1024;

/**
 * Writes a run holding every segment of `containers` and resolves with its name when it is durable. Needs about
 * 18 bytes of memory per segment beside the contents given. An aborted or failed one leaves nothing that is read.
 */
export async function writeIndexRun(options: WriteIndexRunOptions): Promise<RunName> {
  const containers = inOrder(options.containers);
  const segmentCount = containers.reduce((sum, { contents }) => sum + contents.segments.lengths.length, 0);
  const writer = new RunWriter(options, segmentCount);
  try {
    const positions = writeContainersAndBlocks(writer, containers, segmentCount);
    await writeSegments(writer, containers, positions, options.signal);
  } catch (error) {
    writer.discard();
    throw error;
  }
  return writer.publish(options.supersedes ?? []);
}

interface KeyedContainer {
  /** As it stands in the run: volume identifier 16, name 32. */
  readonly record: Uint8Array;
  readonly contents: ContainerContents;
}

function inOrder(containers: readonly ContainerContents[]): KeyedContainer[] {
  const keyed = containers.map((contents) => {
    checkContainerContents(contents);
    return { record: concatBytes(bytesOfHex(contents.volumeId), bytesOfHex(contents.name)), contents };
  });
  keyed.sort((a, b) => compareBytes(a.record, b.record));
  return keyed.filter(({ record }, i) => i === 0 || !equalBytes(record, keyed[i - 1]!.record));
}

/** For each segment, in the order of the containers. */
interface SegmentPositions {
  readonly blocks: Uint32Array;
  readonly offsets: Uint32Array;
}

function writeContainersAndBlocks(
  writer: RunWriter,
  containers: readonly KeyedContainer[],
  segmentCount: number,
): SegmentPositions {
  const positions = { blocks: new Uint32Array(segmentCount), offsets: new Uint32Array(segmentCount) };
  for (const { record } of containers) writer.container(record);

  let block = 0;
  let segment = 0;
  containers.forEach(({ contents }, container) => {
    const { blocks, segments } = contents;
    let segmentInContainer = 0;
    for (let i = 0; i < blocks.offsets.length; i++, block++) {
      // Blocks sorted by offset let a merge recognise the same block in two runs.
      assert(
        i === 0 || blocks.offsets[i]! > blocks.offsets[i - 1]!,
        "the blocks of a container come in ascending order of offset",
      );
      writeBlock(writer, container, blocks, i);
      let offset = 0;
      for (let left = blocks.segmentCounts[i]!; left > 0; left--, segment++, segmentInContainer++) {
        positions.blocks[segment] = block;
        positions.offsets[segment] = offset;
        offset += segments.lengths[segmentInContainer]!;
      }
    }
  });
  return positions;
}

function writeBlock(writer: RunWriter, container: number, blocks: PackedBlocks, i: number): void {
  const { offsets, storedLengths, plainLengths, identities } = blocks;
  writer.block(container, offsets[i]!, storedLengths[i]!, plainLengths[i]!, identities, i * BLOCK_IDENTITY_BYTES);
}

async function writeSegments(
  writer: RunWriter,
  containers: readonly KeyedContainer[],
  positions: SegmentPositions,
  signal: AbortSignal | undefined,
): Promise<void> {
  const fingerprints = numberFingerprints(containers.map(({ contents }) => contents.segments.fingerprints));
  // Numbers ascend with container, block and offset, so equal fingerprints come out in the order a run wants.
  const order = sortFingerprints(fingerprints);
  for (let i = 0; i < order.length; i++) {
    if (i % PAUSE_SEGMENTS === PAUSE_SEGMENTS - 1) {
      await setImmediate();
      signal?.throwIfAborted();
    }
    const number = order[i]!;
    const container = listOf(fingerprints.starts, number);
    const inContainer = number - fingerprints.starts[container]!;
    const length = containers[container]!.contents.segments.lengths[inContainer]!;
    const bytes = fingerprints.lists[container]!;
    writer.segment(bytes, inContainer * FINGERPRINT_BYTES, positions.blocks[number]!, positions.offsets[number]!, length);
  }
}
