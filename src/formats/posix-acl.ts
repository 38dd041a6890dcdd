// POSIX access control lists as Linux keeps them in extended attributes: u32 version 2, then for each entry u16 tag,
// u16 permissions, u32 user or group id (linux/posix_acl_xattr.h). Little-endian.

import { viewOf } from "../base/bytes.ts";

const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;

/** By tag: what stands in front of the permissions; some are about one user or group. */
const TAGS: Readonly<Record<number, { readonly word: string; readonly isNamed: boolean } | undefined>> = {
  0x01: { word: "user", isNamed: false },
  0x02: { word: "user", isNamed: true },
  0x04: { word: "group", isNamed: false },
  0x08: { word: "group", isNamed: true },
  0x10: { word: "mask", isNamed: false },
  0x20: { word: "other", isNamed: false },
};

/** The text form of acl(5) with numeric ids, separated by commas; undefined for anything but a list of version 2. */
export function accessControlText(value: Uint8Array): string | undefined {
  const view = viewOf(value);
  if (value.length <= HEADER_BYTES || (value.length - HEADER_BYTES) % ENTRY_BYTES !== 0) return undefined;
  if (view.getUint32(0, true) !== VERSION) return undefined;
  const entries: string[] = [];
  for (let offset = HEADER_BYTES; offset < value.length; offset += ENTRY_BYTES) {
    const tag = TAGS[view.getUint16(offset, true)];
    const permissions = view.getUint16(offset + 2, true);
    if (tag === undefined || permissions > 7) return undefined;
    const id = tag.isNamed ? `${view.getUint32(offset + 4, true)}` : "";
    const letter = (bit: number, name: string): string => ((permissions & bit) === 0 ? "-" : name);
    entries.push(`${tag.word}:${id}:${letter(4, "r")}${letter(2, "w")}${letter(1, "x")}`);
  }
  return entries.join(",");
}
