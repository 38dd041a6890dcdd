import assert from "node:assert/strict";
import { test } from "node:test";
import { workedExample } from "../../test/support/worked-example.ts";
import { ByteWriter, textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { readEntryBody, writeEntryBody } from "./entry.ts";
import type { EntryBody } from "./entry.ts";
import { EntryPageCursor, EntryPageWriter, decodeIndexPage, encodeIndexPage } from "./entry-page.ts";

const fingerprint = (seed: number): Fingerprint =>
  Uint8Array.from({ length: 32 }, (_, i) => (seed + i) & 0xff) as Uint8Array as Fingerprint;

const plain: EntryBody = {
  kind: 1,
  mode: 0o755,
  userId: 0,
  groupId: 0,
  modified: { seconds: 1_700_000_000, nanoseconds: 5 },
  changed: { seconds: 1_700_000_001, nanoseconds: 7 },
  inode: 42n,
  sizeBytes: 0,
  recheck: false,
  changedWhileRead: false,
};

/** Every part at once, with the extremes of its fields. */
const full: EntryBody = {
  kind: 2,
  mode: 0o7777,
  userId: 0xffff_fffe,
  groupId: 1000,
  modified: { seconds: -62_135_596_800, nanoseconds: 999_999_999 },
  changed: { seconds: 253_402_300_799, nanoseconds: 0 },
  inode: 0xffff_ffff_ffff_ffffn,
  sizeBytes: Number.MAX_SAFE_INTEGER,
  recheck: true,
  changedWhileRead: true,
  fixedSegmentBytes: 131_072,
  birth: { seconds: -1, nanoseconds: 1 },
  hardLink: { deviceMajor: 254, deviceMinor: 1, linkCount: 3 },
  fileFlags: 0x70,
  node: { major: 8, minor: 17 },
  linkTarget: Uint8Array.of(0xff, 0x2f, 0x00),
  attributes: [{ name: utf8("user.a"), value: Uint8Array.of(0, 1, 2) }],
  storedAttributes: { kind: "data", length: 5000, fingerprint: fingerprint(1) },
  segments: [
    { kind: "data", length: 16 * 1024 * 1024, fingerprint: fingerprint(9) },
    { kind: "hole", length: 2 ** 40 },
  ],
  segmentList: { fingerprint: fingerprint(7), pageBytes: 3000, level: 2 },
};

function encoded(body: EntryBody): Uint8Array {
  const writer = new ByteWriter();
  writeEntryBody(writer, body);
  return writer.take();
}

function pageOf(entries: readonly (readonly [string, EntryBody])[]): Uint8Array {
  const writer = new EntryPageWriter();
  for (const [path, body] of entries) {
    const bytes = encoded(body);
    const pathBytes = utf8(path);
    writer.add(pathBytes, pathBytes.length, bytes, 0, bytes.length);
  }
  return writer.take().bytes;
}

function entriesOf(page: Uint8Array): (readonly [string, EntryBody])[] {
  const cursor = new EntryPageCursor();
  cursor.open(page);
  const entries: (readonly [string, EntryBody])[] = [];
  while (cursor.next()) entries.push([textOf(cursor.pathCopy()), readEntryBody(cursor.body().slice())]);
  return entries;
}

test("an entry with every part is read as it was written", () => {
  assert.deepEqual(readEntryBody(encoded(full)), full);
});

test("the worked example of docs/formats/entry-page.md decodes, and encodes to the same bytes", () => {
  const example = workedExample("entry-page.md");
  const expected: (readonly [string, EntryBody])[] = [
    ["etc", plain],
    [
      "etc/motd",
      {
        ...plain,
        kind: 2,
        mode: 0o644,
        inode: 43n,
        sizeBytes: 6,
        segments: [{ kind: "data", length: 6, fingerprint: fingerprint(0) }],
      },
    ],
  ];
  assert.deepEqual(entriesOf(example), expected);
  assert.deepEqual(pageOf(expected), example);
});

test("a page gives back paths that share any number of bytes", () => {
  const paths = ["", "a", "a/b", "a/bc", "a/bcd", "a-b", "b", "bb", "ba/x/y/z"];
  assert.deepEqual(
    entriesOf(pageOf(paths.map((path) => [path, plain] as const))).map(([path]) => path),
    paths,
  );
});

test("every truncation of a page is refused with a format error", () => {
  const page = pageOf([
    ["etc", plain],
    ["etc/motd", full],
  ]);
  for (let length = 0; length < page.length; length++) {
    assert.throws(() => entriesOf(page.subarray(0, length)), HoldfastError, `length ${length}`);
  }
});

test("every flipped bit of a page is refused with a format error or read as other entries, never as the same", () => {
  const entries = [
    ["etc", plain],
    ["etc/motd", full],
  ] as const;
  const page = pageOf(entries);
  for (let bit = 0; bit < page.length * 8; bit++) {
    const damaged = page.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
    try {
      assert.notDeepEqual(entriesOf(damaged), entries, `bit ${bit}`);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      assert.match(error.code, /^FORMAT_/, `bit ${bit}`);
    }
  }
});

test("unknown parts, kinds, reserved bytes and versions are refused, each with its own error", () => {
  const change = (offset: number, value: number): Uint8Array => {
    const body = encoded(plain);
    body[offset] = value;
    return body;
  };
  assert.throws(() => readEntryBody(change(0, 7)), { code: "FORMAT_INVALID" });
  assert.throws(() => readEntryBody(change(1, 1)), { code: "FORMAT_RESERVED" });
  assert.throws(() => readEntryBody(change(5, 0x80)), { code: "FORMAT_INVALID" });
  const page = pageOf([["a", plain]]);
  assert.throws(() => entriesOf(Uint8Array.of(2, ...page.subarray(1))), { code: "FORMAT_VERSION" });
  assert.throws(() => entriesOf(Uint8Array.of(1, 0, 1, ...page.subarray(3))), { code: "FORMAT_RESERVED" });
});

test("an index page gives back its references and refuses to be read at another level", () => {
  const children = ["", "a/b", "a/bc", "zebra"].map((path, i) => ({
    fingerprint: fingerprint(i),
    pageBytes: 1000 + i,
    entryCount: 2 ** 40 + i,
    firstPath: utf8(path),
  }));
  const page = encodeIndexPage(3, children);
  assert.deepEqual(decodeIndexPage(page, 3), children);
  assert.throws(() => decodeIndexPage(page, 2), { code: "FORMAT_INVALID" });
  for (let length = 0; length < page.length; length++) {
    assert.throws(() => decodeIndexPage(page.subarray(0, length), 3), HoldfastError);
  }
});

test("an index page whose paths would take more memory than any page is refused", () => {
  const child = { fingerprint: new Uint8Array(32) as Uint8Array as Fingerprint, pageBytes: 20_000, entryCount: 200 };
  const children = Array.from({ length: 40 }, (_, position) => ({
    ...child,
    firstPath: new Uint8Array(60_000).fill(0x61, 0, 59_999).fill(position + 1, 59_999),
  }));
  // Each repeats all but one byte of the one before: 60,000 bytes in 49.
  assert.ok(encodeIndexPage(1, children).length < 65_000);
  assert.throws(
    () => decodeIndexPage(encodeIndexPage(1, children), 1),
    (error) => error instanceof HoldfastError && error.code === "FORMAT_INVALID" && /paths/.test(error.message),
  );
  assert.equal(decodeIndexPage(encodeIndexPage(1, children.slice(0, 3)), 1).length, 3);
});

test("an index page that refers to no page is refused", () => {
  const child = {
    fingerprint: new Uint8Array(32) as Uint8Array as Fingerprint,
    pageBytes: 1,
    entryCount: 1,
    firstPath: utf8("a"),
  };
  const empty = encodeIndexPage(1, [child]).slice(0, 8);
  empty[4] = 0;
  assert.throws(
    () => decodeIndexPage(empty, 1),
    (error) => error instanceof HoldfastError && error.code === "FORMAT_INVALID" && /no page/.test(error.message),
  );
});
