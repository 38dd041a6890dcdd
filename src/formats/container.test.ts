import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { workedExample } from "../../test/support/worked-example.ts";
import { hexOf, viewOf } from "../base/bytes.ts";
import { hasCode } from "../base/errors.ts";
import type { ErrorCode } from "../base/errors.ts";
import {
  CONTAINER_DATA,
  CONTAINER_METADATA,
  MAX_CONTAINER_BYTES,
  decodeContainerHeader,
  decodeContainerTrailer,
  encodeContainerHeader,
  encodeContainerTrailer,
} from "./container.ts";

const header = { kind: CONTAINER_METADATA, repositoryId: new Uint8Array(16).fill(1), nonce: new Uint8Array(16).fill(2) } as const;
const trailer = { directoryOffset: 5000, directoryStoredLength: 300, blockCount: 2, segmentCount: 3 };
const FILE_BYTES = 5332;

function fails(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    assert.ok(hasCode(error, code), `${String(error)}, expected ${code}`);
    assert.match(error.message, /of container x/);
    return true;
  };
}

/** With the bytes at `offset` replaced and the checksum made right again. */
function resealed(bytes: Uint8Array, offset: number, replacement: readonly number[], checksumAt: number): Uint8Array {
  const copy = bytes.slice();
  copy.set(replacement, offset);
  viewOf(copy).setUint32(checksumAt, crc32(copy.subarray(0, checksumAt)), true);
  return copy;
}

test("header and trailer of the worked example of docs/formats/container.md decode, and encode to the same bytes", () => {
  const example = workedExample("container.md");
  const head = example.subarray(0, 64);
  const decodedHeader = decodeContainerHeader(head, "the example");
  assert.equal(decodedHeader.kind, CONTAINER_DATA);
  assert.equal(hexOf(decodedHeader.repositoryId), "52".repeat(16));
  assert.equal(hexOf(decodedHeader.nonce), "000102030405060708090a0b0c0d0e0f");
  assert.deepEqual(encodeContainerHeader(decodedHeader), new Uint8Array(head));

  const tail = example.subarray(example.length - 32);
  const decodedTrailer = decodeContainerTrailer(tail, example.length, "the example");
  assert.deepEqual(decodedTrailer, { directoryOffset: 227, directoryStoredLength: 208, blockCount: 1, segmentCount: 2 });
  assert.deepEqual(encodeContainerTrailer(decodedTrailer), new Uint8Array(tail));
});

test("a header comes back with copies of its parts", () => {
  const bytes = encodeContainerHeader(header);
  const decoded = decodeContainerHeader(bytes, "container x");
  bytes.fill(0xff);
  assert.deepEqual(decoded, header);
});

test("magic, version, reserved bytes, checksum, kind and length of a header are refused each with its own error", () => {
  const bytes = encodeContainerHeader(header);
  const read = (changed: Uint8Array) => () => decodeContainerHeader(changed, "container x");
  for (let offset = 0; offset < 64; offset++) {
    const flipped = bytes.slice().fill((bytes[offset] as number) ^ 1, offset, offset + 1);
    assert.throws(read(flipped), fails(offset < 8 ? "FORMAT_MAGIC" : "FORMAT_CHECKSUM"), `byte ${offset}`);
  }
  assert.throws(read(resealed(bytes, 8, [2, 0], 60)), fails("FORMAT_VERSION"));
  assert.throws(read(resealed(bytes, 10, [0], 60)), fails("FORMAT_INVALID"));
  assert.throws(read(resealed(bytes, 10, [3], 60)), fails("FORMAT_INVALID"));
  for (const offset of [11, 12, 15, 48, 59]) assert.throws(read(resealed(bytes, offset, [1], 60)), fails("FORMAT_RESERVED"));
  assert.throws(read(bytes.subarray(0, 63)), fails("FORMAT_TRUNCATED"));
});

test("magic, reserved bytes, checksum and length of a trailer are refused each with its own error", () => {
  const bytes = encodeContainerTrailer(trailer);
  assert.deepEqual(decodeContainerTrailer(bytes, FILE_BYTES, "container x"), trailer);
  const read = (changed: Uint8Array) => () => decodeContainerTrailer(changed, FILE_BYTES, "container x");
  for (let offset = 0; offset < 32; offset++) {
    const flipped = bytes.slice().fill((bytes[offset] as number) ^ 1, offset, offset + 1);
    assert.throws(read(flipped), fails(offset < 24 ? "FORMAT_CHECKSUM" : "FORMAT_MAGIC"), `byte ${offset}`);
  }
  assert.throws(read(resealed(bytes, 16, [1], 20)), fails("FORMAT_RESERVED"));
  assert.throws(read(bytes.subarray(0, 31)), fails("FORMAT_TRUNCATED"));
});

test("directory and trailer must end where the file ends", () => {
  const read = (changes: object, fileBytes: number) => () =>
    decodeContainerTrailer(encodeContainerTrailer({ ...trailer, ...changes }), fileBytes, "container x");
  const places: readonly (readonly [object, number])[] = [
    [{}, FILE_BYTES + 1],
    [{}, FILE_BYTES - 1],
    [{ directoryOffset: 64 }, 64 + 300 + 32],
    [{ directoryOffset: 0 }, 332],
    [{ directoryStoredLength: 88 }, 5120],
    [{ directoryStoredLength: 0x7fff_ffff }, 5000 + 0x7fff_ffff + 32],
    [{ directoryOffset: MAX_CONTAINER_BYTES }, MAX_CONTAINER_BYTES + 332],
  ];
  for (const [changes, fileBytes] of places)
    assert.throws(read(changes, fileBytes), fails("FORMAT_INVALID"), JSON.stringify(changes));
});
