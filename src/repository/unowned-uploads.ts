// A large object is put in parts. What a writer that died had put of one shows in no list of objects, and is paid for all the same.

import { isTemporaryName } from "../media/media.ts";
import type { SessionPlace } from "./sessions.ts";
import { isRegistered } from "./sessions.ts";

const OWNER = /^\.tmp-([0-9a-f]{16})-/;

/** Aborts the uploads of no registered session, which can then not be completed any more; how many there were. On a disk there are none. */
export async function clearUnownedUploads(place: SessionPlace): Promise<number> {
  const { files, layout } = place;
  const objects = files.objects?.(layout.root);
  if (objects === undefined) return 0;
  const { store } = objects;
  let aborted = 0;
  for (const upload of await store.pendingUploads(objects.keyOf(`${layout.root}/`))) {
    const name = upload.key.slice(upload.key.lastIndexOf("/") + 1);
    const owner = isTemporaryName(name) ? OWNER.exec(name)?.[1] : undefined;
    if (owner === undefined || isRegistered(place, owner)) continue;
    await store.abortUpload(upload);
    aborted++;
  }
  return aborted;
}
