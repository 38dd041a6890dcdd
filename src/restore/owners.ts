// Whom restored entries belong to: the same numbers as in the image, the same names on this machine, or whoever restores.

import type { ByteReader, ByteWriter } from "../base/bytes.ts";
import { textOf } from "../base/bytes.ts";
import type { Files } from "../platform/files.ts";

export type OwnerMode = "number" | "name" | "none";

/** As an image record has them: names by the decimal number. */
export interface OwnerNames {
  readonly owners: Readonly<Record<string, string>>;
  readonly groups: Readonly<Record<string, string>>;
}

/** Numbers that are not in a table stay as they are. */
export interface OwnerRules {
  /** False: whatever new files get is right. */
  readonly isSet: boolean;
  readonly users: ReadonlyMap<number, number>;
  readonly groups: ReadonlyMap<number, number>;
}

/** A system of a hundred thousand accounts stays far below this. */
const ACCOUNTS_LIMIT_BYTES = 64 * 1024 * 1024;

/**
 * The rules for an image. By name, the accounts of this machine are those of /etc/passwd and /etc/group; a name
 * that is missing there, or a number that the image has no name for, keeps its number.
 */
export function ownerRules(mode: OwnerMode, names: OwnerNames, files: Pick<Files, "read">): OwnerRules {
  const isSet = mode !== "none";
  if (mode !== "name") return { isSet, users: new Map(), groups: new Map() };
  return {
    isSet,
    users: tableOf(names.owners, accountsOf(files.read("/etc/passwd", ACCOUNTS_LIMIT_BYTES))),
    groups: tableOf(names.groups, accountsOf(files.read("/etc/group", ACCOUNTS_LIMIT_BYTES))),
  };
}

function tableOf(names: Readonly<Record<string, string>>, accounts: ReadonlyMap<string, number>): ReadonlyMap<number, number> {
  const table = new Map<number, number>();
  for (const [text, name] of Object.entries(names)) {
    const from = numberOf(text);
    const to = accounts.get(name);
    if (from !== undefined && to !== undefined && from !== to) table.set(from, to);
  }
  return table;
}

/** Both files have the name in the first field and the number in the third; the first of two equal names holds. */
function accountsOf(bytes: Uint8Array | undefined): ReadonlyMap<string, number> {
  const accounts = new Map<string, number>();
  for (const line of textOf(bytes ?? new Uint8Array(0)).split("\n")) {
    const [name = "", , text = ""] = line.split(":");
    const number = numberOf(text);
    if (name !== "" && number !== undefined && !accounts.has(name)) accounts.set(name, number);
  }
  return accounts;
}

/** 2^32-1 is no account: it tells the system to leave the owner alone. */
function numberOf(text: string): number | undefined {
  const number = Number(text);
  return /^\d{1,10}$/.test(text) && number < 0xffff_ffff ? number : undefined;
}

export function writeOwnerRules(writer: ByteWriter, { isSet, users, groups }: OwnerRules): void {
  writer.u8(isSet ? 1 : 0);
  for (const table of [users, groups]) {
    writer.u32(table.size);
    for (const [from, to] of table) writer.u32(from).u32(to);
  }
}

export function readOwnerRules(reader: ByteReader): OwnerRules {
  const isSet = reader.u8() === 1;
  const readTable = (): ReadonlyMap<number, number> =>
    new Map(Array.from({ length: reader.u32() }, () => [reader.u32(), reader.u32()] as const));
  return { isSet, users: readTable(), groups: readTable() };
}
