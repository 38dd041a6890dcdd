// A power failure can bring back the name of a temporary file that was removed or renamed before, after its session has
// ended, and writers that found nothing to register in, such as `init`, leave some of no session at all. Nobody would look
// for them again.

import { isTemporaryName } from "../media/media.ts";
import { listEach } from "../platform/files.ts";
import { writtenDirectories } from "./sessions.ts";
import type { SessionPlace } from "./sessions.ts";

const OWNER = /^\.tmp-([0-9a-f]{16})-/;

/**
 * Removes the temporary files of no registered session; returns how many. Whoever works in a session registers before it makes
 * its first, so one that is seen here, and whose session is not there afterwards, belongs to nobody.
 */
export function clearUnownedFiles(place: SessionPlace): number {
  const { files, layout } = place;
  const found: { readonly path: string; readonly owner: string }[] = [];
  // Those among the sessions belong to writers that are about to register.
  const directories = writtenDirectories(place).filter((directory) => directory !== layout.sessions);
  for (const { directory, name } of listEach(files, directories)) {
    const owner = isTemporaryName(name) ? OWNER.exec(name)?.[1] : undefined;
    if (owner !== undefined) found.push({ path: `${directory}/${name}`, owner });
  }
  if (found.length === 0) return 0;
  const unowned = found.filter(({ owner }) => files.information(`${layout.sessions}/${owner}`) === undefined);
  return unowned.filter(({ path }) => files.remove(path)).length;
}
