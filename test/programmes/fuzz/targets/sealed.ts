// What lies under a seal. The bytes inside are changed and sealed again, so that the decoders behind the seal are reached; and the
// sealed bytes are changed, which the seal must notice.

import { concatBytes, viewOf } from "../../../../src/base/bytes.ts";
import { BlockCompressor, BlockSealer, decompressBlock } from "../../../../src/engine/engine.ts";
import { wordyBytes } from "../../../../src/engine/testing.ts";
import { decodeAnnotation, encodeAnnotation } from "../../../../src/formats/annotation-record.ts";
import {
  BLOCK_DATA,
  BLOCK_DIRECTORY,
  BLOCK_METADATA,
  decodeBlockPayload,
  encodeBlockHeader,
} from "../../../../src/formats/block.ts";
import type { BlockIdentity } from "../../../../src/formats/block.ts";
import { encodeContainerHeader, encodeContainerTrailer } from "../../../../src/formats/container.ts";
import { blockIdentityAt, encodeContainerDirectory } from "../../../../src/formats/container-directory.ts";
import { decodeImageRecord, encodeImageRecord } from "../../../../src/formats/image-record.ts";
import { decodeCollectionRecord, encodeCollectionRecord } from "../../../../src/formats/collection-record.ts";
import type { CollectionRecord } from "../../../../src/formats/collection-record.ts";
import { decodeLossRecord, encodeLossRecord } from "../../../../src/formats/loss-record.ts";
import {
  RECORD_ANNOTATION,
  RECORD_CHECKPOINT,
  RECORD_COLLECTION,
  RECORD_IMAGE,
  RECORD_LOSSES,
  RECORD_TRAIL,
} from "../../../../src/formats/sealed-record.ts";
import type { RecordType } from "../../../../src/formats/sealed-record.ts";
import { decodeTrailRecord, encodeTrailRecord } from "../../../../src/formats/trail-record.ts";
import type { ContainerName } from "../../../../src/media/media.ts";
import type { ImageId } from "../../../../src/model/image.ts";
import { ContainerReader } from "../../../../src/repository/repository.ts";
import { openRecordFile, sealRecordFile } from "../../../../src/repository/record-sealer.ts";
import { imageRecord } from "../../../../src/repository/testing.ts";
import { mutatedJson } from "../json-mutator.ts";
import { volumeOf } from "../memory-files.ts";
import { mutated } from "../mutator.ts";
import { KEY_RING, REPOSITORY_ID, fingerprint, random } from "../samples.ts";
import { MIB, SMALL_MEMORY } from "../target.ts";
import type { FuzzTarget } from "../target.ts";
import { repairChecksum } from "./frames.ts";

const sealer = new BlockSealer({ blockKey: KEY_RING.block, repositoryId: REPOSITORY_ID, random });
const IDENTITY = new Uint8Array(16).fill(7) as Uint8Array as BlockIdentity;
const CONTAINER = "c1".repeat(32) as ContainerName;
/** A block may declare 16 MiB, and that much is taken before its bytes are unfolded. */
const BLOCK_MEMORY = { base: 48 * MIB, perByte: 64 };

function payloadOf(plain: Uint8Array): Uint8Array<ArrayBuffer> {
  const compressed = new BlockCompressor("default").compress(plain);
  const header = new Uint8Array(8);
  encodeBlockHeader(header, compressed.codec, plain.length);
  return concatBytes(header, compressed.bytes);
}

// --- containers ----------------------------------------------------------------------------------

const PLAIN_BLOCKS = [wordyBytes(1, 3_000), wordyBytes(2, 70), wordyBytes(3, 9_000)];
const SEALED_BLOCKS = PLAIN_BLOCKS.map((plain, position) =>
  sealer.seal(position === 1 ? BLOCK_METADATA : BLOCK_DATA, IDENTITY, payloadOf(plain)),
);
const HEADER = encodeContainerHeader({ kind: 1, repositoryId: REPOSITORY_ID, nonce: IDENTITY });

function directoryPlain(): Uint8Array {
  const segmentCounts = [3, 1, 10];
  const lengths = PLAIN_BLOCKS.flatMap(({ length }, position) => {
    const count = segmentCounts[position]!;
    return Array.from({ length: count }, (_, segment) => (segment === 0 ? length - (count - 1) : 1));
  });
  let place = HEADER.length;
  const offsets = SEALED_BLOCKS.map(({ length }) => (place += length) - length);
  return encodeContainerDirectory({
    blocks: {
      offsets: Uint32Array.from(offsets),
      storedLengths: Uint32Array.from(SEALED_BLOCKS, ({ length }) => length),
      plainLengths: Uint32Array.from(PLAIN_BLOCKS, ({ length }) => length),
      identities: Uint8Array.from(concatBytes(...SEALED_BLOCKS.map(() => IDENTITY))),
      kinds: Uint8Array.of(BLOCK_DATA, BLOCK_METADATA, BLOCK_DATA),
      segmentCounts: Uint32Array.from(segmentCounts),
    },
    segments: {
      fingerprints: Uint8Array.from(concatBytes(...lengths.map((_, position) => fingerprint(position)))),
      lengths: Uint32Array.from(lengths),
    },
  });
}

/** A container whose directory is this, with a trailer that agrees with the counts in it. */
function containerWith(directory: Uint8Array): Uint8Array {
  const payload = new Uint8Array(8 + directory.length);
  payload[0] = 1;
  viewOf(payload).setUint32(4, directory.length, true);
  payload.set(directory, 8);
  const sealed = sealer.seal(BLOCK_DIRECTORY, IDENTITY, payload);
  const countAt = (at: number): number => (directory.length < at + 4 ? 0 : viewOf(directory).getUint32(at, true));
  const before = concatBytes(HEADER, ...SEALED_BLOCKS);
  const trailer = encodeContainerTrailer({
    directoryOffset: before.length,
    directoryStoredLength: sealed.length,
    blockCount: countAt(4),
    segmentCount: countAt(8),
  });
  return concatBytes(before, sealed, trailer);
}

const reader = new ContainerReader({ sealer, repositoryId: REPOSITORY_ID });

async function readContainer(file: Uint8Array): Promise<void> {
  const volume = volumeOf(file);
  const { blocks } = await reader.readDirectory(volume, CONTAINER);
  for (let block = 0; block < Math.min(4, blocks.offsets.length); block++) {
    await reader.readBlock(volume, blocks.kinds[block] === BLOCK_METADATA ? BLOCK_METADATA : BLOCK_DATA, {
      container: CONTAINER,
      blockOffset: blocks.offsets[block]!,
      storedLength: blocks.storedLengths[block]!,
      plainLength: blocks.plainLengths[block]!,
      identity: blockIdentityAt(blocks, block),
    });
  }
}

const DIRECTORY = directoryPlain();

const BLOCKS: readonly FuzzTarget[] = [
  {
    name: "block-payload",
    seeds: [payloadOf(wordyBytes(1, 50_000)), payloadOf(Uint8Array.of(5)), payloadOf(new Uint8Array(4 * MIB))],
    fieldsOf: () => [
      { at: 1, bytes: 1 },
      { at: 4, bytes: 4 },
    ],
    read: (bytes) => {
      const payload = decodeBlockPayload(bytes);
      const plain = decompressBlock(payload);
      if (plain.length !== payload.plainLength) throw new Error(`${plain.length} bytes for a block of ${payload.plainLength}`);
    },
    names: /a block/,
    memory: BLOCK_MEMORY,
  },
  {
    name: "block",
    seeds: SEALED_BLOCKS.slice(0, 1),
    read: (bytes) => {
      const payload = sealer.open(BLOCK_DATA, IDENTITY, bytes);
      if (Buffer.compare(bytes, SEALED_BLOCKS[0]!) !== 0)
        throw new Error(`a seal was broken unseen; ${payload.length} bytes were returned`);
    },
    names: /block 0707/,
    memory: SMALL_MEMORY,
  },
  {
    name: "container",
    seeds: [containerWith(DIRECTORY)],
    fieldsOf: (bytes) => [
      { at: 10, bytes: 1 },
      ...[32, 28, 24, 20].map((fromEnd) => ({ at: Math.max(0, bytes.length - fromEnd), bytes: 4 as const })),
    ],
    repair: (bytes) => {
      repairChecksum(bytes.subarray(0, 64), 60);
      repairChecksum(bytes.subarray(Math.max(0, bytes.length - 32)), 20);
    },
    read: readContainer,
    codes: ["REPOSITORY_DAMAGED"],
    names: /container c1c1/,
    memory: BLOCK_MEMORY,
  },
  {
    name: "container-directory",
    seeds: [DIRECTORY],
    fieldsOf: () => [
      { at: 4, bytes: 4 },
      { at: 8, bytes: 4 },
      ...[0, 1, 2].flatMap((block) => [0, 4, 8, 32].map((at) => ({ at: 12 + block * 36 + at, bytes: 4 as const }))),
      ...[0, 1, 2].map((segment) => ({ at: 12 + 3 * 36 + segment * 36 + 32, bytes: 4 as const })),
    ],
    read: (bytes) => readContainer(containerWith(bytes)),
    codes: ["REPOSITORY_DAMAGED"],
    names: /container c1c1/,
    memory: BLOCK_MEMORY,
  },
];

// --- records -------------------------------------------------------------------------------------

interface SealedJson<T> {
  readonly name: string;
  readonly type: RecordType;
  readonly values: readonly T[];
  readonly encode: (value: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
  readonly names: RegExp;
}

/** Above it an image record is shortened when it is written. */
const COMPARED_BYTES = 500_000;

function sealedJson<T>({ name, type, values, encode, decode, names }: SealedJson<T>): FuzzTarget {
  return {
    name,
    seeds: values.map(encode),
    mutate: (chance, seeds) => (chance.oneIn(3) ? mutated(chance, seeds) : mutatedJson(chance, seeds)),
    read: (bytes) => {
      const value = decode(openRecordFile(KEY_RING, type, sealRecordFile(KEY_RING, random, type, bytes), `images/${name}`));
      if (bytes.length > COMPARED_BYTES) return;
      const again = decode(encode(value));
      if (JSON.stringify(again) !== JSON.stringify(value)) throw new Error("it reads differently when written again");
    },
    names,
    memory: { base: 16 * MIB, perByte: 300 },
  };
}

const TRAIL = {
  trail: "ab".repeat(16),
  generation: 3,
  kind: "backup" as const,
  name: "default",
  volumes: ["cd".repeat(16)],
  madeAtMs: 5,
};
const IMAGE = "ab".repeat(32) as ImageId;
const ITEMS = { count: 7, items: [{ path: "/home/a", reason: "EACCES" }] };
const TRAIL_FILE = sealRecordFile(KEY_RING, random, RECORD_TRAIL, encodeTrailRecord(TRAIL));

const RECORDS: readonly FuzzTarget[] = [
  ...(
    [
      ["image-record", RECORD_IMAGE],
      ["checkpoint", RECORD_CHECKPOINT],
    ] as const
  ).map(([name, type]) =>
    sealedJson({
      name,
      type,
      values: [
        imageRecord(),
        imageRecord({
          sequence: 4,
          base: "ab".repeat(32) as ImageId,
          tags: ["a", "b"],
          unreadable: ITEMS,
          changedWhileRead: ITEMS,
        }),
        imageRecord({ options: { oneFileSystem: true, level: 3.5, excludes: ["a", "b"], compression: "best" } }),
      ],
      encode: encodeImageRecord,
      decode: decodeImageRecord,
      names: /an image record/,
    }),
  ),
  sealedJson({
    name: "annotation",
    type: RECORD_ANNOTATION,
    values: [{ image: "ab".repeat(32) as ImageId, generation: 2, tags: ["kept", "é"], madeAtMs: 1_750_000_000_000 }],
    encode: encodeAnnotation,
    decode: decodeAnnotation,
    names: /an annotation/,
  }),
  sealedJson({
    name: "hold",
    type: RECORD_ANNOTATION,
    values: [
      { image: IMAGE, generation: 3, tags: [], hold: { reason: "lawsuit", untilMs: 1_800_000_000_000 }, madeAtMs: 5 },
      { image: IMAGE, generation: 4, tags: ["kept"], hold: { reason: "for ever, says Zoë" }, madeAtMs: 6 },
    ],
    encode: encodeAnnotation,
    decode: decodeAnnotation,
    names: /an annotation/,
  }),
  sealedJson<CollectionRecord>({
    name: "collection",
    type: RECORD_COLLECTION,
    values: [
      {
        step: "condemned",
        generation: 3,
        containers: [1, 2, 3].map((digit) => ({ volume: "cd".repeat(16), container: `c${digit}`.repeat(32) })),
        images: [IMAGE, "ac".repeat(32) as ImageId],
        checkpoints: ["ad".repeat(32)],
      },
      { step: "released", generation: 3 },
      { step: "waits", generation: 3, sessions: ["0123456789abcdef", "fedcba9876543210"] },
      { step: "finished", generation: 3, removedContainers: 3, removedBytes: 144_000_000 },
    ],
    encode: encodeCollectionRecord,
    decode: decodeCollectionRecord,
    names: /a collection record/,
  }),
  sealedJson({
    name: "losses",
    type: RECORD_LOSSES,
    values: [
      { generation: 1, epoch: 1, whole: [], madeAtMs: 5 },
      { generation: 7, epoch: 2, whole: [IMAGE, "ac".repeat(32) as ImageId], madeAtMs: 1_750_000_000_000 },
    ],
    encode: encodeLossRecord,
    decode: decodeLossRecord,
    names: /a loss record/,
  }),
  sealedJson({
    name: "trail",
    type: RECORD_TRAIL,
    values: [TRAIL],
    encode: encodeTrailRecord,
    decode: decodeTrailRecord,
    names: /a trail record/,
  }),
  {
    name: "sealed-record",
    seeds: [TRAIL_FILE],
    fieldsOf: () => [
      { at: 8, bytes: 2 },
      { at: 10, bytes: 2 },
      { at: 32, bytes: 4 },
    ],
    repair: (bytes) => repairChecksum(bytes.subarray(0, 40), 36),
    read: (bytes) => {
      openRecordFile(KEY_RING, RECORD_TRAIL, bytes, "trails/it");
      if (Buffer.compare(bytes, TRAIL_FILE) !== 0) throw new Error("a seal was broken unseen");
    },
    codes: ["REPOSITORY_DAMAGED"],
    names: /a record|trails\/it/,
    memory: SMALL_MEMORY,
  },
];

export const SEALED: readonly FuzzTarget[] = [...BLOCKS, ...RECORDS];
