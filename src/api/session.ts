// Whoever writes to a repository registers first, so that what a killed process leaves can be told from what is in use, and
// then looks for condemned containers. In this order: a collection waits for every writer that was registered before it
// looked, and any other writer knows what is condemned and counts on nothing of it.

import { HoldfastError } from "../base/errors.ts";
import {
  clearDeadSessions,
  clearUnownedFiles,
  clearUnownedUploads,
  condemnedSetOf,
  giveUpReserve,
  isNoRoom,
  keepReserve,
  listSessions,
  readGeneration,
  reserveBytes,
  startSession,
} from "../repository/repository.ts";
import type { ContainerSet, Generation, Session } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";

export interface WritingSession extends Session {
  /** What the last collection has condemned, whether or not it is gone by now. */
  readonly condemned: ContainerSet;
  /** The collection that has not come to its end. */
  readonly outstanding: Generation | undefined;
  /** Whether an index made anew holds what that has condemned: images may lean on it, and nobody removes it meanwhile. */
  readonly takesInCondemned: boolean;
}

export interface SessionOptions {
  /** The index is made anew, perhaps with what is condemned. Collections remove nothing meanwhile that may have been taken in. */
  readonly rebuilds?: boolean;
  /** The session of this process that this one is a part of. */
  readonly partOf?: Session;
}

/** Clears what dead writers left, then runs `work` as a registered writer. REPOSITORY_DAMAGED when nobody can tell what is condemned. */
export async function inSession<T>(
  opened: Opened,
  work: (session: WritingSession) => Promise<T>,
  options: SessionOptions = {},
): Promise<T> {
  return asRegistered(opened, await register(opened, options), options, work);
}

/**
 * The same for who makes room or mends: where there is none even to register, the reserve is given up, and made again in the end.
 */
export async function inSessionOnFullDisk<T>(
  opened: Opened,
  work: (session: WritingSession) => Promise<T>,
  options: SessionOptions = {},
): Promise<T> {
  const place = { files: opened.services.files, layout: opened.repository.layout };
  const hadReserve = reserveBytes(place) > 0;
  const session = await register(opened, options).catch((error: unknown) => {
    if (!isNoRoom(error) || !giveUpReserve(place)) throw error;
    return register(opened, options);
  });
  return asRegistered(opened, session, options, async (registered) => {
    await clearUnownedUploads(place);
    try {
      return await work(registered);
    } finally {
      if (hadReserve && reserveBytes(place) === 0) await makeReserve(opened, registered);
    }
  });
}

/** Undefined, or what to tell a person: that it could not be made harms nobody now. */
export async function makeReserve(opened: Opened, { temporaryNames }: Session): Promise<string | undefined> {
  const { services, repository } = opened;
  const { files, random } = services;
  try {
    if (await keepReserve({ files, layout: repository.layout, random, temporaryNames })) return undefined;
    return "There is no room for the reserve, which `holdfast prune` needs on a full disk: make room soon.";
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return `The reserve for a full disk could not be made: ${error.message}`;
  }
}

async function register({ services, repository }: Opened, { rebuilds = false }: SessionOptions): Promise<Session> {
  const { files, clock, random, host } = services;
  const { layout } = repository;
  const place = { files, layout };
  // The index is derived: whoever removed all of it has lost no more than time.
  files.makeDirectory(layout.index);
  clearDeadSessions(place, host);
  clearUnownedFiles(place);
  return await startSession({ ...place, host, clock, random, rebuilds });
}

async function asRegistered<T>(
  opened: Opened,
  session: Session,
  options: SessionOptions,
  work: (session: WritingSession) => Promise<T>,
): Promise<T> {
  const { files } = opened.services;
  const { layout, keyRing } = opened.repository;
  try {
    const generation = readGeneration({ files, layout, keyRing });
    const condemned = condemnedSetOf(generation);
    // The index is looked at after the registration, and without what is condemned.
    opened.exclude(condemned);
    opened.refreshIndex();
    const outstanding = generation?.isFinished === false ? generation : undefined;
    const takesInCondemned =
      options.rebuilds === true &&
      outstanding !== undefined &&
      (!outstanding.isReleased || isAlone(opened, [session, ...(options.partOf === undefined ? [] : [options.partOf])]));
    return await work({ ...session, condemned, outstanding, takesInCondemned });
  } catch (error) {
    // A writer that was ended loses its temporary files too: whatever failed because of that, this is the reason.
    if (error instanceof HoldfastError && error.code === "REPOSITORY_WRITE_FAILED") session.requireNotEnded();
    throw error;
  } finally {
    session.close();
  }
}

/**
 * Nobody is registered but these and others who make the index anew. Whoever removes what is released is registered; a collection that
 * registers later waits for us.
 */
function isAlone({ services, repository }: Opened, own: readonly Session[]): boolean {
  const { sessions, unreadable } = listSessions({ files: services.files, layout: repository.layout }, services.host);
  const ids = new Set(own.map(({ id }) => id));
  return unreadable.every(({ id }) => ids.has(id)) && sessions.every(({ id, writer }) => ids.has(id) || writer.rebuilds === true);
}
