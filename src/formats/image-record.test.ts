import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { workedExample } from "../../test/support/worked-example.ts";
import { concatBytes, textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { openRecord, sealRecord } from "../engine/engine.ts";
import type { ImageAnnotation, ImageId, ImageRecord, NotedItems } from "../model/image.ts";
import { decodeAnnotation, encodeAnnotation } from "./annotation-record.ts";
import { decodeImageRecord, encodeImageRecord } from "./image-record.ts";
import {
  RECORD_IMAGE,
  RECORD_TRAIL,
  SEALED_RECORD_PLAIN_LIMIT,
  decodeSealedRecord,
  encodeSealedRecordHeader,
  sealedRecordContext,
} from "./sealed-record.ts";
import type { RecordType } from "./sealed-record.ts";
import { decodeTrailRecord, encodeTrailRecord } from "./trail-record.ts";

const KEY = new Uint8Array(32).fill(4);
const salt = { bytes: (count: number) => Uint8Array.from({ length: count }, (_, position) => 0x50 + position) };

/** Opens a page's example and seals its plain bytes again. */
function openExample(
  page: string,
  type: RecordType,
): { readonly plain: Uint8Array; readonly again: (plain: Uint8Array) => Uint8Array } {
  const record = decodeSealedRecord(workedExample(page));
  assert.equal(record.type, type);
  return {
    plain: openRecord(KEY, sealedRecordContext(record.header), record.sealed, page),
    again: (plain) => {
      const header = encodeSealedRecordHeader({ type, repositoryId: record.repositoryId, plainLength: plain.length });
      return concatBytes(header, sealRecord(KEY, sealedRecordContext(header), salt, plain));
    },
  };
}

function jsonExample(page: string, number = 0): unknown {
  const text = readFileSync(new URL(`../../docs/formats/${page}`, import.meta.url), "utf8");
  return JSON.parse([...text.matchAll(/```json\n([\s\S]*?)```/g)][number]?.[1] ?? "");
}

test("the worked example of docs/formats/image-record.md opens to its JSON, and is written again to the same bytes", () => {
  const { plain, again } = openExample("image-record.md", RECORD_IMAGE);
  const record = decodeImageRecord(plain);
  assert.deepEqual(record, jsonExample("image-record.md"));
  assert.deepEqual(again(encodeImageRecord(record)), workedExample("image-record.md"));
});

test("the worked example of docs/formats/sealed-record.md opens to its trail record, and is written again to the same bytes", () => {
  const { plain, again } = openExample("sealed-record.md", RECORD_TRAIL);
  const record = decodeTrailRecord(plain);
  assert.deepEqual(record, jsonExample("sealed-record.md"));
  assert.deepEqual(again(encodeTrailRecord(record)), workedExample("sealed-record.md"));
});

test("the annotations of docs/formats/image-record.md decode, and encode to the same JSON", () => {
  for (const number of [1, 2]) {
    const example = jsonExample("image-record.md", number) as Record<string, unknown>;
    const annotation = decodeAnnotation(utf8(JSON.stringify(example)));
    const { mustUnderstand: _mustUnderstand, ...content } = example;
    assert.deepEqual(annotation, content);
    assert.deepEqual(JSON.parse(textOf(encodeAnnotation(annotation))), example);
  }
});

const example = decodeImageRecord(openExample("image-record.md", RECORD_IMAGE).plain);

/** The example's JSON with some fields replaced; undefined removes one. */
function json(changes: Readonly<Record<string, unknown>>): Uint8Array {
  return utf8(JSON.stringify({ ...(JSON.parse(textOf(encodeImageRecord(example))) as object), ...changes }));
}

test("every field survives, with every kind of option", () => {
  const record: ImageRecord = {
    ...example,
    sequence: 12,
    base: "0f".repeat(32) as ImageId,
    tags: ["a", "\ud800 lone surrogate", "\u0000"],
    options: { text: "", number: -1.5, yes: true, list: ["a", "b"] },
  };
  assert.deepEqual(decodeImageRecord(encodeImageRecord(record)), record);
});

test("a field that is missing, of another type or out of bounds is refused by name", () => {
  const cases: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ["source", { source: undefined }],
    ["source", { source: 5 }],
    ["host", { host: "x".repeat(1_025) }],
    ["paths", { paths: "/home" }],
    ["paths[1]", { paths: ["/", null] }],
    ["tags", { tags: Array.from({ length: 1_001 }, () => "t") }],
    ["tags[0]", { tags: ["x".repeat(257)] }],
    ["startedAtMs", { startedAtMs: -1 }],
    ["startedAtMs", { startedAtMs: 1.5 }],
    ["startedAtMs", { startedAtMs: 2 ** 53 }],
    ["startedAtMs", { startedAtMs: "2025" }],
    ["sequence", { sequence: "1" }],
    ["base", { base: "abc" }],
    ["base", { base: "A".repeat(64) }],
    ["root", { root: null }],
    ["root", { root: [] }],
    ["root.fingerprint", { root: { ...example.root, fingerprint: "../../etc" } }],
    ["root.level", { root: { ...example.root, level: 33 } }],
    ["root.pageBytes", { root: { ...example.root, pageBytes: 16 * 1024 * 1024 + 1 } }],
    ["statistics.files", { statistics: { files: -1 } }],
    ["owners", { owners: { root: "0" } }],
    ["owners", { owners: { "01": "x" } }],
    ["owners.0", { owners: { "0": 0 } }],
    ["unreadable.items", { unreadable: { count: 1, items: [1, 2].map(() => 5).concat(Array.from({ length: 1_000 }, () => 5)) } }],
    ["unreadable.items[0]", { unreadable: { count: 1, items: ["/x"] } }],
    ["unreadable.items[0].reason", { unreadable: { count: 1, items: [{ path: "/x" }] } }],
    ["unreadable.count", { unreadable: { count: 0, items: [{ path: "/x", reason: "" }] } }],
    ["options.depth", { options: { depth: { a: 1 } } }],
    ["options", { options: { "bad key": 1 } }],
    ["options.list[0]", { options: { list: [5] } }],
  ];
  for (const [field, changes] of cases) {
    assert.throws(
      () => decodeImageRecord(json(changes)),
      (error: unknown) =>
        error instanceof HoldfastError && error.code === "FORMAT_INVALID" && error.message.includes(`"${field}"`),
      `${field} ${JSON.stringify(changes).slice(0, 100)}`,
    );
  }
});

test("a table cannot smuggle in a prototype", () => {
  const bytes = utf8(textOf(json({})).replace('"owners":{', '"owners":{"__proto__":{"polluted":"yes"},'));
  assert.throws(() => decodeImageRecord(bytes), { code: "FORMAT_INVALID" });
});

test("what is no JSON object in UTF-8 is refused", () => {
  for (const bytes of [
    utf8(""),
    utf8("{"),
    utf8("[]"),
    utf8("null"),
    utf8('"x"'),
    Uint8Array.of(0x22, 0xff, 0x22),
    utf8(`\ufeff${textOf(json({}))}`),
  ]) {
    assert.throws(() => decodeImageRecord(bytes), { code: "FORMAT_INVALID" });
  }
  // Nested deeper than any parser that recurses would survive.
  assert.throws(() => decodeImageRecord(utf8("[".repeat(1_000_000))), { code: "FORMAT_INVALID" });
});

test("unknown fields are left alone, unless the record says that they must be understood", () => {
  const later = { references: [["ab", -5]], hold: { untilMs: 5 } };
  assert.deepEqual(decodeImageRecord(json(later)), example);
  assert.deepEqual(decodeImageRecord(json({ ...later, mustUnderstand: ["root", "tags"] })), example);
  assert.throws(() => decodeImageRecord(json({ ...later, mustUnderstand: ["root", "hold"] })), { code: "FORMAT_VERSION" });
  assert.throws(() => decodeImageRecord(json({ mustUnderstand: "hold" })), { code: "FORMAT_INVALID" });
});

test("statistics that an older program did not know are zero", () => {
  assert.equal(decodeImageRecord(json({ statistics: { files: 7 } })).statistics.newBytes, 0);
});

test("a list of any length is cut to its first items and keeps its count, and the record stays within its limit", () => {
  const many = (length: number, path: string): NotedItems => ({
    count: length,
    items: Array.from({ length }, () => ({ path, reason: "x" })),
  });
  const short = decodeImageRecord(encodeImageRecord({ ...example, unreadable: many(5_000, "/p") }));
  assert.deepEqual([short.unreadable.count, short.unreadable.items.length], [5_000, 1_000]);
  // Characters that take six bytes each in JSON.
  const long = many(3_000, "\u0001".repeat(100_000));
  const bytes = encodeImageRecord({ ...example, unreadable: long, skippedSockets: long, changedWhileRead: long });
  assert.ok(bytes.length < SEALED_RECORD_PLAIN_LIMIT);
  assert.equal(decodeImageRecord(bytes).skippedSockets.count, 3_000);
});

test("annotations and trail records are as strict", () => {
  const annotation: ImageAnnotation = { image: "1d".repeat(32) as ImageId, generation: 3, tags: ["a"], madeAtMs: 5 };
  assert.deepEqual(decodeAnnotation(encodeAnnotation(annotation)), annotation);
  for (const hold of [{ reason: "audit" }, { reason: "", untilMs: 0 }])
    assert.deepEqual(decodeAnnotation(encodeAnnotation({ ...annotation, hold })), { ...annotation, hold });
  for (const changes of [
    { image: "x" },
    { generation: 0 },
    { tags: [1] },
    { madeAtMs: -1 },
    { hold: "audit" },
    { hold: {} },
    { hold: { reason: "x".repeat(1_025) } },
    { hold: { reason: "x", untilMs: -1 } },
    { hold: { reason: "x", untilMs: "2027" } },
  ]) {
    assert.throws(() => decodeAnnotation(utf8(JSON.stringify({ ...annotation, ...changes }))), { code: "FORMAT_INVALID" });
  }
  assert.throws(() => decodeAnnotation(utf8(JSON.stringify({ ...annotation, mustUnderstand: ["hold", "lock"] }))), {
    code: "FORMAT_VERSION",
  });

  const trail = decodeTrailRecord(utf8(JSON.stringify(jsonExample("sealed-record.md"))));
  assert.deepEqual(decodeTrailRecord(encodeTrailRecord(trail)), trail);
  const wrong = [
    { trail: "../x" },
    { generation: 0 },
    { generation: 1e9 },
    { kind: "duplicate" },
    { volumes: [] },
    { volumes: ["x"] },
    { name: 5 },
  ];
  for (const changes of wrong) {
    assert.throws(
      () => decodeTrailRecord(utf8(JSON.stringify({ ...trail, ...changes }))),
      { code: "FORMAT_INVALID" },
      JSON.stringify(changes),
    );
  }
});
