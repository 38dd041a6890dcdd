// Small plain files and headers: fixed length, a checksum, and one way to write each.

import { crc32 } from "node:zlib";
import { viewOf } from "../../../../src/base/bytes.ts";
import {
  decodeContainerHeader,
  decodeContainerTrailer,
  encodeContainerHeader,
  encodeContainerTrailer,
} from "../../../../src/formats/container.ts";
import { decodeKeySlot, encodeKeySlot } from "../../../../src/formats/key-slot.ts";
import { decodeRepositoryRecord, encodeRepositoryRecord } from "../../../../src/formats/repository-record.ts";
import {
  decodeTrackLogHeader,
  decodeTrackLogTrailer,
  encodeTrackLogHeader,
  encodeTrackLogTrailer,
} from "../../../../src/formats/track-log.ts";
import { decodeVolumeLabel, encodeVolumeLabel } from "../../../../src/formats/volume-label.ts";
import type { Field } from "../mutator.ts";
import { REPOSITORY_ID, random } from "../samples.ts";
import { SMALL_MEMORY, expectSameBytes } from "../target.ts";
import type { FuzzTarget } from "../target.ts";

/** Puts the CRC-32 of the bytes before `at` there. */
export function repairChecksum(bytes: Uint8Array, at: number): void {
  if (at >= 0 && at + 4 <= bytes.length) viewOf(bytes).setUint32(at, crc32(bytes.subarray(0, at)), true);
}

interface Frame<T> {
  readonly name: string;
  readonly values: readonly T[];
  readonly encode: (value: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
  readonly fields: readonly Field[];
  /** Where the checksum stands, counted from the end. */
  readonly checksumFromEnd: number;
  readonly names: RegExp;
}

function frame<T>({ name, values, encode, decode, fields, checksumFromEnd, names }: Frame<T>): FuzzTarget {
  return {
    name,
    seeds: values.map(encode),
    fieldsOf: () => fields,
    repair: (bytes) => repairChecksum(bytes, bytes.length - checksumFromEnd),
    read: (bytes) => expectSameBytes(encode(decode(bytes)), bytes, name),
    names,
    memory: SMALL_MEMORY,
  };
}

const CREATED = 1_750_000_000_000;
const CONTAINER = 'container abc of volume "main"';

export const FRAMES: readonly FuzzTarget[] = [
  frame({
    name: "repository-record",
    values: [{ id: REPOSITORY_ID, createdAtMs: CREATED }],
    encode: encodeRepositoryRecord,
    decode: decodeRepositoryRecord,
    fields: [
      { at: 8, bytes: 2 },
      { at: 28, bytes: 8 },
    ],
    checksumFromEnd: 4,
    names: /the repository record/,
  }),
  frame({
    name: "volume-label",
    values: ["main", "", "é".repeat(64)].map((name) => ({
      mediaType: 1 as const,
      id: random.bytes(16),
      repositoryId: REPOSITORY_ID,
      createdAtMs: CREATED,
      capacityBytes: 2 ** 40,
      name,
    })),
    encode: encodeVolumeLabel,
    decode: decodeVolumeLabel,
    fields: [
      { at: 10, bytes: 2 },
      { at: 44, bytes: 8 },
      { at: 52, bytes: 8 },
      { at: 60, bytes: 2 },
    ],
    checksumFromEnd: 4,
    names: /a volume label/,
  }),
  frame({
    name: "key-slot",
    values: [
      { memoryKiB: 64, passes: 1, lanes: 1 },
      { memoryKiB: 262_144, passes: 4, lanes: 4 },
    ].map((kdf) => ({
      kdf,
      argon2Salt: random.bytes(16),
      repositoryId: REPOSITORY_ID,
      createdAtMs: CREATED,
      label: "laptop",
      sealedMasterKey: random.bytes(112),
    })),
    encode: encodeKeySlot,
    decode: decodeKeySlot,
    fields: [
      { at: 10, bytes: 2 },
      { at: 12, bytes: 4 },
      { at: 16, bytes: 4 },
      { at: 20, bytes: 4 },
      { at: 40, bytes: 8 },
      { at: 48, bytes: 2 },
    ],
    checksumFromEnd: 4,
    names: /a key slot/,
  }),
  frame({
    name: "container-header",
    values: [1 as const, 2 as const].map((kind) => ({ kind, repositoryId: REPOSITORY_ID, nonce: random.bytes(16) })),
    encode: encodeContainerHeader,
    decode: (bytes) => decodeContainerHeader(bytes, CONTAINER),
    fields: [
      { at: 8, bytes: 2 },
      { at: 10, bytes: 1 },
    ],
    checksumFromEnd: 4,
    names: /the header of container abc/,
  }),
  frame({
    name: "container-trailer",
    values: [{ directoryOffset: 1_000, directoryStoredLength: 968, blockCount: 3, segmentCount: 9 }],
    encode: encodeContainerTrailer,
    decode: (bytes) => decodeContainerTrailer(bytes, 2_000, CONTAINER),
    fields: [0, 4, 8, 12].map((at) => ({ at, bytes: 4 })),
    checksumFromEnd: 12,
    names: /the trailer of container abc/,
  }),
  {
    ...frame({
      name: "track-log-header",
      values: [{ repositoryId: REPOSITORY_ID, imageId: "ab".repeat(32) }],
      encode: encodeTrackLogHeader,
      decode: decodeTrackLogHeader,
      fields: [{ at: 8, bytes: 2 }],
      checksumFromEnd: 8,
      names: /track log/,
    }),
    // Bytes behind the header are not its own.
    read: (bytes) =>
      expectSameBytes(encodeTrackLogHeader(decodeTrackLogHeader(bytes)), bytes.subarray(0, 72), "a track log header"),
  },
  frame({
    name: "track-log-trailer",
    values: [{ offset: 100_000, storedBytes: 5_000 }],
    encode: ({ offset, storedBytes }) => encodeTrackLogTrailer(offset, storedBytes),
    decode: decodeTrackLogTrailer,
    fields: [
      { at: 0, bytes: 8 },
      { at: 8, bytes: 4 },
    ],
    checksumFromEnd: 12,
    names: /track log/,
  }),
];
