// Which runs of a directory make up the index, found while other processes write and merge.
//
// A single listing is not a snapshot: a merge may name its run in a part of the directory that the listing has
// passed and then remove an old run in a part still to come, and the listing shows neither. The new run was named
// before the old one was removed, though, so a second listing begun after the first shows it. Two equal listings
// in a row with all their runs opened in between therefore miss nothing.

import { HoldfastError } from "../../base/errors.ts";
import { listRuns } from "./run-directory.ts";
import type { IndexLocation, RunName } from "./run-directory.ts";
import { RunReader } from "./run-reader.ts";

/** Every attempt that fails means that another process published or removed a run meanwhile. */
const ATTEMPTS = 100;

export interface LiveRuns {
  /** Open; whoever asked for them closes them. */
  readonly readers: RunReader[];
  /** Present, but replaced by others: left behind by a merge that did not come to its end. */
  readonly leftovers: RunName[];
}

/**
 * Opens all runs that no other run supersedes; those in `known` are used as they are and never closed here. A run
 * that cannot be read throws: without it the index would answer "absent" for what is present.
 */
export function openLiveRuns(location: IndexLocation, known: ReadonlyMap<RunName, RunReader> = new Map()): LiveRuns {
  const open = new Map(known);
  const closeOpened = (keep: ReadonlySet<RunName>): void => {
    for (const [name, reader] of open) if (!known.has(name) && !keep.has(name)) reader.close();
  };
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const names = listRuns(location.files, location.directory);
      if (!openAll(location, names, open) || !isSameListing(names, listRuns(location.files, location.directory))) continue;

      const superseded = new Set(names.flatMap((name) => open.get(name)!.superseded()));
      const live = names.filter((name) => !superseded.has(name));
      const readers = live.map((name) => open.get(name)!);
      closeOpened(new Set(live));
      return { readers, leftovers: names.filter((name) => superseded.has(name)) };
    }
  } catch (error) {
    closeOpened(new Set());
    throw error;
  }
  closeOpened(new Set());
  throw new HoldfastError("REPOSITORY_READ_FAILED", {
    message: `Cannot open the index in ${location.directory}: its runs changed during each of ${ATTEMPTS} attempts`,
    retry: "later",
    hint: "Another process is writing to the index without pause.",
  });
}

/** False when one of them is gone by now. */
function openAll(location: IndexLocation, names: readonly RunName[], open: Map<RunName, RunReader>): boolean {
  for (const name of names) {
    if (open.has(name)) continue;
    const reader = RunReader.open(location, name);
    if (reader === undefined) return false;
    open.set(name, reader);
  }
  return true;
}

function isSameListing(a: readonly RunName[], b: readonly RunName[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
