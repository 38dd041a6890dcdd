// For the tests of the central index only: temporary directories, made-up containers, and an index kept in a Map to
// compare the real one with.

import { createCipheriv, createHash } from "node:crypto";
import os from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { hexOf } from "../../base/bytes.ts";
import type { ContainerName, VolumeId } from "../../media/volume.ts";
import type { Files, OpenFile } from "../../platform/files.ts";
import { nodeFiles } from "../../platform/node-files.ts";
import type { Random } from "../../platform/random.ts";
import { systemRandom } from "../../platform/system-random.ts";
import type { ContainerContents } from "./container-contents.ts";
import type { SegmentLocation } from "./location.ts";
import type { WritableIndexLocation } from "./run-directory.ts";

/** The same bytes for the same seed. */
export function seededRandom(seed: string): Random {
  const cipher = createCipheriv("aes-256-ctr", createHash("sha256").update(seed).digest(), Buffer.alloc(16));
  return { bytes: (count) => new Uint8Array(cipher.update(Buffer.alloc(count))) };
}

/** The seed of this run of the tests; HOLDFAST_TEST_SEED replays one. */
export const testSeed = process.env["HOLDFAST_TEST_SEED"] ?? hexOf(systemRandom.bytes(8));

/** An empty index in a real directory that goes away after the test. */
export function temporaryIndex(context: TestContext): WritableIndexLocation & { readonly files: Files } {
  const files = nodeFiles();
  const directory = join(os.tmpdir(), `holdfast-index-${hexOf(systemRandom.bytes(8))}`);
  files.makeDirectory(directory);
  context.after(() => {
    for (const name of files.list(directory) ?? []) files.remove(join(directory, name));
    files.removeEmptyDirectory(directory);
  });
  context.diagnostic(`HOLDFAST_TEST_SEED=${testSeed}`);
  const random = seededRandom(`${testSeed} ${context.name}`);
  return { files, directory, indexKey: random.bytes(32), repositoryId: random.bytes(16), random };
}

export interface MadeContainerOptions {
  readonly segments: number;
  readonly segmentsPerBlock?: number;
  readonly volumeId?: VolumeId;
  /** Fingerprints to use first; the rest is random. */
  readonly fingerprints?: readonly Uint8Array[];
}

export function madeContainer(random: Random, options: MadeContainerOptions): ContainerContents {
  const { segments, segmentsPerBlock = 7 } = options;
  const blockCount = Math.ceil(segments / segmentsPerBlock);
  const lengths = new Uint32Array(segments).map((_, i) => 1000 + (i % 977));
  const blocks = {
    offsets: new Uint32Array(blockCount),
    storedLengths: new Uint32Array(blockCount),
    plainLengths: new Uint32Array(blockCount),
    identities: random.bytes(blockCount * 16),
    segmentCounts: new Uint32Array(blockCount),
  };
  let offset = 64;
  for (let block = 0; block < blockCount; block++) {
    const own = lengths.subarray(block * segmentsPerBlock, (block + 1) * segmentsPerBlock);
    blocks.offsets[block] = offset;
    blocks.segmentCounts[block] = own.length;
    blocks.plainLengths[block] = own.reduce((sum, length) => sum + length, 0);
    blocks.storedLengths[block] = blocks.plainLengths[block]! + 88;
    offset += blocks.storedLengths[block]!;
  }
  const fingerprints = random.bytes(segments * 32);
  options.fingerprints?.forEach((fingerprint, i) => fingerprints.set(fingerprint, i * 32));
  return {
    volumeId: options.volumeId ?? (hexOf(random.bytes(16)) as VolumeId),
    name: hexOf(random.bytes(32)) as ContainerName,
    blocks,
    segments: { fingerprints, lengths },
  };
}

export function fingerprintOf(contents: ContainerContents, segment: number): Uint8Array {
  return contents.segments.fingerprints.subarray(segment * 32, segment * 32 + 32);
}

/** What the index must say: every location of every fingerprint (in hexadecimal), each as text. */
export function expectedLocations(containers: Iterable<ContainerContents>): Map<string, Set<string>> {
  const expected = new Map<string, Set<string>>();
  for (const { volumeId, name, blocks, segments } of containers) {
    let segment = 0;
    blocks.offsets.forEach((blockOffset, block) => {
      let offset = 0;
      for (let left = blocks.segmentCounts[block]!; left > 0; left--, segment++) {
        const fingerprint = hexOf(segments.fingerprints.subarray(segment * 32, segment * 32 + 32));
        const length = segments.lengths[segment]!;
        const text = textOfLocation({
          volumeId,
          container: name,
          blockOffset,
          storedLength: blocks.storedLengths[block]!,
          plainLength: blocks.plainLengths[block]!,
          identity: blocks.identities.subarray(block * 16, block * 16 + 16) as SegmentLocation["identity"],
          offset,
          length,
        });
        let locations = expected.get(fingerprint);
        if (locations === undefined) expected.set(fingerprint, (locations = new Set()));
        locations.add(text);
        offset += length;
      }
    });
  }
  return expected;
}

export function textOfLocation(location: SegmentLocation): string {
  const { volumeId, container, blockOffset, storedLength, plainLength, identity, offset, length } = location;
  return [volumeId, container, blockOffset, storedLength, plainLength, hexOf(identity), offset, length].join(" ");
}

export type Operation =
  | "open"
  | "create"
  | "read"
  | "write"
  | "sync"
  | "list"
  | "information"
  | "rename"
  | "remove"
  | "syncDirectory";

/** `files`, but `before` is called first with each operation and its path, and may throw in its place. */
export function watchedFiles(files: Files, before: (operation: Operation, path: string) => void): Files {
  const watched = (file: OpenFile, path: string): OpenFile => ({
    read(into, position) {
      before("read", path);
      return file.read(into, position);
    },
    write(bytes, position) {
      before("write", path);
      file.write(bytes, position);
    },
    async sync() {
      before("sync", path);
      await file.sync();
    },
    syncNow: () => file.syncNow(),
    sizeBytes: () => file.sizeBytes(),
    close: () => file.close(),
  });
  return {
    ...files,
    open(path) {
      before("open", path);
      const file = files.open(path);
      return file && watched(file, path);
    },
    create(path) {
      before("create", path);
      return watched(files.create(path), path);
    },
    list(directory) {
      before("list", directory);
      return files.list(directory);
    },
    information(path) {
      before("information", path);
      return files.information(path);
    },
    rename(from, to) {
      before("rename", to);
      files.rename(from, to);
    },
    remove(path) {
      before("remove", path);
      return files.remove(path);
    },
    syncDirectory(directory) {
      before("syncDirectory", directory);
      files.syncDirectory(directory);
    },
  };
}
