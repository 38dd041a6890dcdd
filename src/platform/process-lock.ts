// Among the processes of one machine, one at a time. The lock is SQLite's, on a file that stays empty: the operating system
// gives it back when a process ends, however it ends, so nobody has to guess whether a holder is dead.

import fs from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { DatabaseSync } from "node:sqlite";
import { HoldfastError } from "../base/errors.ts";
import { attempt } from "./node-file-errors.ts";

/** Runs `work` while nobody else holds the lock of this path, in this process or another. STATE_LOCKED when that takes too long. */
export type WithLock = <T>(path: string, work: () => Promise<T>) => Promise<T>;

export const LOCK_WAIT_MS = 10_000;
const RETRY_MS = 5;
/** "database is locked". */
const SQLITE_BUSY = 5;

export const withProcessLock: WithLock = (path, work) => withLockWaiting(LOCK_WAIT_MS, path, work);

export async function withLockWaiting<T>(waitMs: number, path: string, work: () => Promise<T>): Promise<T> {
  const { DatabaseSync: Database } = await import("node:sqlite");
  // SQLite would let everybody read the file, and whoever reads it can lock it.
  attempt("write", "open", path, () => fs.closeSync(fs.openSync(path, "a", 0o600)));
  const database = new Database(path, { timeout: 0 });
  try {
    const endMs = performance.now() + waitMs;
    while (!isTaken(database)) {
      if (performance.now() > endMs) throw locked(path, waitMs);
      await delay(RETRY_MS);
    }
    return await work();
  } finally {
    database.close();
  }
}

function isTaken(database: DatabaseSync): boolean {
  try {
    database.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return false;
    throw error;
  }
}

function locked(path: string, waitMs: number): HoldfastError {
  return new HoldfastError("STATE_LOCKED", {
    message: `Another process has held the lock ${path} for more than ${waitMs} ms`,
    retry: "later",
    context: { path, waitMs },
    hint: "Wait for the other command to end, then try again.",
  });
}
