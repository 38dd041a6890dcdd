// The reserve: a file that only takes space. Whoever removes something from a repository has to write a little first
// (that it is at work, what is to go, the index without it), which a full disk does not allow. Then the reserve is given
// up, and made again when there is room. It may be deleted at any time.

import { HoldfastError } from "../base/errors.ts";
import { closeQuietly, moveIntoPlace, removeQuietly } from "../media/media.ts";
import type { TemporaryNames } from "../media/media.ts";
import type { Files } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";
import { listRuns } from "./central-index.ts";
import type { RepositoryLayout } from "./layout.ts";

export interface ReservePlace {
  readonly files: Files;
  readonly layout: RepositoryLayout;
}

const KIB = 1024;
/** For sessions and records of a collection, some of them large when there are many images. */
const LEAST_BYTES = 512 * KIB;
/** A smaller one is of no use. */
const SMALLEST_BYTES = 64 * KIB;
const PIECE_BYTES = 1024 * KIB;
/** Where there is not room for all of it, one part after the other is left out. */
const PARTS = 8;

/** How large it is to be: the index has to be written once more. Made with something to spare, so that it is not made anew after each backup. */
function sizesFor(indexBytes: number): { readonly enough: number; readonly made: number } {
  return { enough: LEAST_BYTES + indexBytes, made: 2 * LEAST_BYTES + Math.ceil(indexBytes * 1.5) };
}

/** 0 when there is none. */
export function reserveBytes({ files, layout }: ReservePlace): number {
  return files.information(layout.reserve)?.sizeBytes ?? 0;
}

/** False when there was none. */
export function giveUpReserve({ files, layout }: ReservePlace): boolean {
  if (!files.remove(layout.reserve)) return false;
  // On some file systems the space can be used again only then.
  files.syncDirectory(layout.root);
  return true;
}

/**
 * Makes the reserve, or makes it larger when the index has grown; as large as there is room for. False when there was not room
 * for all of it.
 */
export async function keepReserve(
  place: ReservePlace & { readonly random: Random; readonly temporaryNames: TemporaryNames },
): Promise<boolean> {
  // A store is not full on one day and empty on another, and all space in it is paid for.
  if (place.files.objects?.(place.layout.root) !== undefined) return true;
  const present = reserveBytes(place);
  const { enough, made } = sizesFor(indexBytesOf(place));
  if (present >= enough) return true;
  for (let parts = PARTS; parts > 0; parts--) {
    const size = Math.floor((made * parts) / PARTS);
    if (size < SMALLEST_BYTES || size <= present) break;
    try {
      await make(place, size);
      return size >= enough;
    } catch (error) {
      if (!isNoRoom(error)) throw error;
    }
  }
  return false;
}

function indexBytesOf({ files, layout }: ReservePlace): number {
  const runs = listRuns(files, layout.index);
  return runs.reduce((sum, name) => sum + (files.information(`${layout.index}/${name}`)?.sizeBytes ?? 0), 0);
}

async function make({ files, layout, random, temporaryNames }: Parameters<typeof keepReserve>[0], size: number): Promise<void> {
  const temporary = `${layout.root}/${temporaryNames()}`;
  const file = files.create(temporary);
  try {
    // Of bytes that no file system makes smaller.
    for (let at = 0; at < size; at += PIECE_BYTES) file.write(random.bytes(Math.min(PIECE_BYTES, size - at)), at);
    await file.sync();
    file.close();
  } catch (error) {
    closeQuietly(file);
    removeQuietly(files, temporary);
    throw error;
  }
  moveIntoPlace(files, temporary, layout.root, "reserve");
}

/** Whether it failed because the disk, or what we may use of it, is full. */
export function isNoRoom(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!(cause instanceof HoldfastError)) continue;
    const { errno } = cause.context;
    if (errno === "ENOSPC" || errno === "EDQUOT") return true;
  }
  return false;
}
