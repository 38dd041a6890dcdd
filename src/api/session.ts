// Whoever writes to a repository registers first, so that what a killed process leaves can be told from what is in use, and
// then looks for condemned containers. In this order: a collection waits for every writer that was registered before it
// looked, and any other writer knows what is condemned and counts on nothing of it.

import { HoldfastError } from "../base/errors.ts";
import { clearDeadSessions, clearUnownedFiles, containerKey, readGeneration, startSession } from "../repository/repository.ts";
import type { ContainerSet, Generation, Session } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";

export interface WritingSession extends Session {
  /** What the last collection has condemned, whether or not it is gone by now. */
  readonly condemned: ContainerSet;
  /** The collection that has not come to its end. */
  readonly outstanding: Generation | undefined;
}

/** Clears what dead writers left, then runs `work` as a registered writer. REPOSITORY_DAMAGED when nobody can tell what is condemned. */
export async function inSession<T>(opened: Opened, work: (session: WritingSession) => Promise<T>): Promise<T> {
  const { services, repository } = opened;
  const { files, clock, random, host } = services;
  const { layout, keyRing } = repository;
  const place = { files, layout };
  // The index is derived: whoever removed all of it has lost no more than time.
  files.makeDirectory(layout.index);
  clearDeadSessions(place, host);
  clearUnownedFiles(place);
  const session = await startSession({ ...place, host, clock, random });
  try {
    const generation = readGeneration({ ...place, keyRing });
    const containers = generation?.condemned.containers ?? [];
    const condemned = new Set(containers.map(({ volume, container }) => containerKey(volume, container)));
    // The index is looked at after the registration, and without what is condemned.
    opened.exclude(condemned);
    opened.refreshIndex();
    const outstanding = generation?.isFinished === false ? generation : undefined;
    return await work({ ...session, condemned, outstanding });
  } catch (error) {
    // A writer that was ended loses its temporary files too: whatever failed because of that, this is the reason.
    if (error instanceof HoldfastError && error.code === "REPOSITORY_WRITE_FAILED") session.requireNotEnded();
    throw error;
  } finally {
    session.close();
  }
}
