// Pages and segments as a server gives them to a client: with a page come the grants of all it refers to, in order, and on request the
// places of its segments, so that the client can ask for whole blocks (docs/formats/exchange.md).

import { ByteReader, ByteWriter, bytesOfHex, hexOf } from "../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { MAX_BLOCK_PLAIN_BYTES, MAX_BLOCK_STORED_BYTES, MIN_BLOCK_STORED_BYTES } from "./block.ts";
import { EntryPageCursor, decodeIndexPage } from "./entry-page.ts";
import { readEntryBody } from "./entry.ts";
import type { EntryBody } from "./entry.ts";
import { JsonFields, encodeJson } from "./json-fields.ts";
import { decodeListIndex, decodeListLeaf } from "./segment-list.ts";
import type { SegmentReference } from "./segment-reference.ts";

export const GRANT_BYTES = 16;
const PAGE_BYTES_LIMIT = 16 * 1024 * 1024;
const GRANT_PATTERN = /^[0-9a-f]{32}$/;
const FINGERPRINT_PATTERN = /^[0-9a-f]{64}$/;
const LEVEL_LIMIT = 32;

export interface PageQuestion {
  readonly kind: "page" | "list";
  readonly fingerprint: Fingerprint;
  readonly pageBytes: number;
  /** 0 for pages of entries and of segments, higher for pages that refer to pages. */
  readonly level: number;
  readonly grant: Uint8Array;
  /** Where the segments lie is to be told too. */
  readonly withPlaces: boolean;
}

export function encodePageQuestion({ kind, fingerprint, pageBytes, level, grant, withPlaces }: PageQuestion): Uint8Array {
  return encodeJson({ kind, fingerprint: hexOf(fingerprint), pageBytes, level, grant: hexOf(grant), withPlaces });
}

export function decodePageQuestion(bytes: Uint8Array): PageQuestion {
  const fields = JsonFields.decode(bytes, "the question for a page", [
    "kind",
    "fingerprint",
    "pageBytes",
    "level",
    "grant",
    "withPlaces",
  ]);
  const kind = fields.text("kind");
  if (kind !== "page" && kind !== "list") return fields.refuse("kind", 'is neither "page" nor "list"');
  const withPlaces = fields.raw("withPlaces");
  if (typeof withPlaces !== "boolean") return fields.refuse("withPlaces", "is neither true nor false");
  return {
    kind,
    fingerprint: bytesOfHex(fields.pattern("fingerprint", FINGERPRINT_PATTERN)) as Fingerprint,
    pageBytes: fields.integer("pageBytes", { least: 1, most: PAGE_BYTES_LIMIT }),
    level: fields.integer("level", { most: LEVEL_LIMIT }),
    grant: bytesOfHex(fields.pattern("grant", GRANT_PATTERN)),
    withPlaces,
  };
}

export interface ReferredPage {
  readonly kind: "page" | "list";
  readonly fingerprint: Fingerprint;
  readonly pageBytes: number;
  readonly level: number;
}

/** What a page refers to, in the order in which it does. */
export interface PageReferences {
  /** Pages of the same kind below it, and roots of segment lists. */
  readonly pages: readonly ReferredPage[];
  readonly segments: readonly Fingerprint[];
}

/** Throws FORMAT_… for a page that is none. */
export function referencesOf(kind: "page" | "list", page: Uint8Array, level: number): PageReferences {
  if (level > 0) {
    const children = kind === "page" ? decodeIndexPage(page, level) : decodeListIndex(page, level);
    return {
      pages: children.map(({ fingerprint, pageBytes }) => ({ kind, fingerprint, pageBytes, level: level - 1 })),
      segments: [],
    };
  }
  if (kind === "list") return { pages: [], segments: dataOf(decodeListLeaf(page)) };
  const pages: ReferredPage[] = [];
  const segments: Fingerprint[] = [];
  const cursor = new EntryPageCursor();
  cursor.open(page);
  while (cursor.next()) {
    const body = readEntryBody(cursor.body());
    if (body.segmentList !== undefined) {
      const { fingerprint, pageBytes, level: listLevel } = body.segmentList;
      pages.push({ kind: "list", fingerprint: fingerprint.slice() as Fingerprint, pageBytes, level: listLevel });
    }
    segments.push(...segmentsOfBody(body));
  }
  return { pages, segments };
}

/** Of content that stands in the entry, and of stored attributes. */
export function segmentsOfBody(body: EntryBody): readonly Fingerprint[] {
  return dataOf([...(body.segments ?? []), ...(body.storedAttributes === undefined ? [] : [body.storedAttributes])]);
}

function dataOf(references: readonly SegmentReference[]): readonly Fingerprint[] {
  return references.flatMap((reference) => (reference.kind === "data" ? [reference.fingerprint.slice() as Fingerprint] : []));
}

/** Where a segment lies; volume and container in hexadecimal. */
export interface GrantedPlace {
  readonly volumeId: string;
  readonly container: string;
  readonly blockOffset: number;
  readonly storedLength: number;
  readonly plainLength: number;
  readonly identity: Uint8Array;
  readonly offset: number;
  readonly length: number;
}

export interface GrantedPage {
  readonly page: Uint8Array;
  /** Of each page that it refers to. */
  readonly pageGrants: readonly Uint8Array[];
  /** Of each segment; its place when it was asked for and is known. */
  readonly segmentGrants: readonly { readonly grant: Uint8Array; readonly place: GrantedPlace | undefined }[];
}

/** Its grant, and that its place is not told. */
const LEAST_SEGMENT_BYTES = GRANT_BYTES + 1;
const VOLUME_BYTES = 16;
const CONTAINER_BYTES = 32;
const IDENTITY_BYTES = 16;

export function encodeGrantedPage({ page, pageGrants, segmentGrants }: GrantedPage): Uint8Array {
  const writer = new ByteWriter(page.length + 16 + pageGrants.length * GRANT_BYTES + segmentGrants.length * 101);
  writer.u32(page.length).u32(pageGrants.length).u32(segmentGrants.length).bytes(page);
  for (const grant of pageGrants) writer.bytes(grant);
  for (const { grant, place } of segmentGrants) {
    writer.bytes(grant).u8(place === undefined ? 0 : 1);
    if (place === undefined) continue;
    writer.bytes(bytesOfHex(place.volumeId)).bytes(bytesOfHex(place.container));
    writer.u32(place.blockOffset).u32(place.storedLength).u32(place.plainLength).bytes(place.identity);
    writer.u32(place.offset).u32(place.length);
  }
  return writer.take();
}

/** Byte fields are views into `bytes`. FORMAT_… */
export function decodeGrantedPage(bytes: Uint8Array): GrantedPage {
  const reader = new ByteReader(bytes, "a page of a server");
  const [pageLength, pageCount, segmentCount] = [reader.u32(), reader.u32(), reader.u32()];
  const page = reader.bytes(pageLength);
  // Counts are believed as far as there are bytes for them: memory is taken for each.
  if (pageCount * GRANT_BYTES + segmentCount * LEAST_SEGMENT_BYTES > reader.remaining)
    reader.invalid(`${pageCount} pages and ${segmentCount} segments in the ${reader.remaining} bytes behind it`);
  const pageGrants = Array.from({ length: pageCount }, () => reader.bytes(GRANT_BYTES));
  const segmentGrants = Array.from({ length: segmentCount }, () => ({
    grant: reader.bytes(GRANT_BYTES),
    place: hasPlace(reader) ? readPlace(reader) : undefined,
  }));
  reader.end();
  return { page, pageGrants, segmentGrants };
}

function hasPlace(reader: ByteReader): boolean {
  const mark = reader.u8();
  return mark <= 1 ? mark === 1 : reader.invalid(`the mark ${mark} where 1 says that a place follows`);
}

/** Whoever restores takes memory for a whole block: it is no larger than blocks are. */
function readPlace(reader: ByteReader): GrantedPlace {
  const place = readPlaceFields(reader);
  const { storedLength, plainLength, offset, length } = place;
  const isBlock =
    storedLength >= MIN_BLOCK_STORED_BYTES &&
    storedLength <= MAX_BLOCK_STORED_BYTES &&
    plainLength <= MAX_BLOCK_PLAIN_BYTES &&
    length >= 1 &&
    offset + length <= plainLength;
  if (!isBlock)
    reader.invalid(`bytes ${offset} to ${offset + length} of a block of ${plainLength} bytes, stored in ${storedLength}`);
  return place;
}

function readPlaceFields(reader: ByteReader): GrantedPlace {
  return {
    volumeId: hexOf(reader.bytes(VOLUME_BYTES)),
    container: hexOf(reader.bytes(CONTAINER_BYTES)),
    blockOffset: reader.u32(),
    storedLength: reader.u32(),
    plainLength: reader.u32(),
    identity: reader.bytes(IDENTITY_BYTES),
    offset: reader.u32(),
    length: reader.u32(),
  };
}

/** Of one question for segments. */
export const SEGMENTS_ASKED_LIMIT = 8192;
const ASKED_BYTES = FINGERPRINT_BYTES + GRANT_BYTES;
/** The longest question for segments. */
export const SEGMENT_QUESTION_LIMIT: number = SEGMENTS_ASKED_LIMIT * ASKED_BYTES;

export interface AskedSegment {
  readonly fingerprint: Fingerprint;
  readonly grant: Uint8Array;
}

export function encodeSegmentQuestion(segments: readonly AskedSegment[]): Uint8Array {
  const writer = new ByteWriter(segments.length * ASKED_BYTES);
  for (const { fingerprint, grant } of segments) writer.bytes(fingerprint).bytes(grant);
  return writer.take();
}

export function decodeSegmentQuestion(bytes: Uint8Array): readonly AskedSegment[] {
  const reader = new ByteReader(bytes, "a question for segments");
  if (bytes.length === 0 || bytes.length % ASKED_BYTES !== 0 || bytes.length > SEGMENT_QUESTION_LIMIT) {
    reader.invalid(`${bytes.length} bytes, ${ASKED_BYTES} for each of 1 to ${SEGMENTS_ASKED_LIMIT} segments were expected`);
  }
  return Array.from({ length: bytes.length / ASKED_BYTES }, () => ({
    fingerprint: reader.bytes(FINGERPRINT_BYTES) as Fingerprint,
    grant: reader.bytes(GRANT_BYTES),
  }));
}

/** The plain segments as they were asked for; undefined for one that cannot be read. */
export function encodeSegmentAnswer(segments: readonly (Uint8Array | undefined)[]): Uint8Array {
  const writer = new ByteWriter(segments.reduce((sum, segment) => sum + 4 + (segment?.length ?? 0), 0));
  for (const segment of segments) {
    writer.u32(segment === undefined ? UNREADABLE : segment.length);
    if (segment !== undefined) writer.bytes(segment);
  }
  return writer.take();
}

const UNREADABLE = 0xffffffff;

/** Views into `bytes`. */
export function decodeSegmentAnswer(bytes: Uint8Array, count: number): readonly (Uint8Array | undefined)[] {
  const reader = new ByteReader(bytes, "an answer with segments");
  const segments = Array.from({ length: count }, () => {
    const length = reader.u32();
    return length === UNREADABLE ? undefined : reader.bytes(length);
  });
  reader.end();
  return segments;
}
