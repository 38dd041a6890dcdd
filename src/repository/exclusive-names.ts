// Two writers must not both take one name. A disk has links for that; of a store it is found out, for some take "only if there is
// no such object" for noise, and say nothing.

import { hexOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { TEMPORARY_PREFIX } from "../media/media.ts";
import type { Files } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";

/** Asked before a repository is made. PLATFORM_UNSUPPORTED for a store that gives a name twice. */
export async function requireExclusiveNames(files: Files, directory: string, random: Random): Promise<void> {
  const place = files.objects?.(directory);
  if (place === undefined) return;
  const { store } = place;
  const key = place.keyOf(`${directory}/${TEMPORARY_PREFIX}probe-${hexOf(random.bytes(8))}`);
  try {
    const first = await store.put(key, utf8("first"), { onlyIfAbsent: true });
    const second = await store.put(key, utf8("second"), { onlyIfAbsent: true });
    if (first && !second) return;
  } finally {
    await store.remove(key);
  }
  throw new HoldfastError("PLATFORM_UNSUPPORTED", {
    message: `Cannot keep a repository in "${directory}": the store puts an object where there is one, although told not to (If-None-Match)`,
    context: { path: directory },
    hint: "Use a store or a version of it that knows conditional writes; without them two backups at once could destroy each other.",
  });
}
