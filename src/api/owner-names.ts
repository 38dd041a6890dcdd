// Names of numeric owners, from the local tables. Other name services are asked for nothing: a backup must not wait
// for a directory server.

import { textOf } from "../base/bytes.ts";
import type { Files } from "../platform/files.ts";

const TABLE_LIMIT = 64 * 1024 * 1024;

export interface OwnerNames {
  readonly owners: Readonly<Record<string, string>>;
  readonly groups: Readonly<Record<string, string>>;
}

export function ownerNames(
  files: Files,
  ids: { readonly users: ReadonlySet<number>; readonly groups: ReadonlySet<number> },
): OwnerNames {
  return { owners: namesIn(files, "/etc/passwd", ids.users), groups: namesIn(files, "/etc/group", ids.groups) };
}

/** Lines of the form name:…:number:…; the first name of a number counts, as for the C library. */
function namesIn(files: Files, path: string, ids: ReadonlySet<number>): Record<string, string> {
  const names: Record<string, string> = {};
  const table = files.read(path, TABLE_LIMIT);
  if (table === undefined) return names;
  for (const line of textOf(table).split("\n")) {
    const [name, , number] = line.split(":");
    if (name === undefined || name === "" || number === undefined || !/^[0-9]{1,10}$/.test(number)) continue;
    if (ids.has(Number(number))) names[number] ??= name;
  }
  return names;
}
