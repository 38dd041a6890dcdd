// Whoever writes to a repository registers first, so that what a killed process leaves can be told from what is in use.

import { clearDeadSessions, clearUnownedFiles, startSession } from "../repository/repository.ts";
import type { Session } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";

/** Clears what dead writers left, then runs `work` as a registered writer. */
export async function inSession<T>(opened: Opened, work: (session: Session) => Promise<T>): Promise<T> {
  const { services, repository } = opened;
  const { files, clock, random, host } = services;
  const place = { files, layout: repository.layout };
  // The index is derived: whoever removed all of it has lost no more than time.
  files.makeDirectory(repository.layout.index);
  clearDeadSessions(place, host);
  clearUnownedFiles(place);
  const session = await startSession({ ...place, host, clock, random });
  try {
    return await work(session);
  } finally {
    session.close();
  }
}
