// What the index says of some containers, in the form in which they say it themselves: for containers whose own
// directory cannot be read. Every run is asked, and of a damaged one every page that is whole.

import { HoldfastError, isKeptBack } from "../../base/errors.ts";
import { hexOf, viewOf } from "../../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import { BLOCK_IDENTITY_BYTES } from "../../formats/block.ts";
import { BLOCK_RECORD_BYTES, CONTAINER_RECORD_BYTES, SEGMENT_RECORD_BYTES } from "../../formats/index-run.ts";
import type { SectionName } from "../../formats/index-run.ts";
import type { ContainerContents } from "./container-contents.ts";
import type { ContainerReference } from "./lookup.ts";
import { listRuns } from "./run-directory.ts";
import type { IndexLocation } from "./run-directory.ts";
import { RunReader } from "./run-reader.ts";

interface KnownBlock {
  readonly offset: number;
  readonly storedLength: number;
  readonly plainLength: number;
  readonly identity: Uint8Array;
  /** By their offset in the block. */
  readonly segments: Map<number, { readonly fingerprint: Uint8Array; readonly length: number }>;
}

/** By offset in the container. */
type KnownBlocks = Map<number, KnownBlock>;

/**
 * For each of `wanted` of which the index knows anything, the blocks whose segments it knows all. Holds in memory what it
 * returns, about 150 bytes a segment while it gathers. Throws when the system cannot read a run: that may be the one that knows.
 */
export function contentsKnownToIndex(
  location: IndexLocation,
  wanted: readonly ContainerReference[],
): readonly ContainerContents[] {
  const known = new Map<string, { readonly place: ContainerReference; readonly blocks: KnownBlocks }>();
  for (const place of wanted) known.set(`${place.volumeId}${place.container}`, { place, blocks: new Map() });
  if (known.size === 0) return [];
  for (const name of listRuns(location.files, location.directory)) {
    const reader = unlessDamaged(() => RunReader.open(location, name));
    if (reader === undefined) continue;
    try {
      gather(reader, (record) => known.get(hexOf(record))?.blocks);
    } finally {
      reader.close();
    }
  }
  return [...known.values()].flatMap(({ place, blocks }) => {
    const complete = [...blocks.values()].filter(isComplete).sort((a, b) => a.offset - b.offset);
    return complete.length === 0 ? [] : [packed(place, complete)];
  });
}

function gather(reader: RunReader, blocksOf: (container: Uint8Array) => KnownBlocks | undefined): void {
  const containers = new Map<number, KnownBlocks>();
  eachRecord(reader, "containers", CONTAINER_RECORD_BYTES, (bytes, at, ordinal) => {
    const blocks = blocksOf(bytes.subarray(at, at + CONTAINER_RECORD_BYTES));
    if (blocks !== undefined) containers.set(ordinal, blocks);
  });
  if (containers.size === 0) return;
  const blocks = new Map<number, KnownBlock>();
  eachRecord(reader, "blocks", BLOCK_RECORD_BYTES, (bytes, at, ordinal) => {
    const view = viewOf(bytes);
    const ofContainer = containers.get(view.getUint32(at, true));
    if (ofContainer === undefined) return;
    const offset = view.getUint32(at + 4, true);
    let block = ofContainer.get(offset);
    if (block === undefined) {
      const identity = bytes.slice(at + 16, at + 16 + BLOCK_IDENTITY_BYTES);
      const [storedLength, plainLength] = [view.getUint32(at + 8, true), view.getUint32(at + 12, true)];
      ofContainer.set(offset, (block = { offset, storedLength, plainLength, identity, segments: new Map() }));
    }
    blocks.set(ordinal, block);
  });
  eachRecord(reader, "segments", SEGMENT_RECORD_BYTES, (bytes, at) => {
    const view = viewOf(bytes);
    const block = blocks.get(view.getUint32(at + FINGERPRINT_BYTES, true));
    const offset = view.getUint32(at + FINGERPRINT_BYTES + 4, true);
    if (block === undefined || block.segments.has(offset)) return;
    const fingerprint = bytes.slice(at, at + FINGERPRINT_BYTES);
    block.segments.set(offset, { fingerprint, length: view.getUint32(at + FINGERPRINT_BYTES + 8, true) });
  });
}

/** Passes by the pages that are damaged. */
function eachRecord(
  reader: RunReader,
  name: SectionName,
  recordBytes: number,
  use: (bytes: Uint8Array, at: number, ordinal: number) => void,
): void {
  const section = reader.section(name);
  for (let page = 0; page < section.pages; page++) {
    const bytes = unlessDamaged(() => reader.readPage(section, page));
    if (bytes === undefined) continue;
    const first = page * section.recordsPerPage;
    for (let at = 0; at + recordBytes <= bytes.length; at += recordBytes) use(bytes, at, first + at / recordBytes);
  }
}

/** What the system keeps from us is tried once more; anything else that is wrong with a run is damage. */
function unlessDamaged<T>(read: () => T): T | undefined {
  for (let isLast = false; ; isLast = true) {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      if (!isKeptBack(error)) return undefined;
      if (isLast) throw error;
    }
  }
}

function isComplete({ plainLength, segments }: KnownBlock): boolean {
  let end = 0;
  for (const offset of [...segments.keys()].sort((a, b) => a - b)) {
    if (offset !== end) return false;
    end += segments.get(offset)?.length ?? 0;
  }
  return segments.size > 0 && end === plainLength;
}

function packed({ volumeId, container }: ContainerReference, known: readonly KnownBlock[]): ContainerContents {
  const inOrder = known.map((block) => [...block.segments].sort(([a], [b]) => a - b).map(([, segment]) => segment));
  const segments = inOrder.flat();
  const identities = new Uint8Array(known.length * BLOCK_IDENTITY_BYTES);
  known.forEach(({ identity }, i) => identities.set(identity, i * BLOCK_IDENTITY_BYTES));
  const fingerprints = new Uint8Array(segments.length * FINGERPRINT_BYTES);
  segments.forEach(({ fingerprint }, i) => fingerprints.set(fingerprint, i * FINGERPRINT_BYTES));
  return {
    volumeId,
    name: container,
    blocks: {
      offsets: Uint32Array.from(known, ({ offset }) => offset),
      storedLengths: Uint32Array.from(known, ({ storedLength }) => storedLength),
      plainLengths: Uint32Array.from(known, ({ plainLength }) => plainLength),
      identities,
      segmentCounts: Uint32Array.from(inOrder, (list) => list.length),
    },
    segments: { fingerprints, lengths: Uint32Array.from(segments, ({ length }) => length) },
  };
}
