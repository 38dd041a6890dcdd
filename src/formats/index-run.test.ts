import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { viewOf } from "../base/bytes.ts";
import type { ErrorCode } from "../base/errors.ts";
import {
  decodeRunHeader,
  decodeRunTrailer,
  encodeRunHeader,
  encodeRunTrailer,
  layoutOfRun,
  MAX_RUN_SEGMENTS,
  pagePosition,
  recordsInPage,
  RUN_HEADER_BYTES,
  RUN_TRAILER_BYTES,
  sealOfTrailer,
  SECTIONS,
} from "./index-run.ts";
import type { RunCounts } from "./index-run.ts";

const header = { repositoryId: new Uint8Array(16).fill(1), salt: new Uint8Array(32).fill(2) };
const counts: RunCounts = { containers: 2, blocks: 600, segments: 1000, filterBlocks: 47, superseded: 0 };
const fileBytes = layoutOfRun(counts).fileBytes;

/** A header followed by as many bytes as a file has at least. */
function encodedHeader(): Uint8Array {
  const bytes = new Uint8Array(RUN_HEADER_BYTES + RUN_TRAILER_BYTES);
  bytes.set(encodeRunHeader(header));
  return bytes;
}

function encodedTrailer(): Uint8Array {
  return encodeRunTrailer(counts, () => new Uint8Array(16).fill(3));
}

/** Sets a byte and makes the checksum fit again: what a newer program might write, not damage. */
function rewritten(bytes: Uint8Array, offset: number, value: number, checksumAt: number): Uint8Array {
  bytes[offset] = value;
  viewOf(bytes).setUint32(checksumAt, crc32(bytes.subarray(0, checksumAt)), true);
  return bytes;
}

function throwsWith(code: ErrorCode, action: () => unknown): void {
  assert.throws(action, { name: "HoldfastError", code });
}

test("header and trailer read back as written", () => {
  assert.equal(encodeRunHeader(header).length, RUN_HEADER_BYTES);
  assert.deepEqual(decodeRunHeader(encodedHeader(), "a run"), header);
  assert.equal(encodedTrailer().length, RUN_TRAILER_BYTES);
  assert.deepEqual(decodeRunTrailer(encodedTrailer(), fileBytes, "a run"), counts);
  const { plain, seal } = sealOfTrailer(encodedTrailer());
  assert.deepEqual([plain.length, [...seal]], [36, Array.from({ length: 16 }, () => 3)]);
});

test("every damaged bit of a header or trailer is an error of the right kind", () => {
  for (let bit = 0; bit < RUN_HEADER_BYTES * 8; bit++) {
    const bytes = encodedHeader();
    const offset = bit >>> 3;
    bytes[offset]! ^= 1 << (bit & 7);
    const code = offset < 8 ? "FORMAT_MAGIC" : offset < 10 ? "FORMAT_VERSION" : "FORMAT_CHECKSUM";
    throwsWith(code, () => decodeRunHeader(bytes, "a run"));
  }
  for (let bit = 0; bit < RUN_TRAILER_BYTES * 8; bit++) {
    const bytes = encodedTrailer();
    const offset = bit >>> 3;
    bytes[offset]! ^= 1 << (bit & 7);
    throwsWith(offset < 56 ? "FORMAT_CHECKSUM" : "FORMAT_TRUNCATED", () => decodeRunTrailer(bytes, fileBytes, "a run"));
  }
});

test("a header cut short at any length is truncated", () => {
  for (let length = 0; length < RUN_HEADER_BYTES + RUN_TRAILER_BYTES; length++) {
    throwsWith("FORMAT_TRUNCATED", () => decodeRunHeader(encodedHeader().subarray(0, length), "a run"));
  }
  throwsWith("FORMAT_TRUNCATED", () => decodeRunTrailer(encodedTrailer().subarray(1), fileBytes, "a run"));
});

test("a newer version and reserved bytes in use are told from damage", () => {
  throwsWith("FORMAT_VERSION", () => decodeRunHeader(rewritten(encodedHeader(), 8, 2, 60), "a run"));
  for (const offset of [10, 11]) {
    throwsWith("FORMAT_RESERVED", () => decodeRunHeader(rewritten(encodedHeader(), offset, 1, 60), "a run"));
  }
  for (let offset = 20; offset < 36; offset++) {
    throwsWith("FORMAT_RESERVED", () => decodeRunTrailer(rewritten(encodedTrailer(), offset, 1, 52), fileBytes, "a run"));
  }
});

test("a file shorter or longer than its counts say, and counts beyond the limits, are refused", () => {
  throwsWith("FORMAT_TRUNCATED", () => decodeRunTrailer(encodedTrailer(), fileBytes - 1, "a run"));
  throwsWith("FORMAT_INVALID", () => decodeRunTrailer(encodedTrailer(), fileBytes + 1, "a run"));
  const trailerOf = (changed: Partial<RunCounts>) => () => encodeRunTrailer({ ...counts, ...changed }, () => new Uint8Array(16));
  throwsWith("FORMAT_INVALID", trailerOf({ segments: MAX_RUN_SEGMENTS + 1 }));
  throwsWith("FORMAT_INVALID", trailerOf({ filterBlocks: 0 }));
  for (const offset of [3, 7, 11, 15, 18]) {
    throwsWith("FORMAT_INVALID", () => decodeRunTrailer(rewritten(encodedTrailer(), offset, 0xff, 52), fileBytes, "a run"));
  }
});

test("the pages of all sections lie one after the other without gaps", () => {
  const { sections, trailerOffset } = layoutOfRun(counts);
  let position = RUN_HEADER_BYTES;
  for (const name of SECTIONS) {
    const section = sections[name];
    let records = 0;
    for (let page = 0; page < section.pages; page++) {
      assert.equal(pagePosition(section, page), position);
      position += recordsInPage(section, page) * section.recordBytes + 16;
      records += recordsInPage(section, page);
    }
    assert.equal(records, section.records);
  }
  assert.equal(trailerOffset, position);
  assert.equal(fileBytes, position + RUN_TRAILER_BYTES);
  const pages = SECTIONS.map((name) => sections[name].pages);
  assert.deepEqual(pages, [1, 2, 3, 1, 1, 0]);
});

test("the layout of the largest run stays exact", () => {
  const largest = layoutOfRun({
    containers: 2 ** 22,
    blocks: 2 ** 28,
    segments: 2 ** 28,
    filterBlocks: 2 ** 24,
    superseded: 2 ** 16,
  });
  assert.ok(Number.isSafeInteger(largest.fileBytes));
  assert.equal(recordsInPage(largest.sections.segments, largest.sections.segments.pages - 1), 2 ** 28 % 372);
});
