// A repair and the records of a collection: those that cannot be read are set aside, so that writers need not refuse any more. What they condemned is then ordinary again: the next
// collection finds out anew what is needed.

import { HoldfastError } from "../base/errors.ts";
import { COLLECTION_FILE_NAME } from "../formats/collection-record.ts";
import { setAsideFile } from "../media/media.ts";
import { clearDeadSessions, condemnedSetOf, listSessions, readGeneration } from "../repository/repository.ts";
import type { ContainerSet } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";
import type { WritingSession } from "./session.ts";
import type { RepairedRecord } from "./types.ts";

/**
 * What the last collection has condemned and removed. While it has not come to its end, what it condemned is there: images that
 * it did not know may lean on it, and it may hold the only whole copy of what another container has lost. Empty also when nobody can tell.
 */
export function goneContainers({ services, repository }: Opened): ContainerSet {
  const { layout, keyRing } = repository;
  try {
    const generation = readGeneration({ files: services.files, layout, keyRing });
    return generation?.isFinished === true ? condemnedSetOf(generation) : NONE;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return NONE;
  }
}

/** The same, for a session that makes the index anew: what may be removed at this moment counts as gone. */
export function goneIn({ condemned, takesInCondemned }: WritingSession): ContainerSet {
  return takesInCondemned ? NONE : condemned;
}

/**
 * What is condemned may hold what is damaged or missing elsewhere. While somebody may be removing it, an index without the one and the other
 * would take away what could be read. REPOSITORY_LOCKED then.
 */
export function requireNothingAtStake({ outstanding, takesInCondemned }: WritingSession, problem: string): void {
  if (outstanding === undefined || takesInCondemned) return;
  throw new HoldfastError("REPOSITORY_LOCKED", {
    message: `${problem}, and a collection that is removing containers may be removing the other copy`,
    retry: "later",
    hint: "Nothing was changed. Run it again when no other process works on the repository; `holdfast prune` says who does.",
  });
}

const NONE: ContainerSet = new Set();

interface UnreadableCollection {
  readonly problem: HoldfastError;
  readonly records: readonly RepairedRecord[];
}

/** The records of the collection, when those that count cannot be read. */
export function unreadableCollection({ services, repository }: Opened): UnreadableCollection | undefined {
  const { files } = services;
  const { layout, keyRing } = repository;
  try {
    readGeneration({ files, layout, keyRing });
    return undefined;
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== "REPOSITORY_DAMAGED") throw error;
    const { message: problem, code } = error;
    const names = (files.list(layout.collections) ?? []).filter((name) => COLLECTION_FILE_NAME.test(name)).toSorted();
    const records = names.map((name) => ({ what: `collections/${name}`, problem, code, setAside: undefined }));
    return { problem: error, records };
  }
}

/**
 * Only when nobody else writes: a collection that is removing what it knows to be condemned would take it from under whoever
 * does not know it any more. Before the repair registers itself, which it could not with such records. REPOSITORY_DAMAGED
 * when somebody writes.
 */
export function setAsideUnreadableCollection(opened: Opened): readonly RepairedRecord[] {
  const found = unreadableCollection(opened);
  if (found === undefined) return [];
  const { files, host } = opened.services;
  const { layout } = opened.repository;
  clearDeadSessions({ files, layout }, host);
  const { sessions, unreadable } = listSessions({ files, layout }, host);
  const others = sessions.length + unreadable.length;
  if (others > 0) {
    throw new HoldfastError("REPOSITORY_DAMAGED", {
      message: `${found.problem.message}; that cannot be repaired while somebody else writes (${others} in sessions/)`,
      retry: "later",
      hint: "Run the repair again when they have ended. Of a machine that is gone, remove its file in sessions/.",
      cause: found.problem,
    });
  }
  return found.records.map((record) => ({
    ...record,
    setAside: setAsideFile(files, `${layout.root}/${record.what}`, `${layout.damaged}/collections`),
  }));
}
