// Entry pages: the ordered entries of an image, cut by content so that equal runs of entries make equal
// pages. Version 1 (docs/formats/entry-page.md). Little-endian.
//   offset  size  field
//        0     1  version, 1
//        1     1  level: 0 entries, 1 and above references to pages one level down
//        2     2  reserved, zero
//        4     4  record count
//        8        records
// Record of level 0:  u16 bytes shared with the previous path, u16 suffix length, u16 body length, suffix, body
// Record of level 1+: 32 fingerprint, u32 page length, u64 entry count, u16 shared, u16 suffix length, suffix
//                     (the path of the first entry below)

import { HoldfastError } from "../base/errors.ts";
import { assert } from "../base/assert.ts";
import { viewOf } from "../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { ENTRY_BODY_LIMIT, ENTRY_FIXED_BYTES } from "./entry.ts";

export const PAGE_HEADER_BYTES = 8;
const PAGE_VERSION = 1;

/** The longest path of an entry. Linux stops at 4,096 bytes per call, deeper trees are reached step by step. */
export const PATH_LIMIT = 65_535;
/** A page that holds one entry of the greatest size must fit; anything larger is not a page. */
export const PAGE_LIMIT = 512 * 1024;
/** 2^64 entries would take fewer levels than this. */
export const PAGE_LEVEL_LIMIT = 16;

const LEAF_MINIMUM_BYTES = 8 * 1024;
const LEAF_MAXIMUM_BYTES = 128 * 1024;
/** One path in 128 ends a page once the minimum is reached: about 20 KiB and 200 entries. */
const LEAF_CUT_MASK = 127;
const INDEX_MINIMUM_RECORDS = 16;
const INDEX_MAXIMUM_RECORDS = 1024;
/** Counts paths in full, so that pages of very long paths stay under PAGE_LIMIT too. */
const INDEX_MAXIMUM_BYTES = 128 * 1024;
/** One child in 64 ends an index page. */
const INDEX_CUT_MASK = 63;

/** Whether the entry with this path may end a page: FNV-1a over the path, its upper half folded down. */
function pathCuts(path: Uint8Array, length: number): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ (path[i] as number), 0x01000193);
  return (((hash >>> 16) ^ hash) & LEAF_CUT_MASK) === 0;
}

/** Builds one leaf page after another. The caller takes the page whenever `add` says that it is complete. */
export class EntryPageWriter {
  readonly #bytes = new Uint8Array(LEAF_MAXIMUM_BYTES + PAGE_HEADER_BYTES + 6 + PATH_LIMIT + ENTRY_BODY_LIMIT);
  readonly #view = viewOf(this.#bytes);
  readonly #lastPath = new Uint8Array(PATH_LIMIT);
  #lastLength = 0;
  #length = PAGE_HEADER_BYTES;
  #count = 0;

  get entryCount(): number {
    return this.#count;
  }

  /** Appends one entry, which must sort after the last one. True when the page ends here by the cutting rule. */
  add(path: Uint8Array, pathLength: number, body: Uint8Array, bodyOffset: number, bodyLength: number): boolean {
    assert(pathLength <= PATH_LIMIT && bodyLength <= ENTRY_BODY_LIMIT, "an entry fits its length fields");
    const bytes = this.#bytes;
    const last = this.#lastPath;
    const most = this.#count === 0 ? 0 : Math.min(pathLength, this.#lastLength);
    let shared = 0;
    while (shared < most && last[shared] === path[shared]) shared++;
    let offset = this.#length;
    this.#view.setUint16(offset, shared, true);
    this.#view.setUint16(offset + 2, pathLength - shared, true);
    this.#view.setUint16(offset + 4, bodyLength, true);
    offset += 6;
    for (let i = shared; i < pathLength; i++) {
      const byte = path[i] as number;
      bytes[offset++] = byte;
      last[i] = byte;
    }
    const bodyEnd = bodyOffset + bodyLength;
    for (let i = bodyOffset; i < bodyEnd; i++) bytes[offset++] = body[i] as number;
    this.#lastLength = pathLength;
    this.#length = offset;
    this.#count++;
    return offset >= LEAF_MAXIMUM_BYTES || (offset >= LEAF_MINIMUM_BYTES && pathCuts(path, pathLength));
  }

  /** The page so far, a copy; the writer begins the next one. */
  take(): { readonly bytes: Uint8Array; readonly entryCount: number; readonly firstPath: Uint8Array } {
    assert(this.#count > 0, "a page holds an entry");
    this.#bytes[0] = PAGE_VERSION;
    this.#view.setUint32(4, this.#count, true);
    const bytes = this.#bytes.slice(0, this.#length);
    const entryCount = this.#count;
    const firstLength = this.#view.getUint16(PAGE_HEADER_BYTES + 2, true);
    const firstPath = bytes.slice(PAGE_HEADER_BYTES + 6, PAGE_HEADER_BYTES + 6 + firstLength);
    this.#length = PAGE_HEADER_BYTES;
    this.#count = 0;
    return { bytes, entryCount, firstPath };
  }
}

/**
 * Goes through the entries of one leaf page. `path` and `bytes` are reused: copy what must outlive `next`.
 * Every bound is checked before it is used, so a damaged page ends in FORMAT_… and nothing else.
 */
export class EntryPageCursor {
  readonly path = new Uint8Array(PATH_LIMIT);
  pathLength = 0;
  bytes: Uint8Array = new Uint8Array(0);
  bodyOffset = 0;
  bodyLength = 0;
  /** Number of the present entry in its page, from 0. */
  position = -1;
  entryCount = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #offset = 0;

  open(page: Uint8Array): void {
    const header = readPageHeader(page);
    if (header.level !== 0) throw pageInvalid(`level ${header.level} where entries were expected`, 1);
    this.bytes = page;
    this.#view = viewOf(page);
    this.entryCount = header.recordCount;
    this.#offset = PAGE_HEADER_BYTES;
    this.position = -1;
    this.pathLength = 0;
  }

  /** False at the end of the page. */
  next(): boolean {
    const offset = this.#offset;
    const end = this.bytes.length;
    if (this.position + 1 >= this.entryCount) {
      if (offset !== end) throw pageInvalid(`${end - offset} bytes follow the last entry`, offset);
      return false;
    }
    if (offset + 6 > end) throw pageTruncated(offset);
    const shared = this.#view.getUint16(offset, true);
    const suffix = this.#view.getUint16(offset + 2, true);
    const bodyLength = this.#view.getUint16(offset + 4, true);
    const bodyOffset = offset + 6 + suffix;
    if (shared > this.pathLength) throw pageInvalid(`${shared} shared bytes of a path of ${this.pathLength}`, offset);
    if (shared + suffix > PATH_LIMIT) throw pageInvalid("a path beyond the limit", offset);
    if (bodyLength < ENTRY_FIXED_BYTES || bodyOffset + bodyLength > end) throw pageTruncated(offset);
    const bytes = this.bytes;
    const path = this.path;
    for (let from = offset + 6, to = shared; from < bodyOffset; from++, to++) path[to] = bytes[from] as number;
    this.pathLength = shared + suffix;
    this.bodyOffset = bodyOffset;
    this.bodyLength = bodyLength;
    this.#offset = bodyOffset + bodyLength;
    this.position++;
    return true;
  }

  body(): Uint8Array {
    return this.bytes.subarray(this.bodyOffset, this.bodyOffset + this.bodyLength);
  }
  pathCopy(): Uint8Array {
    return this.path.slice(0, this.pathLength);
  }
}

/** A page seen from above: what an index page says of one page below it. */
export interface PageReference {
  readonly fingerprint: Fingerprint;
  readonly pageBytes: number;
  readonly entryCount: number;
  readonly firstPath: Uint8Array;
}

export function encodeIndexPage(level: number, children: readonly PageReference[]): Uint8Array {
  assert(level >= 1 && level <= PAGE_LEVEL_LIMIT && children.length > 0, "an index page has a level and children");
  let size = PAGE_HEADER_BYTES;
  for (const child of children) size += INDEX_RECORD_FIXED + child.firstPath.length;
  const bytes = new Uint8Array(size);
  const view = viewOf(bytes);
  bytes[0] = PAGE_VERSION;
  bytes[1] = level;
  view.setUint32(4, children.length, true);
  let offset = PAGE_HEADER_BYTES;
  let previous = new Uint8Array(0);
  for (const child of children) {
    const path = child.firstPath;
    let shared = 0;
    while (shared < path.length && shared < previous.length && path[shared] === previous[shared]) shared++;
    bytes.set(child.fingerprint, offset);
    view.setUint32(offset + 32, child.pageBytes, true);
    view.setBigUint64(offset + 36, BigInt(child.entryCount), true);
    view.setUint16(offset + 44, shared, true);
    view.setUint16(offset + 46, path.length - shared, true);
    bytes.set(path.subarray(shared), offset + INDEX_RECORD_FIXED);
    offset += INDEX_RECORD_FIXED + path.length - shared;
    previous = path as Uint8Array<ArrayBuffer>;
  }
  return bytes.subarray(0, offset);
}

export const INDEX_RECORD_FIXED = FINGERPRINT_BYTES + 4 + 8 + 2 + 2;

/** The children of an index page, whose level must be `level`. */
export function decodeIndexPage(page: Uint8Array, level: number): readonly PageReference[] {
  const header = readPageHeader(page);
  if (header.level !== level) throw pageInvalid(`level ${header.level}, expected ${level}`, 1);
  const view = viewOf(page);
  const children: PageReference[] = [];
  if (header.recordCount === 0) throw pageInvalid("it refers to no page", 4);
  let offset = PAGE_HEADER_BYTES;
  // A path of 64 KiB that repeats the one before takes 48 bytes: what the paths take together is bounded too.
  let sizeBytes = 0;
  let previous = new Uint8Array(0);
  for (let i = 0; i < header.recordCount; i++) {
    if (offset + INDEX_RECORD_FIXED > page.length) throw pageTruncated(offset);
    const shared = view.getUint16(offset + 44, true);
    const suffix = view.getUint16(offset + 46, true);
    const entryCount = Number(view.getBigUint64(offset + 36, true));
    if (shared > previous.length || shared + suffix > PATH_LIMIT) throw pageInvalid("a path beyond its bounds", offset);
    if (offset + INDEX_RECORD_FIXED + suffix > page.length) throw pageTruncated(offset);
    sizeBytes += INDEX_RECORD_FIXED + shared + suffix;
    if (sizeBytes > PAGE_LIMIT) throw pageInvalid(`paths that take more than ${PAGE_LIMIT} bytes in full`, offset);
    if (!Number.isSafeInteger(entryCount) || entryCount === 0) throw pageInvalid("an entry count out of range", offset);
    const firstPath = new Uint8Array(shared + suffix);
    firstPath.set(previous.subarray(0, shared));
    firstPath.set(page.subarray(offset + INDEX_RECORD_FIXED, offset + INDEX_RECORD_FIXED + suffix), shared);
    children.push({
      fingerprint: page.slice(offset, offset + FINGERPRINT_BYTES) as Fingerprint,
      pageBytes: view.getUint32(offset + 32, true),
      entryCount,
      firstPath,
    });
    previous = firstPath;
    offset += INDEX_RECORD_FIXED + suffix;
  }
  if (offset !== page.length) throw pageInvalid(`${page.length - offset} bytes follow the last reference`, offset);
  return children;
}

/** Whether an index page ends after `child`, given the records it then holds and the sum of their sizes. */
export function indexPageEnds(child: PageReference, recordCount: number, sizeBytes: number): boolean {
  if (recordCount >= INDEX_MAXIMUM_RECORDS || sizeBytes >= INDEX_MAXIMUM_BYTES) return true;
  return recordCount >= INDEX_MINIMUM_RECORDS && ((child.fingerprint[0] as number) & INDEX_CUT_MASK) === 0;
}

function readPageHeader(page: Uint8Array): { readonly level: number; readonly recordCount: number } {
  if (page.length < PAGE_HEADER_BYTES) throw pageTruncated(0);
  if (page.length > PAGE_LIMIT) throw pageInvalid(`${page.length} bytes, the limit is ${PAGE_LIMIT}`, 0);
  if (page[0] !== PAGE_VERSION) {
    throw new HoldfastError("FORMAT_VERSION", {
      message: `Cannot read an entry page: it has version ${page[0]}, this program reads version ${PAGE_VERSION}`,
      hint: "Use a newer version of Holdfast.",
    });
  }
  if (page[2] !== 0 || page[3] !== 0) {
    throw new HoldfastError("FORMAT_RESERVED", {
      message: "Cannot read an entry page: reserved bytes at offset 2 are not zero",
    });
  }
  const level = page[1] as number;
  if (level > PAGE_LEVEL_LIMIT) throw pageInvalid(`level ${level}`, 1);
  return { level, recordCount: viewOf(page).getUint32(4, true) };
}

function pageInvalid(problem: string, offset: number): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", {
    message: `Cannot read an entry page: ${problem}`,
    context: { offset },
  });
}

function pageTruncated(offset: number): HoldfastError {
  return new HoldfastError("FORMAT_TRUNCATED", {
    message: `Cannot read an entry page: it ends inside the record at offset ${offset}`,
    context: { offset },
  });
}
