// How a file of ours comes into being: a temporary file in the same file system, all bytes, sync, the final name, sync
// of the directory (docs/design/durability.md). Whoever finds the final name finds complete bytes, after a power
// failure too. A published file never changes.

import { hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Files, OpenFile } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";

/** Gives a new name for a temporary file at every call; the names tell which writer they belong to. */
export type TemporaryNames = () => string;

/** Every temporary file of ours begins with this; readers ignore such names. */
export const TEMPORARY_PREFIX = ".tmp-";

/** Names ".tmp-<session>-<random>". The random part keeps threads that share a session apart. */
export function temporaryNames(session: string, random: Random): TemporaryNames {
  return () => `${TEMPORARY_PREFIX}${session}-${hexOf(random.bytes(8))}`;
}

export function isTemporaryName(name: string): boolean {
  return name.startsWith(TEMPORARY_PREFIX);
}

export interface Publication {
  readonly files: Files;
  readonly directory: string;
  readonly name: string;
  readonly temporaryNames: TemporaryNames;
  /** Who may read the file: its owner alone; by default whoever the directory lets in. */
  readonly access?: "private" | undefined;
  /** Called between the last write and the name; when it throws, the file gets no name. */
  readonly fence?: (() => void) | undefined;
}

/**
 * Publishes bytes under a name that is their hash. Another file of that name and size holds the same bytes and stays;
 * one of another size is damage and is replaced.
 */
export async function publishByContent(publication: Publication, bytes: Uint8Array): Promise<void> {
  const { files, directory, name } = publication;
  if (files.information(`${directory}/${name}`)?.sizeBytes === bytes.length) {
    publication.fence?.();
    // Whoever wrote it may not have come to this yet.
    files.syncDirectory(directory);
    return;
  }
  const temporary = await writeTemporary(publication, bytes);
  try {
    publication.fence?.();
  } catch (error) {
    removeQuietly(files, temporary);
    throw error;
  }
  moveIntoPlace(files, temporary, directory, name);
}

/** Publishes bytes under a name; what had it before is gone then. For what must change: readers find the one or the other, whole. */
export async function publishReplacing(publication: Publication, bytes: Uint8Array): Promise<void> {
  const { files, directory, name } = publication;
  moveIntoPlace(files, await writeTemporary(publication, bytes), directory, name);
}

/** Publishes bytes under a name that must be free; false when it is taken, and nothing is changed then. */
export async function publishExclusively(publication: Publication, bytes: Uint8Array): Promise<boolean> {
  const { files, directory, name } = publication;
  const temporary = await writeTemporary(publication, bytes);
  try {
    if (!linkOrRename(files, temporary, `${directory}/${name}`)) return false;
    files.syncDirectory(directory);
    return true;
  } finally {
    removeQuietly(files, temporary);
  }
}

/** Gives a complete and synced file its final name and makes the name durable. Replaces what is there. */
export function moveIntoPlace(files: Files, temporary: string, directory: string, name: string): void {
  try {
    files.rename(temporary, `${directory}/${name}`);
    files.syncDirectory(directory);
  } catch (error) {
    removeQuietly(files, temporary);
    throw error;
  }
}

/**
 * Moves a damaged file into a directory of such files, where nobody looks for data: durable, and never over another one. Resolves with
 * its new path, or undefined when it is gone.
 */
export function setAsideFile(files: Files, from: string, directory: string): string | undefined {
  const slash = from.lastIndexOf("/");
  const name = from.slice(slash + 1);
  if (files.information(from) === undefined) return undefined;
  files.makeDirectory(directory);
  let to = `${directory}/${name}`;
  for (let number = 2; files.information(to) !== undefined; number++) to = `${directory}/${name}.${number}`;
  files.rename(from, to);
  // The new name first: cut off in between, the file has both or one, never none.
  files.syncDirectory(directory);
  files.syncDirectory(from.slice(0, slash));
  return to;
}

/** For cleaning up after a failure that matters more than the leftover. */
export function removeQuietly(files: Files, path: string): void {
  try {
    files.remove(path);
  } catch {
    // The next run clears the temporary files of dead writers.
  }
}

async function writeTemporary(publication: Publication, bytes: Uint8Array): Promise<string> {
  const { files, directory } = publication;
  const path = `${directory}/${publication.temporaryNames()}`;
  let file: OpenFile | undefined;
  try {
    file = files.create(path, publication.access);
    file.write(bytes, 0);
    requireSize(file, bytes.length, path);
    // A failed sync is final: the system may have dropped the bytes and would report success the next time.
    await file.sync();
    file.close();
    return path;
  } catch (error) {
    closeQuietly(file);
    removeQuietly(files, path);
    throw error;
  }
}

export function closeQuietly(file: OpenFile | undefined): void {
  try {
    file?.close();
  } catch {
    // An earlier error is on its way already.
  }
}

function requireSize(file: OpenFile, expected: number, path: string): void {
  const found = file.sizeBytes();
  if (found === expected) return;
  throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
    message: `Cannot write "${path}": it has ${found} bytes after ${expected} were written`,
    retry: "later",
    context: { path, found, expected },
  });
}

// Errors by which file systems without hard links (exFAT, some network shares) refuse a link.
const NO_LINKS = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

function linkOrRename(files: Files, from: string, to: string): boolean {
  try {
    return files.link(from, to);
  } catch (error) {
    if (!NO_LINKS.has(systemCodeOf(error) ?? "")) throw error;
    // Without links there is no atomic "only if the name is free"; two writers at the same instant could both think so.
    if (files.information(to) !== undefined) return false;
    files.rename(from, to);
    return true;
  }
}

function systemCodeOf(error: unknown): string | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code: unknown = Reflect.get(cause, "code");
    if (typeof code === "string" && NO_LINKS.has(code)) return code;
  }
  return undefined;
}
