// Members of a tar stream in the pax interchange format of POSIX.1-2001 (docs/formats/export-tar.md): what every tar of
// today reads. Only writing: a stream of ours is read back with tools that are not.
//
// Header block, 512 bytes; numbers are octal digits and a zero byte
//   offset  size  field                          offset  size  field
//        0   100  name                              257     6  magic "ustar", zero
//      100     8  mode                              263     2  version "00"
//      108     8  user id                           265    32  user name
//      116     8  group id                          297    32  group name
//      124    12  size                              329     8  device major
//      136    12  modified, seconds                 337     8  device minor
//      148     8  sum of all bytes, this field      345   155  prefix of the name
//                 counted as spaces                 500    12  zero
//      156     1  type
//      157   100  link target
//
// What does not fit such a field exactly goes in front, in a member of type "x" whose content is records
// "<length of the record> <keyword>=<value>\n"; the field then holds the nearest it can.

import { isAscii, isUtf8 } from "node:buffer";
import { assert } from "../base/assert.ts";
import { ByteWriter, concatBytes, utf8 } from "../base/bytes.ts";
import { PATH_SEPARATOR } from "../model/path-order.ts";
import type { EntryAttribute, EntryTime } from "./entry.ts";
import { accessControlText } from "./posix-acl.ts";

export const TAR_BLOCK_BYTES = 512;

/** What a stream ends with. */
export const TAR_END: Uint8Array = new Uint8Array(2 * TAR_BLOCK_BYTES);

const TYPES = {
  file: "0",
  "hard-link": "1",
  "symbolic-link": "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
} as const;

export interface TarMember {
  readonly type: keyof typeof TYPES;
  /** Without a "/" at either end; empty for the root directory. Any bytes but zero. */
  readonly path: Uint8Array;
  readonly mode: number;
  readonly userId: number;
  readonly groupId: number;
  readonly userName?: string | undefined;
  readonly groupName?: string | undefined;
  readonly modified: EntryTime;
  /** Of a file: how many bytes of content follow the headers. */
  readonly sizeBytes?: number;
  /** Of a symbolic link what it says, of a hard link the path of the member that it is another name of. */
  readonly linkTarget?: Uint8Array | undefined;
  readonly node?: { readonly major: number; readonly minor: number } | undefined;
  readonly attributes?: readonly EntryAttribute[] | undefined;
}

/** The headers of a member. A file's content follows, then zeros up to a whole block (`tarPadding`). */
export function encodeTarHeaders(member: TarMember): Uint8Array {
  const records = new PaxRecords();
  const fields = fieldsOf(member, records);
  const header = encodeHeader(fields);
  const extended = records.take();
  if (extended.length === 0) return header;
  const before = encodeHeader({ ...fields, ...EXTENDED_HEADER, size: extended.length });
  return concatBytes(before, extended, new Uint8Array(tarPadding(extended.length)), header);
}

/** How many zeros follow content of this size. */
export function tarPadding(sizeBytes: number): number {
  return (TAR_BLOCK_BYTES - (sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES;
}

interface HeaderFields {
  readonly type: string;
  readonly name: Uint8Array;
  readonly prefix: Uint8Array;
  readonly linkName: Uint8Array;
  readonly mode: number;
  readonly userId: number;
  readonly groupId: number;
  readonly size: number;
  readonly modified: number;
  readonly userName: Uint8Array;
  readonly groupName: Uint8Array;
  readonly major: number;
  readonly minor: number;
}

const EMPTY = new Uint8Array(0);

/** Programs that do not know the type extract it as a file of this name. */
const EXTENDED_HEADER = { type: "x", name: utf8("PaxHeader"), prefix: EMPTY, linkName: EMPTY, mode: 0o600, major: 0, minor: 0 };

const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const LINK_BYTES = 100;
const OWNER_BYTES = 32;
/** What the octal digits of a field can say. */
const MOST_IN_8 = 0o7777777;
const MOST_IN_12 = 0o77777777777;

/** Chooses what goes into the header and notes the rest in `records`. */
function fieldsOf(member: TarMember, records: PaxRecords): HeaderFields {
  const path = memberName(member);
  const link = member.linkTarget ?? EMPTY;
  const size = member.type === "file" ? (member.sizeBytes ?? 0) : 0;
  const [userName, groupName] = [utf8(member.userName ?? ""), utf8(member.groupName ?? "")];
  // By the standard values are UTF-8; names on Linux are bytes. The word is read by those programs that would recode them.
  if (!isUtf8(path) || !isUtf8(link)) records.addText("hdrcharset", "BINARY");
  const split = splitName(path);
  if (split === undefined) records.add(utf8("path"), path);
  if (!isAscii(link) || link.length > LINK_BYTES) records.add(utf8("linkpath"), link);
  if (!isAscii(userName) || userName.length > OWNER_BYTES - 1) records.add(utf8("uname"), userName);
  if (!isAscii(groupName) || groupName.length > OWNER_BYTES - 1) records.add(utf8("gname"), groupName);
  if (member.userId > MOST_IN_8) records.addText("uid", `${member.userId}`);
  if (member.groupId > MOST_IN_8) records.addText("gid", `${member.groupId}`);
  if (size > MOST_IN_12) records.addText("size", `${size}`);
  const { seconds, nanoseconds } = member.modified;
  if (nanoseconds > 0 || seconds < 0 || seconds > MOST_IN_12) records.addText("mtime", timeText(member.modified));
  addAttributes(records, member.attributes ?? []);
  return {
    type: TYPES[member.type],
    name: split?.name ?? path.subarray(0, NAME_BYTES),
    prefix: split?.prefix ?? EMPTY,
    linkName: link.subarray(0, LINK_BYTES),
    mode: member.mode,
    userId: Math.min(member.userId, MOST_IN_8),
    groupId: Math.min(member.groupId, MOST_IN_8),
    size: Math.min(size, MOST_IN_12),
    modified: Math.min(Math.max(seconds, 0), MOST_IN_12),
    userName: userName.subarray(0, OWNER_BYTES - 1),
    groupName: groupName.subarray(0, OWNER_BYTES - 1),
    major: member.node?.major ?? 0,
    minor: member.node?.minor ?? 0,
  };
}

function memberName({ type, path }: TarMember): Uint8Array {
  const shown = path.length === 0 ? utf8(".") : path;
  return type === "directory" ? concatBytes(shown, Uint8Array.of(PATH_SEPARATOR)) : shown;
}

/** Undefined when the header cannot hold the name exactly. */
function splitName(path: Uint8Array): { readonly name: Uint8Array; readonly prefix: Uint8Array } | undefined {
  if (!isAscii(path)) return undefined;
  if (path.length <= NAME_BYTES) return { name: path, prefix: EMPTY };
  // The separator between the two is left out; neither may be empty.
  const at = path.indexOf(PATH_SEPARATOR, path.length - NAME_BYTES - 1);
  if (at <= 0 || at > PREFIX_BYTES || at === path.length - 1) return undefined;
  return { name: path.subarray(at + 1), prefix: path.subarray(0, at) };
}

/** Decimal, exact to the nanosecond; the fraction counts towards zero, so before 1970 it is the complement. */
function timeText({ seconds, nanoseconds }: EntryTime): string {
  const isNegative = seconds < 0;
  const whole = isNegative && nanoseconds > 0 ? -seconds - 1 : Math.abs(seconds);
  const fraction = isNegative && nanoseconds > 0 ? 1_000_000_000 - nanoseconds : nanoseconds;
  const digits = fraction === 0 ? "" : `.${`${fraction}`.padStart(9, "0")}`;
  return `${isNegative ? "-" : ""}${whole}${digits}`;
}

function addAttributes(records: PaxRecords, attributes: readonly EntryAttribute[]): void {
  for (const { name, value } of attributes) {
    // Names are bytes too: Latin-1 carries any of them there and back.
    const text = Buffer.from(name).toString("latin1");
    const keyword = ACCESS_CONTROL[text];
    const list = keyword === undefined ? undefined : accessControlText(value);
    if (keyword !== undefined && list !== undefined) records.addText(keyword, list);
    const escaped = text.replaceAll("%", "%25").replaceAll("=", "%3D");
    records.add(Buffer.from(`SCHILY.xattr.${escaped}`, "latin1"), value);
  }
}

/** GNU tar restores lists with --acls from these, and from the attributes only when told which to include. */
const ACCESS_CONTROL: Readonly<Record<string, string | undefined>> = {
  "system.posix_acl_access": "SCHILY.acl.access",
  "system.posix_acl_default": "SCHILY.acl.default",
};

const EQUALS = 0x3d;
const NEWLINE = 0x0a;

class PaxRecords {
  readonly #writer = new ByteWriter();

  addText(keyword: string, value: string): void {
    this.add(utf8(keyword), utf8(value));
  }

  /** The length counts its own digits. */
  add(keyword: Uint8Array, value: Uint8Array): void {
    const rest = keyword.length + value.length + 3;
    let length = rest + `${rest}`.length;
    if (`${length}`.length > `${rest}`.length) length = rest + `${length}`.length;
    const { length: before } = this.#writer;
    this.#writer
      .bytes(utf8(`${length} `))
      .bytes(keyword)
      .u8(EQUALS)
      .bytes(value)
      .u8(NEWLINE);
    assert(this.#writer.length - before === length, "a record has the length that it says");
  }

  take(): Uint8Array {
    return this.#writer.take();
  }
}

function encodeHeader(fields: HeaderFields): Uint8Array {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.set(fields.name, 0);
  octal(block, 100, 8, fields.mode);
  octal(block, 108, 8, fields.userId);
  octal(block, 116, 8, fields.groupId);
  octal(block, 124, 12, fields.size);
  octal(block, 136, 12, fields.modified);
  block.write(fields.type, 156, "latin1");
  block.set(fields.linkName, 157);
  block.write("ustar\u000000", 257, "latin1");
  block.set(fields.userName, 265);
  block.set(fields.groupName, 297);
  octal(block, 329, 8, fields.major);
  octal(block, 337, 8, fields.minor);
  block.set(fields.prefix, 345);
  block.fill(" ", 148, 156, "latin1");
  let sum = 0;
  // By position: an iterator over the bytes takes ten times as long, and this runs for every member.
  for (let at = 0; at < block.length; at++) sum += block[at] as number;
  block.write(`${sum.toString(8).padStart(6, "0")}\u0000 `, 148, "latin1");
  return block;
}

/** A device number beyond the digits, for which pax has no keyword, is binary behind a set bit, as GNU tar and its readers have it. */
function octal(block: Buffer, offset: number, size: number, value: number): void {
  const digits = value.toString(8).padStart(size - 1, "0");
  if (digits.length < size) {
    block.write(digits, offset, "latin1");
    return;
  }
  block[offset] = 0x80;
  block.writeUInt32BE(value, offset + size - 4);
}
