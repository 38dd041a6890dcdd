// What lies in blocks: pages of entries, pages of segment references, and the bodies of entries. Fingerprints keep damage away
// from these decoders; whoever writes with the key is not kept away.

import { isDeepStrictEqual } from "node:util";
import { ByteReader, ByteWriter, viewOf } from "../../../../src/base/bytes.ts";
import { readAttributes, readEntryBody, writeAttributes } from "../../../../src/formats/entry.ts";
import { EntryPageCursor, EntryPageWriter, decodeIndexPage, encodeIndexPage } from "../../../../src/formats/entry-page.ts";
import type { PageReference } from "../../../../src/formats/entry-page.ts";
import { decodeListIndex, decodeListLeaf, encodeListIndex, encodeListLeaf } from "../../../../src/formats/segment-list.ts";
import { readPackedReferences, writeSegmentReference } from "../../../../src/formats/segment-reference.ts";
import type { Field } from "../mutator.ts";
import { BODIES, encodedBody, fingerprint, paths, references } from "../samples.ts";
import { SMALL_MEMORY, expectSameBytes } from "../target.ts";
import type { FuzzTarget } from "../target.ts";

const COUNT: Field = { at: 4, bytes: 4 };
const cursor = new EntryPageCursor();

function leafOf(count: number): Uint8Array {
  const writer = new EntryPageWriter();
  paths(count).forEach((path, position) => {
    const body = encodedBody(BODIES[position % BODIES.length]!);
    writer.add(path, path.length, body, 0, body.length);
  });
  return writer.take().bytes;
}

/** Three lengths before every entry, as long as they can be followed. */
function leafFields(page: Uint8Array): Field[] {
  const view = viewOf(page);
  const fields: Field[] = [COUNT];
  for (let at = 8; at + 6 <= page.length && fields.length < 64;) {
    for (const part of [0, 2, 4]) fields.push({ at: at + part, bytes: 2 });
    at += 6 + view.getUint16(at + 2, true) + view.getUint16(at + 4, true);
  }
  return fields;
}

function indexFields(page: Uint8Array): Field[] {
  const view = viewOf(page);
  const fields: Field[] = [COUNT, { at: 1, bytes: 1 }];
  for (let at = 8; at + 48 <= page.length && fields.length < 64;) {
    fields.push({ at: at + 32, bytes: 4 }, { at: at + 36, bytes: 8 }, { at: at + 44, bytes: 2 }, { at: at + 46, bytes: 2 });
    at += 48 + view.getUint16(at + 46, true);
  }
  return fields;
}

function pageReferences(count: number, pathBytes = 0): PageReference[] {
  return paths(count).map((path, position) => ({
    fingerprint: fingerprint(position),
    pageBytes: 20_000 + position,
    entryCount: 200 + position,
    firstPath: pathBytes === 0 ? path : new Uint8Array(pathBytes).fill(0x61 + (position % 20)),
  }));
}

function packed(count: number): Uint8Array {
  const writer = new ByteWriter();
  for (const reference of references(count)) writeSegmentReference(writer, reference);
  return writer.take();
}

const bodyFields = (start: number): Field[] => [
  { at: start + 4, bytes: 4 },
  { at: start + 16, bytes: 8 },
  { at: start + 24, bytes: 4 },
  { at: start + 48, bytes: 8 },
  { at: start + 56, bytes: 2 },
  { at: start + 58, bytes: 2 },
];

export const PAGES: readonly FuzzTarget[] = [
  {
    name: "entry-body",
    seeds: BODIES.map(encodedBody),
    fieldsOf: () => bodyFields(0),
    read: (bytes) => expectSameBytes(encodedBody(readEntryBody(bytes)), bytes, "an entry"),
    names: /an entry/,
    memory: SMALL_MEMORY,
  },
  {
    name: "entry-page-leaf",
    seeds: [leafOf(1), leafOf(11), leafOf(120)],
    fieldsOf: leafFields,
    read: (bytes) => {
      cursor.open(bytes);
      while (cursor.next()) readEntryBody(cursor.body());
    },
    names: /an entry/,
    memory: SMALL_MEMORY,
  },
  {
    name: "entry-page-index",
    seeds: [
      encodeIndexPage(1, pageReferences(3)),
      encodeIndexPage(1, pageReferences(200)),
      encodeIndexPage(1, pageReferences(20, 4_000)),
    ],
    fieldsOf: indexFields,
    read: (bytes) => {
      const children = decodeIndexPage(bytes, 1);
      if (children.length === 0) throw new Error("a page that refers to nothing was accepted");
      if (!isDeepStrictEqual(decodeIndexPage(encodeIndexPage(1, children), 1), children))
        throw new Error("it reads differently when written again");
    },
    names: /an entry page/,
    memory: SMALL_MEMORY,
  },
  {
    name: "segment-list-leaf",
    seeds: [encodeListLeaf(references(64)), encodeListLeaf(references(1_024)), encodeListLeaf(references(1))],
    fieldsOf: () => [
      COUNT,
      ...Array.from({ length: 8 }, (_, position): Field => ({ at: 8 + position * 36, bytes: position % 2 === 0 ? 4 : 8 })),
    ],
    read: (bytes) => expectSameBytes(encodeListLeaf(decodeListLeaf(bytes)), bytes, "a segment list page"),
    names: /a segment list page/,
    memory: SMALL_MEMORY,
  },
  {
    name: "segment-list-index",
    seeds: [1, 64, 1_024].map((count) =>
      encodeListIndex(
        2,
        Array.from({ length: count }, (_, position) => ({
          fingerprint: fingerprint(position),
          pageBytes: 40_000,
          contentBytes: 2 ** 40 + position,
        })),
      ),
    ),
    fieldsOf: () => [COUNT, { at: 1, bytes: 1 }, { at: 40, bytes: 4 }, { at: 44, bytes: 8 }],
    read: (bytes) => expectSameBytes(encodeListIndex(2, decodeListIndex(bytes, 2)), bytes, "a segment list page"),
    names: /a segment list page/,
    memory: SMALL_MEMORY,
  },
  {
    name: "packed-references",
    seeds: [packed(1), packed(300)],
    fieldsOf: (bytes) =>
      Array.from({ length: Math.min(8, Math.floor(bytes.length / 36)) }, (_, position): Field => ({
        at: position * 36,
        bytes: 4,
      })),
    read: (bytes) => {
      const writer = new ByteWriter();
      for (const reference of readPackedReferences(bytes)) writeSegmentReference(writer, reference);
      expectSameBytes(writer.take(), bytes, "a list of segment references");
    },
    names: /a list of segment references/,
    memory: SMALL_MEMORY,
  },
  {
    name: "attributes",
    seeds: BODIES.flatMap(({ attributes = [] }) => {
      const writer = new ByteWriter();
      writeAttributes(writer, attributes);
      return [writer.take()];
    }),
    fieldsOf: () => [
      { at: 0, bytes: 2 },
      { at: 2, bytes: 2 },
      { at: 4, bytes: 4 },
    ],
    read: (bytes) => {
      const reader = new ByteReader(bytes, "stored attributes");
      const attributes = readAttributes(reader);
      reader.end();
      const writer = new ByteWriter();
      writeAttributes(writer, attributes);
      expectSameBytes(writer.take(), bytes, "stored attributes");
    },
    names: /stored attributes/,
    memory: SMALL_MEMORY,
  },
];
