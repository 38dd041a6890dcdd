import assert from "node:assert/strict";
import { argon2Sync } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { workedExample } from "../../test/support/worked-example.ts";
import { concatBytes, hexOf, viewOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import { openRecord, sealRecord } from "../engine/engine.ts";
import { decodeKeySlot, encodeKeySlot, fittingLabel, keySlotContext } from "./key-slot.ts";
import { decodeRepositoryRecord, encodeRepositoryRecord } from "./repository-record.ts";
import {
  RECORD_TRAIL,
  SEALED_RECORD_PLAIN_LIMIT,
  decodeSealedRecord,
  encodeSealedRecordHeader,
  sealedRecordContext,
} from "./sealed-record.ts";
import { decodeVolumeLabel, encodeVolumeLabel } from "./volume-label.ts";

const filled = (byte: number, length: number): Uint8Array => new Uint8Array(length).fill(byte);
const counting = (first: number) => ({
  bytes: (count: number) => Uint8Array.from({ length: count }, (_, position) => first + position),
});

const REPOSITORY = filled(0x52, 16);
const CREATED = 1_750_000_000_000;

test("the worked example of docs/formats/repository.md decodes, and encodes to the same bytes", () => {
  const example = workedExample("repository.md");
  const record = decodeRepositoryRecord(example);
  assert.deepEqual(record, { id: REPOSITORY, createdAtMs: CREATED });
  assert.deepEqual(encodeRepositoryRecord(record), example);
});

test("the worked example of docs/formats/volume.md decodes, and encodes to the same bytes", () => {
  const example = workedExample("volume.md");
  const label = decodeVolumeLabel(example);
  const expected = {
    mediaType: 1,
    id: filled(0x56, 16),
    repositoryId: REPOSITORY,
    createdAtMs: CREATED,
    capacityBytes: 0,
    name: "main",
  };
  assert.deepEqual(label, expected);
  assert.deepEqual(encodeVolumeLabel(label), example);
});

test("the worked example of docs/formats/key-slot.md opens with its passphrase, and is made again to the same bytes", () => {
  const example = workedExample("key-slot.md");
  const slot = decodeKeySlot(example);
  assert.deepEqual(slot.kdf, { memoryKiB: 64, passes: 1, lanes: 1 });
  assert.equal(slot.label, "laptop");
  const message = "correct horse battery staple";
  const key = argon2Sync("argon2id", { message, nonce: slot.argon2Salt, memory: 64, passes: 1, parallelism: 1, tagLength: 32 });
  assert.ok(readFileSync(new URL("../../docs/formats/key-slot.md", import.meta.url), "utf8").includes(hexOf(key)));
  assert.deepEqual(openRecord(key, keySlotContext(slot), slot.sealedMasterKey, "the example"), filled(0x4d, 32));
  const sealedMasterKey = sealRecord(key, keySlotContext(slot), counting(0x30), filled(0x4d, 32));
  assert.deepEqual(encodeKeySlot({ ...slot, sealedMasterKey }), example);
});

test("the header of the worked example of docs/formats/sealed-record.md decodes, and encodes to the same bytes", () => {
  const example = workedExample("sealed-record.md");
  const record = decodeSealedRecord(example);
  assert.equal(record.type, RECORD_TRAIL);
  assert.deepEqual(encodeSealedRecordHeader(record), record.header);
  assert.deepEqual(concatBytes(record.header, record.sealed), example);
  const plain = openRecord(filled(4, 32), sealedRecordContext(record.header), record.sealed, "the example");
  assert.equal(plain.length, record.plainLength);
  const sealed = sealRecord(filled(4, 32), sealedRecordContext(record.header), counting(0x50), plain);
  assert.deepEqual(sealed, record.sealed);
});

// RFC 9106, §5.3: the Argon2id that opens repositories is the one the world agrees on.
test("Argon2id gives the RFC's test vector", () => {
  const tag = argon2Sync("argon2id", {
    message: filled(1, 32),
    nonce: filled(2, 16),
    secret: filled(3, 8),
    associatedData: filled(4, 12),
    memory: 32,
    passes: 3,
    parallelism: 4,
    tagLength: 32,
  });
  assert.equal(hexOf(tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
});

// --- every kind of damage, for every frame -----------------------------------------------------

interface Frame {
  readonly page: string;
  readonly lengthBytes: number;
  readonly decode: (bytes: Uint8Array) => unknown;
  /** Offsets of reserved bytes. */
  readonly reserved: readonly number[];
}

const frames: readonly Frame[] = [
  { page: "repository.md", lengthBytes: 64, decode: decodeRepositoryRecord, reserved: [10, 11, 36, 59] },
  { page: "volume.md", lengthBytes: 256, decode: decodeVolumeLabel, reserved: [62, 63, 68, 191, 192, 251] },
  { page: "key-slot.md", lengthBytes: 256, decode: decodeKeySlot, reserved: [50, 51, 58, 115, 132, 139] },
  { page: "sealed-record.md", lengthBytes: 40, decode: decodeSealedRecord, reserved: [12, 15] },
];

for (const frame of frames) {
  const example = workedExample(frame.page);
  /** The example with its frame changed and the checksum made right, as a newer program would write it. */
  const rewritten = (change: (bytes: Uint8Array) => void): Uint8Array => {
    const bytes = example.slice();
    change(bytes);
    const covered = frame.lengthBytes - 4;
    viewOf(bytes).setUint32(covered, crc32(bytes.subarray(0, covered)), true);
    return bytes;
  };
  const codeOf = (bytes: Uint8Array): ErrorCode | undefined => {
    try {
      frame.decode(bytes);
      return undefined;
    } catch (error) {
      assert.ok(error instanceof HoldfastError, String(error));
      return error.code;
    }
  };

  test(`${frame.page}: cut short anywhere it says FORMAT_TRUNCATED`, () => {
    for (let length = 0; length < example.length; length++)
      assert.equal(codeOf(example.subarray(0, length)), "FORMAT_TRUNCATED", `${length}`);
  });

  test(`${frame.page}: bytes behind the end are refused`, () => {
    assert.equal(codeOf(concatBytes(example, filled(0, 1))), "FORMAT_INVALID");
  });

  test(`${frame.page}: every flipped bit of the frame is found`, () => {
    for (let bit = 0; bit < frame.lengthBytes * 8; bit++) {
      const changed = example.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(codeOf(changed), bit < 64 ? "FORMAT_MAGIC" : "FORMAT_CHECKSUM", `bit ${bit}`);
    }
  });

  test(`${frame.page}: a newer version and reserved bytes in use are told from damage`, () => {
    assert.equal(codeOf(rewritten((bytes) => bytes.fill(2, 8, 9))), "FORMAT_VERSION");
    assert.equal(codeOf(rewritten((bytes) => bytes.fill(1, 9, 10))), "FORMAT_VERSION");
    for (const offset of frame.reserved) {
      assert.equal(codeOf(rewritten((bytes) => bytes.fill(1, offset, offset + 1))), "FORMAT_RESERVED", `offset ${offset}`);
    }
  });
}

test("values beyond their bounds are refused even when the checksum is right", () => {
  const cases: readonly (readonly [string, number, Uint8Array])[] = [
    ["volume.md", 10, Uint8Array.of(2, 0)],
    ["volume.md", 60, Uint8Array.of(129, 0)],
    ["volume.md", 64, Uint8Array.of(0xff)],
    ["volume.md", 44, filled(0xff, 8)],
    ["volume.md", 52, filled(0xff, 8)],
    ["key-slot.md", 10, Uint8Array.of(2, 0)],
    ["key-slot.md", 48, Uint8Array.of(65, 0)],
    ["key-slot.md", 52, Uint8Array.of(0xc0)],
    ["key-slot.md", 12, Uint8Array.of(7, 0, 0, 0)],
    ["key-slot.md", 12, Uint8Array.of(1, 0, 0x10, 0)],
    ["key-slot.md", 16, Uint8Array.of(17, 0, 0, 0)],
    ["key-slot.md", 16, filled(0, 4)],
    ["key-slot.md", 20, Uint8Array.of(17, 0, 0, 0)],
    ["key-slot.md", 20, filled(0, 4)],
    ["repository.md", 28, filled(0xff, 8)],
    ["sealed-record.md", 32, Uint8Array.of(1, 0, 0, 2)],
  ];
  for (const [page, offset, value] of cases) {
    const frame = frames.find((candidate) => candidate.page === page);
    assert.ok(frame);
    const bytes = workedExample(page);
    bytes.set(value, offset);
    const covered = frame.lengthBytes - 4;
    viewOf(bytes).setUint32(covered, crc32(bytes.subarray(0, covered)), true);
    assert.throws(() => frame.decode(bytes), { code: "FORMAT_INVALID" }, `${page} at ${offset}`);
  }
});

test("a record of a type that this program does not know asks for a newer one", () => {
  for (const type of [0, 8, 0xffff]) {
    const bytes = workedExample("sealed-record.md");
    viewOf(bytes).setUint16(10, type, true);
    viewOf(bytes).setUint32(36, crc32(bytes.subarray(0, 36)), true);
    assert.throws(() => decodeSealedRecord(bytes), { code: "FORMAT_VERSION" }, `type ${type}`);
  }
});

test("a record beyond the limit is not written", () => {
  const header = { type: RECORD_TRAIL, repositoryId: REPOSITORY, plainLength: SEALED_RECORD_PLAIN_LIMIT + 1 } as const;
  assert.throws(() => encodeSealedRecordHeader(header), { code: "REPOSITORY_WRITE_FAILED" });
});

test("a label is cut between characters", () => {
  assert.equal(fittingLabel("short"), "short");
  assert.equal(fittingLabel("x".repeat(100)), "x".repeat(64));
  assert.equal(fittingLabel("a" + "€".repeat(30)), "a" + "€".repeat(21));
});
