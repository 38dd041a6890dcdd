import assert from "node:assert/strict";
import { test } from "node:test";
import { workedExample } from "../../test/support/worked-example.ts";
import { hexOf, viewOf } from "../base/bytes.ts";
import { hasCode } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import { MAX_BLOCK_PLAIN_BYTES, MAX_BLOCK_STORED_BYTES } from "./block.ts";
import type { ContainerDirectory } from "./container-directory.ts";
import { blockIdentityAt, decodeContainerDirectory, directoryBytes, encodeContainerDirectory } from "./container-directory.ts";

const directory: ContainerDirectory = {
  blocks: {
    offsets: Uint32Array.of(64, 264),
    storedLengths: Uint32Array.of(200, 300),
    plainLengths: Uint32Array.of(1000, 250),
    identities: Uint8Array.from({ length: 32 }, (_, position) => position),
    kinds: Uint8Array.of(1, 2),
    segmentCounts: Uint32Array.of(1, 2),
  },
  segments: {
    fingerprints: Uint8Array.from({ length: 96 }, (_, position) => 100 + position),
    lengths: Uint32Array.of(1000, 100, 150),
  },
};
const expected = { directoryOffset: 564, blockCount: 2, segmentCount: 3 };
const FIRST_BLOCK = 12;
const SECOND_BLOCK = 48;
const FIRST_SEGMENT = 84;

function read(bytes: Uint8Array, changes: object = {}): ContainerDirectory {
  return decodeContainerDirectory(bytes, { ...expected, ...changes }, "container x");
}

function refused(bytes: Uint8Array, code: ErrorCode, message: RegExp, changes: object = {}): void {
  const isRight = (error: unknown): boolean =>
    hasCode(error, code) && message.test(error.message) && error.message.includes("container x");
  assert.throws(() => read(bytes, changes), isRight, `expected ${code} ${message}`);
}

function withU32(offset: number, value: number): Uint8Array {
  const bytes = encodeContainerDirectory(directory).slice();
  viewOf(bytes).setUint32(offset, value, true);
  return bytes;
}

test("the directory of the worked example of docs/formats/container.md decodes, and encodes to the same bytes", () => {
  const example = workedExample("container.md", 1);
  const decoded = decodeContainerDirectory(example, { directoryOffset: 227, blockCount: 1, segmentCount: 2 }, "the example");
  assert.deepEqual([...decoded.blocks.offsets, ...decoded.blocks.storedLengths, ...decoded.blocks.plainLengths], [64, 163, 83]);
  assert.equal(hexOf(blockIdentityAt(decoded.blocks, 0)), "5df3fbacca699fdca6051d175919d346");
  assert.deepEqual([...decoded.segments.lengths], [35, 48]);
  assert.deepEqual(encodeContainerDirectory(decoded), new Uint8Array(example));
});

test("a directory comes back in arrays of its own", () => {
  const bytes = encodeContainerDirectory(directory).slice();
  assert.equal(bytes.length, directoryBytes(2, 3));
  const decoded = read(bytes);
  bytes.fill(0);
  assert.deepEqual(decoded, directory);
});

test("another version, reserved bytes and every truncation are refused each with its own error", () => {
  refused(withU32(0, 2), "FORMAT_VERSION", /version is 2/);
  refused(withU32(0, 0x10001), "FORMAT_RESERVED", /offset 2/);
  for (const block of [FIRST_BLOCK, SECOND_BLOCK]) {
    for (const offset of [29, 30, 31]) {
      const bytes = encodeContainerDirectory(directory).fill(1, block + offset, block + offset + 1);
      refused(bytes, "FORMAT_RESERVED", new RegExp(`offset ${block + 29}`));
    }
  }
  const whole = encodeContainerDirectory(directory);
  for (let length = 0; length < whole.length; length++) refused(whole.subarray(0, length), "FORMAT_TRUNCATED", /left/);
  refused(Uint8Array.from([...whole, 0]), "FORMAT_INVALID", /1 bytes follow/);
});

test("a directory that does not fit trailer or container is refused", () => {
  const whole = encodeContainerDirectory(directory);
  refused(whole, "FORMAT_INVALID", /the trailer 3 and 3/, { blockCount: 3 });
  refused(whole, "FORMAT_INVALID", /the trailer 2 and 4/, { segmentCount: 4 });
  refused(whole, "FORMAT_INVALID", /end at byte 564, it begins at 565/, { directoryOffset: 565 });
  refused(withU32(4, 0), "FORMAT_INVALID", /0 blocks/, { blockCount: 0 });
  refused(withU32(4, 65_537), "FORMAT_INVALID", /65537 blocks/, { blockCount: 65_537 });
  refused(withU32(8, 262_145), "FORMAT_INVALID", /262145 segments/, { segmentCount: 262_145 });
});

test("blocks that overlap, leave gaps or have impossible lengths are refused", () => {
  refused(withU32(FIRST_BLOCK, 65), "FORMAT_INVALID", /block 0 begins at byte 65/);
  refused(withU32(SECOND_BLOCK, 263), "FORMAT_INVALID", /block 1 begins at byte 263/);
  refused(withU32(SECOND_BLOCK + 4, 88), "FORMAT_INVALID", /block 1 takes 88 bytes/);
  refused(withU32(SECOND_BLOCK + 4, MAX_BLOCK_STORED_BYTES + 1), "FORMAT_INVALID", /block 1 takes/);
  refused(withU32(FIRST_BLOCK + 8, MAX_BLOCK_PLAIN_BYTES + 1), "FORMAT_INVALID", /block 0 has \d+ plain bytes/);
  refused(withU32(FIRST_BLOCK + 8, 0), "FORMAT_INVALID", /block 0 has 0 plain bytes/);
  for (const kind of [0, 3, 4]) refused(withU32(FIRST_BLOCK + 28, kind), "FORMAT_INVALID", /block 0 is of kind/);
});

test("segments that do not fill their blocks are refused", () => {
  refused(withU32(FIRST_BLOCK + 32, 0), "FORMAT_INVALID", /block 0 has 0 segments/);
  refused(withU32(FIRST_BLOCK + 32, 65_537), "FORMAT_INVALID", /block 0 has 65537 segments/);
  refused(withU32(SECOND_BLOCK + 32, 3), "FORMAT_INVALID", /block 1 ends with segment 4 of 3/);
  refused(withU32(FIRST_SEGMENT + 32, 0), "FORMAT_INVALID", /segment 0 is empty/);
  refused(withU32(FIRST_SEGMENT + 32, 999), "FORMAT_INVALID", /the segments of block 0 have 999 bytes, the block 1000/);
  refused(withU32(FIRST_SEGMENT + 32, 0xffff_ffff), "FORMAT_INVALID", /have 4294967295 bytes/);
  const oneTooFew = withU32(SECOND_BLOCK + 32, 1);
  viewOf(oneTooFew).setUint32(SECOND_BLOCK + 8, 100, true);
  refused(oneTooFew, "FORMAT_INVALID", /1 segments belong to no block/);
});
