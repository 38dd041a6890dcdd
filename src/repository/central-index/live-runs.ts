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
  /** Present, but replaced by others: left behind by a merge that did not come to its end. Perhaps damaged, which does no harm. */
  readonly leftovers: RunName[];
}

/**
 * Opens all runs that no other run supersedes; those in `known` are used as they are and never closed here. One of these
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
      const opened = openAll(location, names, open);
      if (opened === "gone" || !isSameListing(names, listRuns(location.files, location.directory))) continue;

      const { superseded, unreadable } = opened;
      const live = names.filter((name) => !superseded.has(name));
      for (const name of live) {
        const problem = unreadable.get(name);
        if (problem !== undefined) throw problem;
      }
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

interface OpenedRuns {
  /** What those that can be read replace. */
  readonly superseded: ReadonlySet<RunName>;
  /** The others, each with what is wrong. */
  readonly unreadable: ReadonlyMap<RunName, HoldfastError>;
}

/** "gone" when one of them is by now. */
function openAll(location: IndexLocation, names: readonly RunName[], open: Map<RunName, RunReader>): OpenedRuns | "gone" {
  const superseded = new Set<RunName>();
  const unreadable = new Map<RunName, HoldfastError>();
  for (const name of names) {
    try {
      const reader = open.get(name) ?? RunReader.open(location, name);
      if (reader === undefined) return "gone";
      open.set(name, reader);
      for (const replaced of reader.superseded()) superseded.add(replaced);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      unreadable.set(name, error);
    }
  }
  return { superseded, unreadable };
}

function isSameListing(a: readonly RunName[], b: readonly RunName[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
