// Entries and references of every kind, to make valid inputs of.

import { ByteWriter, utf8 } from "../../../src/base/bytes.ts";
import type { Fingerprint } from "../../../src/base/fingerprint.ts";
import { randomBytes, seededRandom } from "../../../src/engine/testing.ts";
import {
  ENTRY_BLOCK_DEVICE,
  ENTRY_CHARACTER_DEVICE,
  ENTRY_DIRECTORY,
  ENTRY_FIFO,
  ENTRY_FILE,
  ENTRY_SYMBOLIC_LINK,
  writeEntryBody,
} from "../../../src/formats/entry.ts";
import type { EntryBody } from "../../../src/formats/entry.ts";
import type { SegmentReference } from "../../../src/formats/segment-reference.ts";
import { KeyRing } from "../../../src/repository/repository.ts";

export const REPOSITORY_ID: Uint8Array = new Uint8Array(16).fill(0x52);
export const KEY_RING = KeyRing.derive(new Uint8Array(32).fill(0x4d), REPOSITORY_ID);
export const random = seededRandom("fuzz");

export function fingerprint(seed: number): Fingerprint {
  return randomBytes(seed, 32) as Uint8Array as Fingerprint;
}

export function reference(seed: number): SegmentReference {
  return seed % 5 === 4
    ? { kind: "hole", length: 1 + seed * 4_096 }
    : { kind: "data", length: 1 + ((seed * 7_919) % 4_000_000), fingerprint: fingerprint(seed) };
}

export function references(count: number): SegmentReference[] {
  return Array.from({ length: count }, (_, position) => reference(position + 1));
}

const PLAIN: EntryBody = {
  kind: ENTRY_FILE,
  mode: 0o644,
  userId: 1_000,
  groupId: 100,
  modified: { seconds: 1_700_000_000, nanoseconds: 123_456_789 },
  changed: { seconds: 1_700_000_001, nanoseconds: 5 },
  inode: 0xffff_ffff_ffffn,
  sizeBytes: 12_345,
  recheck: false,
  changedWhileRead: false,
};

export const BODIES: readonly EntryBody[] = [
  { ...PLAIN, kind: ENTRY_DIRECTORY, mode: 0o2755, sizeBytes: 0 },
  { ...PLAIN, segments: references(1) },
  { ...PLAIN, mode: 0o4711, recheck: true, changedWhileRead: true, segments: references(8), fileFlags: 0x30 },
  {
    ...PLAIN,
    modified: { seconds: -1, nanoseconds: 999_999_999 },
    birth: { seconds: -62_135_596_800, nanoseconds: 1 },
    sizeBytes: 0,
  },
  { ...PLAIN, kind: ENTRY_SYMBOLIC_LINK, mode: 0o777, sizeBytes: 0, linkTarget: utf8("../somewhere/else") },
  { ...PLAIN, kind: ENTRY_FIFO, sizeBytes: 0, hardLink: { deviceMajor: 8, deviceMinor: 1, linkCount: 3 } },
  { ...PLAIN, kind: ENTRY_CHARACTER_DEVICE, sizeBytes: 0, node: { major: 300, minor: 70_000 } },
  { ...PLAIN, kind: ENTRY_BLOCK_DEVICE, sizeBytes: 0, node: { major: 7, minor: 0xffff_ffff } },
  {
    ...PLAIN,
    attributes: [
      { name: utf8("user.comment"), value: utf8("some text") },
      { name: utf8("system.posix_acl_access"), value: accessControlList() },
    ],
    segments: references(2),
  },
  {
    ...PLAIN,
    sizeBytes: 2 ** 40,
    storedAttributes: reference(3),
    segmentList: { fingerprint: fingerprint(9), pageBytes: 4_000, level: 2 },
  },
  { ...PLAIN, fixedSegmentBytes: 65_536, segments: references(3) },
];

export function encodedBody(body: EntryBody): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  writeEntryBody(writer, body);
  return writer.take();
}

/** As Linux keeps them in an extended attribute. */
export function accessControlList(): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u32(2);
  for (const [tag, permissions, id] of [
    [0x01, 7, 0xffff_ffff],
    [0x02, 5, 1_000],
    [0x04, 5, 0xffff_ffff],
    [0x08, 0, 4_294_967_294],
    [0x10, 7, 0xffff_ffff],
    [0x20, 0, 0xffff_ffff],
  ] as const)
    writer.u16(tag).u16(permissions).u32(id);
  return writer.take();
}

/** Where a name or path of an image is: ascending, as images have them. */
export function paths(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, position) =>
    utf8(`home/somebody/directory-${String(position >> 3).padStart(4, "0")}/file-${position % 8}`),
  );
}
