// Local files of what is on its way to an object store. They belong to one process, and go with it.

import type { Files } from "./files.ts";
import type { Host } from "./host.ts";

/** Below a directory that several machines may share. */
export function spoolDirectoryOf(cacheDirectory: string, { name, processId }: Host): string {
  return `${cacheDirectory}/spool/${encodeURIComponent(name)}-${processId}`;
}

/** Removes what processes of this machine have left that are no more. */
export function clearSpools(files: Files, cacheDirectory: string, host: Host): void {
  const spools = `${cacheDirectory}/spool`;
  const prefix = `${encodeURIComponent(host.name)}-`;
  for (const name of files.list(spools) ?? []) {
    if (!name.startsWith(prefix) || host.isAlive(Number(name.slice(prefix.length)))) continue;
    for (const file of files.list(`${spools}/${name}`) ?? []) files.remove(`${spools}/${name}/${file}`);
    files.removeEmptyDirectory(`${spools}/${name}`);
  }
}
