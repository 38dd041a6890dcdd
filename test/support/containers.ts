// A repository's worth of parts for testing containers: a volume on a simulated disk, keys, and small blocks.

import { BlockCompressor, BlockIdentifier, BlockSealer, createFingerprinter } from "../../src/engine/engine.ts";
import { randomBytes, seededRandom, wordyBytes } from "../../src/engine/testing.ts";
import { BLOCK_DATA } from "../../src/formats/block.ts";
import { CONTAINER_DATA } from "../../src/formats/container.ts";
import { createDirectoryVolume, openDirectoryVolume, temporaryNames } from "../../src/media/media.ts";
import type { DirectoryVolume } from "../../src/media/media.ts";
import type { Files } from "../../src/platform/files.ts";
import type { BlockPlacement, BlockSegments, ContainerWriterOptions } from "../../src/repository/container-writer.ts";
import { ContainerWriter } from "../../src/repository/container-writer.ts";

export const TEST_REPOSITORY_ID = new Uint8Array(16).fill(0x52);
export const VOLUME_PATH = "/volume";

const fingerprinter = createFingerprinter(new Uint8Array(32).fill(3));

export function makeTestVolume(files: Files): Promise<DirectoryVolume> {
  return makeVolumeAt(files, VOLUME_PATH);
}

export async function makeVolumeAt(files: Files, path: string): Promise<DirectoryVolume> {
  const names = temporaryNames("00", seededRandom("label"));
  const options = { files, path, repositoryId: TEST_REPOSITORY_ID, temporaryNames: names };
  await createDirectoryVolume({ ...options, id: new Uint8Array(16).fill(0x56), createdAtMs: 0, name: "main" });
  return openVolumeAt(files, path);
}

/** The volume that is there already; changes nothing. */
export function openTestVolume(files: Files): DirectoryVolume {
  return openVolumeAt(files, VOLUME_PATH);
}

function openVolumeAt(files: Files, path: string): DirectoryVolume {
  const names = temporaryNames("00", seededRandom("names"));
  return openDirectoryVolume({ files, path, repositoryId: TEST_REPOSITORY_ID, temporaryNames: names });
}

export function testSealer(): BlockSealer {
  return new BlockSealer({
    blockKey: new Uint8Array(32).fill(1),
    repositoryId: TEST_REPOSITORY_ID,
    random: seededRandom("salts"),
  });
}

export function testIdentifier(): BlockIdentifier {
  return new BlockIdentifier(new Uint8Array(32).fill(2));
}

export function testWriter(volume: DirectoryVolume, changes: Partial<ContainerWriterOptions> = {}): ContainerWriter {
  return new ContainerWriter({
    volume,
    repositoryId: TEST_REPOSITORY_ID,
    sealer: testSealer(),
    identifier: testIdentifier(),
    kind: CONTAINER_DATA,
    random: seededRandom("nonces"),
    ...changes,
  });
}

export interface TestBlock {
  readonly plain: Uint8Array;
  readonly segments: BlockSegments;
}

/** A block of segments with these lengths; every other one is text, the rest random. */
export function testBlock(seed: number, ...lengths: readonly number[]): TestBlock {
  const plain = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0));
  const fingerprints = new Uint8Array(lengths.length * 32);
  let offset = 0;
  lengths.forEach((length, position) => {
    plain.set(position % 2 === 0 ? wordyBytes(seed + position, length) : randomBytes(seed + position, length), offset);
    fingerprinter.into(plain.subarray(offset, offset + length), fingerprints, position * 32);
    offset += length;
  });
  return { plain, segments: { count: lengths.length, fingerprints, lengths: Uint32Array.from(lengths) } };
}

export function appendTestBlock(
  writer: ContainerWriter,
  block: TestBlock,
  compressor = new BlockCompressor("default"),
): BlockPlacement {
  return writer.appendBlock(BLOCK_DATA, block.segments, compressor.compress(block.plain));
}
