// Who is writing. A session's file names the process; the temporary files of the session carry its identifier. A later
// run can thus tell the leftovers of a writer that died from the work of one that lives, and remove the former.
// Sessions lock nothing: any number of writers may work at once.
//
// A session can be *ended* by others: because its process is dead, or because a person says that its machine is. Should
// the writer live all the same, it must not commit any more, for what it counts on may be removed from now on. That is
// the fence. Whoever ends a session first sets a mark beside its file, then removes its temporary files, then its file,
// then the mark. A writer that commits first writes everything into a temporary file, then looks for its own file and for
// the mark (`requireNotEnded`), and only then gives the file its name. If it looked before the mark was set, its temporary
// file was there when they were removed: then the name came first, or it fails. If it looked after that, it stops.

import { createHash } from "node:crypto";
import { assert } from "../base/assert.ts";
import { hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { JsonFields, encodeJson } from "../formats/json-fields.ts";
import { TEMPORARY_PREFIX, directoriesOf, isTemporaryName, publishExclusively, temporaryNames } from "../media/media.ts";
import type { TemporaryNames } from "../media/media.ts";
import type { Clock } from "../platform/clock.ts";
import { listEach } from "../platform/files.ts";
import type { Files } from "../platform/files.ts";
import type { Host } from "../platform/host.ts";
import type { Random } from "../platform/random.ts";
import { directoriesOfLayout } from "./layout.ts";
import type { RepositoryLayout } from "./layout.ts";

const SESSION_ID_BYTES = 8;
const SESSION_NAME = /^[0-9a-f]{16}$/;
const SESSION_FILE_LIMIT = 16_384;
/** The mark of a session that is being ended. */
const ENDED_NAME = /^([0-9a-f]{16})-ended$/;
const FIELDS = ["host", "bootId", "processId", "startedAtMs", "rebuilds", "mustUnderstand"] as const;

/** Which process of which machine writes, or wrote. */
export interface Writer {
  readonly host: string;
  readonly bootId: string;
  readonly processId: number;
  readonly startedAtMs: number;
  /** It makes the index anew, and may take into it what is condemned (docs/design/collection.md). */
  readonly rebuilds?: true;
}

export interface Session {
  /** 16 hexadecimal digits. Other threads of the writer name their files with `temporaryNames(session.id, random)`. */
  readonly id: string;
  readonly temporaryNames: TemporaryNames;
  /** SESSION_ENDED when somebody has ended this session: nothing may be committed any more. */
  requireNotEnded(): void;
  /** Removes what temporary files are left and the session itself. Harmless when repeated. */
  close(): void;
}

export interface SessionPlace {
  readonly files: Files;
  readonly layout: RepositoryLayout;
}

/** Registers this process as a writer; durable when the promise resolves, before the first temporary file exists. */
export async function startSession(
  place: SessionPlace & {
    readonly host: Host;
    readonly clock: Clock;
    readonly random: Random;
    /** See `Writer`. */
    readonly rebuilds?: boolean;
  },
): Promise<Session> {
  const { files, layout, host, clock, random, rebuilds } = place;
  const id = hexOf(random.bytes(SESSION_ID_BYTES));
  const names = temporaryNames(id, random);
  const registering = registrationNames(id, host);
  const writer: Writer = {
    host: host.name,
    bootId: host.bootId,
    processId: host.processId,
    startedAtMs: clock.now(),
    ...(rebuilds === true ? { rebuilds } : {}),
  };
  const bytes = encodeJson(writer);
  const registered = await publishExclusively(
    { files, directory: layout.sessions, name: id, temporaryNames: registering },
    bytes,
  );
  assert(registered, "64 random bits do not name two sessions");
  return {
    id,
    temporaryNames: names,
    requireNotEnded: () => requireNotEnded(place, id),
    close: () => void removeSession(place, id),
  };
}

function requireNotEnded(place: SessionPlace, id: string): void {
  if (isRegistered(place, id) && place.files.information(endedPath(place, id)) === undefined) return;
  throw new HoldfastError("SESSION_ENDED", {
    message: `Cannot commit: this writer (session ${id}) was taken for dead and ended by another one`,
    retry: "now",
    context: { session: id },
    hint: "Nothing was damaged. Run it again; use --assume-dead only for machines that are really gone.",
  });
}

export interface SessionListing {
  readonly sessions: readonly { readonly id: string; readonly writer: Writer; readonly alive: boolean | "elsewhere" }[];
  /** Session files that say nothing; they are left alone. */
  readonly unreadable: readonly { readonly id: string; readonly problem: HoldfastError }[];
}

/** Who is registered, and whether that process lives as far as this machine can tell. */
export function listSessions(place: SessionPlace, host: Host): SessionListing {
  const sessions: SessionListing["sessions"][number][] = [];
  const unreadable: SessionListing["unreadable"][number][] = [];
  for (const id of (place.files.list(place.layout.sessions) ?? []).toSorted()) {
    if (!SESSION_NAME.test(id)) continue;
    try {
      const writer = readWriter(place, id);
      if (writer !== undefined) sessions.push({ id, writer, alive: isAlive(writer, host) });
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      unreadable.push({ id, problem: error });
    }
  }
  return { sessions, unreadable };
}

export interface ClearedSessions {
  readonly sessions: number;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Until its file is there, nothing but the name of the temporary one can say whose it is: ".tmp-<session>-<host>-<process>", with the first
 * digits of a hash for the host.
 */
function registrationNames(id: string, host: Host): TemporaryNames {
  return () => `${TEMPORARY_PREFIX}${id}-${hostMark(host.name)}-${host.processId}`;
}

const REGISTRATION_NAME = /^\.tmp-[0-9a-f]{16}-([0-9a-f]{8})-([0-9]+)$/;

function hostMark(host: string): string {
  return createHash("sha256").update(host).digest("hex").slice(0, 8);
}

function clearRegistrations({ files, layout }: SessionPlace, isDead: (mark: string, processId: number) => boolean): number {
  let count = 0;
  for (const name of files.list(layout.sessions) ?? []) {
    const [, mark = "", processId] = REGISTRATION_NAME.exec(name) ?? [];
    if (mark !== "" && isDead(mark, Number(processId)) && files.remove(`${layout.sessions}/${name}`)) count += 1;
  }
  return count;
}

/** Removes the temporary files of writers of this machine that are dead. Never those of living ones, or of other machines. */
export function clearDeadSessions(place: SessionPlace, host: Host): ClearedSessions {
  const here = hostMark(host.name);
  const registrations = clearRegistrations(place, (mark, processId) => mark === here && !host.isAlive(processId));
  let cleared: ClearedSessions = { sessions: 0, files: registrations, bytes: 0 };
  const dead = listSessions(place, host).sessions.filter(({ alive }) => alive === false);
  const ended = (place.files.list(place.layout.sessions) ?? []).flatMap((name) => ENDED_NAME.exec(name)?.[1] ?? []);
  for (const id of new Set([...ended, ...dead.map((session) => session.id)])) {
    const removed = endSession(place, id);
    cleared = {
      sessions: cleared.sessions + 1,
      files: cleared.files + removed.files,
      bytes: cleared.bytes + removed.bytes,
    };
  }
  return cleared;
}

/**
 * Ends the session of another writer: when this returns, nothing can be committed in it. What it has published stays. Harmless
 * when repeated, or done by several at once; cut off half way, `clearDeadSessions` of any writer finishes the work.
 */
export function endSession(place: SessionPlace, id: string): RemovedFiles {
  const { files, layout } = place;
  const path = `${layout.sessions}/${id}`;
  const mark = endedPath(place, id);
  if (files.information(path) !== undefined) setMark(files, layout.sessions, mark);
  const removed = removeTemporaryFiles(place, id);
  files.remove(path);
  files.syncDirectory(layout.sessions);
  files.remove(mark);
  return removed;
}

/**
 * Ends what others have begun of whom a person says that they are gone: writers of these machines, or these very sessions. This machine's name
 * ends its writers that seem to live, too: a process number may be somebody else's by now. `own` goes on.
 */
export function endSessionsOf(place: SessionPlace, host: Host, gone: readonly string[], own: string): void {
  const marks = new Set(gone.map(hostMark));
  clearRegistrations(place, (mark) => marks.has(mark));
  const { sessions, unreadable } = listSessions(place, host);
  const ended = sessions.filter(({ id, writer }) => gone.includes(writer.host) || gone.includes(id));
  for (const { id } of [...ended, ...unreadable.filter((session) => gone.includes(session.id))]) {
    if (id !== own) endSession(place, id);
  }
}

function setMark(files: Files, directory: string, mark: string): void {
  if (files.information(mark) === undefined) {
    try {
      const file = files.create(mark);
      file.syncNow();
      file.close();
    } catch (error) {
      // Somebody else ends it this instant.
      if (files.information(mark) === undefined) throw error;
    }
  }
  files.syncDirectory(directory);
}

/** Whether the writer may still commit. Asked by name: a listing can miss what is there. */
export function isRegistered({ files, layout }: SessionPlace, id: string): boolean {
  return files.information(`${layout.sessions}/${id}`) !== undefined;
}

function endedPath({ layout }: SessionPlace, id: string): string {
  return `${layout.sessions}/${id}-ended`;
}

function readWriter({ files, layout }: SessionPlace, id: string): Writer | undefined {
  const bytes = files.read(`${layout.sessions}/${id}`, SESSION_FILE_LIMIT);
  if (bytes === undefined) return undefined;
  const fields = JsonFields.decode(bytes, `session ${id}`, FIELDS);
  return {
    host: fields.text("host"),
    bootId: fields.text("bootId"),
    processId: fields.integer("processId", { least: 1 }),
    startedAtMs: fields.integer("startedAtMs"),
    ...(isTrue(fields, "rebuilds") ? { rebuilds: true } : {}),
  };
}

function isTrue(fields: JsonFields, name: string): boolean {
  if (!fields.has(name)) return false;
  return fields.raw(name) === true || fields.refuse(name, "is there and not true");
}

function isAlive(writer: Writer, host: Host): boolean | "elsewhere" {
  if (writer.host !== host.name) return "elsewhere";
  // Nothing outlives a restart of its machine.
  if (writer.bootId !== "" && host.bootId !== "" && writer.bootId !== host.bootId) return false;
  return host.isAlive(writer.processId);
}

interface RemovedFiles {
  readonly files: number;
  readonly bytes: number;
}

/** The session's file goes last: cut off before, the next run finishes the work. */
function removeSession(place: SessionPlace, id: string): RemovedFiles {
  const removed = removeTemporaryFiles(place, id);
  place.files.remove(`${place.layout.sessions}/${id}`);
  return removed;
}

function removeTemporaryFiles(place: SessionPlace, id: string): RemovedFiles {
  const { files } = place;
  const prefix = `${TEMPORARY_PREFIX}${id}-`;
  let count = 0;
  let bytes = 0;
  for (const { directory, name } of listEach(files, writtenDirectories(place))) {
    if (!name.startsWith(prefix)) continue;
    const path = `${directory}/${name}`;
    const sizeBytes = files.information(path)?.sizeBytes ?? 0;
    if (!files.remove(path)) continue;
    count += 1;
    bytes += sizeBytes;
  }
  return { files: count, bytes };
}

/** Every directory in which a writer makes temporary files. */
export function writtenDirectories({ files, layout }: SessionPlace): readonly string[] {
  const volumes = (files.list(layout.volumes) ?? []).filter((name) => !isTemporaryName(name));
  return [
    ...directoriesOfLayout(layout),
    layout.losses,
    ...volumes.flatMap((name) => directoriesOf(`${layout.volumes}/${name}`)),
  ];
}
