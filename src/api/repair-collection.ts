// A repair and the records of a collection: what is condemned is left to the collection, and records of it that cannot be
// read are set aside, so that writers need not refuse any more. What they condemned is then ordinary again: the next
// collection finds out anew what is needed.

import { HoldfastError } from "../base/errors.ts";
import { setAsideFile } from "../media/media.ts";
import { clearDeadSessions, condemnedSetOf, listSessions, readGeneration } from "../repository/repository.ts";
import type { ContainerSet } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";
import type { RepairedRecord } from "./types.ts";

/** Empty also when nobody can tell: for a dry run. */
export function condemnedContainers({ services, repository }: Opened): ContainerSet {
  const { layout, keyRing } = repository;
  try {
    return condemnedSetOf(readGeneration({ files: services.files, layout, keyRing }));
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return new Set();
  }
}

/**
 * Only when nobody else writes: a collection that is removing what it knows to be condemned would take it from under whoever
 * does not know it any more. Before the repair registers itself, which it could not with such records. REPOSITORY_DAMAGED
 * when somebody writes.
 */
export function setAsideUnreadableCollection({ services, repository }: Opened): readonly RepairedRecord[] {
  const { files, host } = services;
  const { layout, keyRing } = repository;
  try {
    readGeneration({ files, layout, keyRing });
    return [];
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== "REPOSITORY_DAMAGED") throw error;
    clearDeadSessions({ files, layout }, host);
    const { sessions, unreadable } = listSessions({ files, layout }, host);
    const others = sessions.length + unreadable.length;
    if (others > 0) {
      throw new HoldfastError("REPOSITORY_DAMAGED", {
        message: `${error.message}; that cannot be repaired while somebody else writes (${others} in sessions/)`,
        retry: "later",
        hint: "Run the repair again when they have ended. Of a machine that is gone, remove its file in sessions/.",
        cause: error,
      });
    }
    const names = (files.list(layout.collections) ?? []).toSorted();
    return names.map((name) => ({
      what: `collections/${name}`,
      problem: error.message,
      code: error.code,
      setAside: setAsideFile(files, `${layout.collections}/${name}`, `${layout.damaged}/collections`),
    }));
  }
}
