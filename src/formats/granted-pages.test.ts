import assert from "node:assert/strict";
import { test } from "node:test";
import { workedExample, workedJson } from "../../test/support/worked-example.ts";
import { ByteWriter, concatBytes, textOf, utf8, viewOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { ENTRY_DIRECTORY, ENTRY_FILE, writeEntryBody } from "./entry.ts";
import type { EntryBody } from "./entry.ts";
import { EntryPageWriter, encodeIndexPage } from "./entry-page.ts";
import {
  SEGMENTS_ASKED_LIMIT,
  SEGMENT_QUESTION_LIMIT,
  decodeGrantedPage,
  decodePageQuestion,
  decodeSegmentAnswer,
  decodeSegmentQuestion,
  encodeGrantedPage,
  encodePageQuestion,
  encodeSegmentAnswer,
  encodeSegmentQuestion,
  referencesOf,
} from "./granted-pages.ts";
import type { GrantedPlace } from "./granted-pages.ts";
import { encodeListIndex, encodeListLeaf } from "./segment-list.ts";

const PAGE = "exchange.md";
const fingerprint = (value: number): Fingerprint => new Uint8Array(32).fill(value) as Uint8Array as Fingerprint;
const grant = (value: number): Uint8Array => new Uint8Array(16).fill(value);
const MIB = 1024 * 1024;

const PLACE: GrantedPlace = {
  volumeId: "56".repeat(16),
  container: "c0".repeat(32),
  blockOffset: 64,
  storedLength: 98,
  plainLength: 10,
  identity: grant(0x1d),
  offset: 0,
  length: 5,
};
const FILE: EntryBody = {
  kind: ENTRY_FILE,
  mode: 0o644,
  userId: 1_000,
  groupId: 1_000,
  modified: { seconds: 1_750_000_000, nanoseconds: 0 },
  changed: { seconds: 1_750_000_000, nanoseconds: 0 },
  inode: 7n,
  sizeBytes: 5,
  recheck: false,
  changedWhileRead: false,
};

function pageOf(...bodies: readonly EntryBody[]): Uint8Array {
  const writer = new EntryPageWriter();
  bodies.forEach((body, i) => {
    const bytes = new ByteWriter();
    writeEntryBody(bytes, body);
    const path = utf8(String.fromCodePoint(0x61 + i));
    writer.add(path, path.length, bytes.peek(), 0, bytes.length);
  });
  return writer.take().bytes;
}

const EXAMPLE = {
  page: pageOf({ ...FILE, segments: [{ kind: "data", length: 5, fingerprint: fingerprint(0xaa) }] }),
  pageGrants: [],
  segmentGrants: [{ grant: grant(0x6a), place: PLACE }],
} as const;

// --- the examples --------------------------------------------------------------------------------

test("the question for a page of docs/formats/exchange.md is read, and written again as it is there", () => {
  const example = workedJson(PAGE, 3);
  const question = decodePageQuestion(utf8(JSON.stringify(example)));
  assert.deepEqual(question, {
    kind: "page",
    fingerprint: fingerprint(0xab),
    pageBytes: 109,
    level: 0,
    grant: grant(0x6a),
    withPlaces: true,
  });
  assert.deepEqual(JSON.parse(textOf(encodePageQuestion(question))), example);
});

test("the granted page of docs/formats/exchange.md is read, and written again to the same bytes", () => {
  const example = workedExample(PAGE, 0);
  assert.deepEqual(decodeGrantedPage(example), EXAMPLE);
  assert.deepEqual(encodeGrantedPage(EXAMPLE), example);
  assert.deepEqual(referencesOf("page", EXAMPLE.page, 0), { pages: [], segments: [fingerprint(0xaa)] });
});

test("the question for segments of docs/formats/exchange.md, and its answer, are read and written again to the same bytes", () => {
  const question = workedExample(PAGE, 1);
  const asked = [
    { fingerprint: fingerprint(0xaa), grant: grant(0x6a) },
    { fingerprint: fingerprint(0xcc), grant: grant(0x6c) },
  ];
  assert.deepEqual(decodeSegmentQuestion(question), asked);
  assert.deepEqual(encodeSegmentQuestion(asked), question);
  const answer = workedExample(PAGE, 2);
  assert.deepEqual(decodeSegmentAnswer(answer, 2), [utf8("hello"), undefined]);
  assert.deepEqual(encodeSegmentAnswer([utf8("hello"), undefined]), answer);
});

// --- questions for pages -------------------------------------------------------------------------

test("a question for a page beyond the bounds is refused by its field", () => {
  const example = workedJson(PAGE, 3) as Record<string, unknown>;
  const others: Readonly<Record<string, readonly unknown[]>> = {
    kind: ["data", "", 1],
    fingerprint: ["ab", "AB".repeat(32), "ab".repeat(33), null],
    pageBytes: [0, -1, 16 * MIB + 1, 1.5, "109"],
    level: [-1, 33],
    grant: ["6a", "6a".repeat(15), "6a".repeat(17)],
    withPlaces: ["true", 1, null],
  };
  for (const [name, values] of Object.entries(others)) {
    for (const value of values) {
      const isRefused = (error: unknown): boolean =>
        error instanceof HoldfastError && error.code === "FORMAT_INVALID" && error.message.includes(`"${name}"`);
      const bytes = utf8(JSON.stringify({ ...example, [name]: value }));
      assert.throws(() => decodePageQuestion(bytes), isRefused, `${name}: ${JSON.stringify(value)}`);
    }
  }
});

// --- what pages refer to -------------------------------------------------------------------------

test("references are listed in the order of the entries, content before stored attributes, holes left out", () => {
  const page = pageOf(
    { ...FILE, kind: ENTRY_DIRECTORY, sizeBytes: 0 },
    {
      ...FILE,
      sizeBytes: 9,
      segments: [
        { kind: "data", length: 1, fingerprint: fingerprint(1) },
        { kind: "hole", length: 7 },
        { kind: "data", length: 1, fingerprint: fingerprint(2) },
      ],
      storedAttributes: { kind: "data", length: 5_000, fingerprint: fingerprint(3) },
    },
    {
      ...FILE,
      sizeBytes: 2 ** 40,
      segmentList: { fingerprint: fingerprint(4), pageBytes: 400, level: 1 },
      storedAttributes: { kind: "data", length: 5_000, fingerprint: fingerprint(5) },
    },
  );
  assert.deepEqual(referencesOf("page", page, 0), {
    pages: [{ kind: "list", fingerprint: fingerprint(4), pageBytes: 400, level: 1 }],
    segments: [1, 2, 3, 5].map(fingerprint),
  });
});

test("a page of pages refers to its children one level below, a list to its segments", () => {
  const index = encodeIndexPage(2, [
    { fingerprint: fingerprint(1), pageBytes: 300, entryCount: 5, firstPath: utf8("a") },
    { fingerprint: fingerprint(2), pageBytes: 301, entryCount: 6, firstPath: utf8("b") },
  ]);
  assert.deepEqual(
    referencesOf("page", index, 2).pages.map(({ kind, pageBytes, level }) => [kind, pageBytes, level]),
    [
      ["page", 300, 1],
      ["page", 301, 1],
    ],
  );
  const lists = encodeListIndex(1, [{ fingerprint: fingerprint(3), pageBytes: 44, contentBytes: 10 }]);
  assert.deepEqual(referencesOf("list", lists, 1), {
    pages: [{ kind: "list", fingerprint: fingerprint(3), pageBytes: 44, level: 0 }],
    segments: [],
  });
  const leaf = encodeListLeaf([
    { kind: "hole", length: 5 },
    { kind: "data", length: 5, fingerprint: fingerprint(6) },
  ]);
  assert.deepEqual(referencesOf("list", leaf, 0), { pages: [], segments: [fingerprint(6)] });
});

test("a page that is taken for one of another kind or level is refused: grants are made for nothing else than it refers to", () => {
  const leaf = EXAMPLE.page;
  const index = encodeIndexPage(1, [{ fingerprint: fingerprint(1), pageBytes: 300, entryCount: 5, firstPath: utf8("a") }]);
  const list = encodeListLeaf([{ kind: "data", length: 5, fingerprint: fingerprint(6) }]);
  const lists = encodeListIndex(1, [{ fingerprint: fingerprint(3), pageBytes: 44, contentBytes: 10 }]);
  const right = new Map([
    [leaf, "page 0"],
    [index, "page 1"],
    [list, "list 0"],
    [lists, "list 1"],
  ]);
  for (const [page, its] of right) {
    for (const kind of ["page", "list"] as const) {
      for (const level of [0, 1, 2]) {
        if (its === `${kind} ${level}`) referencesOf(kind, page, level);
        else assert.throws(() => referencesOf(kind, page, level), /FORMAT|Cannot read/, `${its} as ${kind} ${level}`);
      }
    }
  }
});

// --- granted pages -------------------------------------------------------------------------------

test("every length of a granted page but the whole is refused, and so are bytes behind it", () => {
  const bytes = workedExample(PAGE, 0);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeGrantedPage(bytes.subarray(0, length)), isFormatError, `${length} bytes`);
  }
  assert.throws(() => decodeGrantedPage(concatBytes(bytes, Uint8Array.of(0))), { code: "FORMAT_INVALID" });
});

function isFormatError(error: unknown): boolean {
  return error instanceof HoldfastError && /^FORMAT_(TRUNCATED|INVALID)$/.test(error.code);
}

test("a count that nothing stands behind is refused before memory is taken for it", () => {
  for (const counts of [
    [0, 0xffff_ffff, 0],
    [0, 0, 0xffff_ffff],
    [0, 1_000_000, 0],
    [0, 0, 1_000_000],
    [0, 0xffff_ffff, 0xffff_ffff],
    [0xffff_ffff, 0, 0],
  ]) {
    const writer = new ByteWriter();
    for (const count of counts) writer.u32(count);
    const bytes = writer.zeros(64).take();
    const before = process.memoryUsage();
    assert.throws(() => decodeGrantedPage(bytes), isFormatError, counts.join(", "));
    const { heapUsed, external } = process.memoryUsage();
    assert.ok(heapUsed + external - before.heapUsed - before.external < MIB, counts.join(", "));
  }
});

test("a segment without a place comes back without one, and a mark that is neither is refused", () => {
  const without = { ...EXAMPLE, pageGrants: [grant(1), grant(2)], segmentGrants: [{ grant: grant(3), place: undefined }] };
  const bytes = encodeGrantedPage(without);
  assert.deepEqual(decodeGrantedPage(bytes), without);
  bytes[bytes.length - 1] = 2;
  assert.throws(() => decodeGrantedPage(bytes), { code: "FORMAT_INVALID", message: /mark 2/ });
});

test("a place beyond what a block can be is refused: nobody takes memory for it", () => {
  const others: readonly Partial<GrantedPlace>[] = [
    { plainLength: 16 * MIB + 1 },
    { plainLength: 0xffff_ffff },
    { plainLength: 4 },
    { offset: 6 },
    { offset: 0xffff_ffff },
    { length: 0 },
    { length: 11 },
    { storedLength: 0 },
    { storedLength: 88 },
    { storedLength: 16 * MIB + 89 },
  ];
  for (const other of others) {
    const bytes = encodeGrantedPage({ ...EXAMPLE, segmentGrants: [{ grant: grant(1), place: { ...PLACE, ...other } }] });
    assert.throws(() => decodeGrantedPage(bytes), { code: "FORMAT_INVALID" }, JSON.stringify(other));
  }
  const largest: GrantedPlace = {
    ...PLACE,
    plainLength: 16 * MIB,
    storedLength: 16 * MIB + 88,
    offset: 16 * MIB - 5,
    blockOffset: 0xffff_ffff,
  };
  const granted = { ...EXAMPLE, segmentGrants: [{ grant: grant(1), place: largest }] };
  assert.deepEqual(decodeGrantedPage(encodeGrantedPage(granted)), granted);
});

// --- segments ------------------------------------------------------------------------------------

test("a question for no segment, for too many, or with a part of one is refused", () => {
  for (const length of [0, 1, 47, 49, 95, SEGMENT_QUESTION_LIMIT + 48]) {
    assert.throws(() => decodeSegmentQuestion(new Uint8Array(length)), { code: "FORMAT_INVALID" }, `${length} bytes`);
  }
  assert.equal(decodeSegmentQuestion(new Uint8Array(SEGMENT_QUESTION_LIMIT)).length, SEGMENTS_ASKED_LIMIT);
});

test("segments come back as they were given, empty and unreadable ones too", () => {
  const segments = [new Uint8Array(0), utf8("x"), undefined, new Uint8Array(100_000).fill(7)];
  assert.deepEqual(decodeSegmentAnswer(encodeSegmentAnswer(segments), segments.length), segments);
});

test("an answer with segments that is cut off, has more than was asked for, or lies about a length is refused", () => {
  const bytes = encodeSegmentAnswer([utf8("hello"), undefined, utf8("you")]);
  for (let length = 0; length < bytes.length; length++) {
    assert.throws(() => decodeSegmentAnswer(bytes.subarray(0, length), 3), { code: "FORMAT_TRUNCATED" }, `${length} bytes`);
  }
  assert.throws(() => decodeSegmentAnswer(bytes, 2), { code: "FORMAT_INVALID" });
  assert.throws(() => decodeSegmentAnswer(bytes, 4), { code: "FORMAT_TRUNCATED" });
  viewOf(bytes).setUint32(0, 0xffff_fffe, true);
  assert.throws(() => decodeSegmentAnswer(bytes, 3), { code: "FORMAT_TRUNCATED" });
});
