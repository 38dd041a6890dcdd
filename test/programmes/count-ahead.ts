// Loaded into every thread of a process under strace (system-calls.ts). Leaves a mark in the trace that says which thread
// it is, and makes so many calls that lead nowhere in one of them that its later calls have numbers no other thread reaches.

import * as fs from "node:fs";
import { isMainThread } from "node:worker_threads";

const MARK = "/holdfast-thread-";
const NOWHERE = "/holdfast-nowhere/file";
/** No process has so many files open. */
const NO_HANDLE = 900_000;
const BYTE = new Uint8Array(1);

const CALLS: Readonly<Record<string, () => unknown>> = {
  write: () => fs.writeSync(NO_HANDLE, BYTE),
  pwrite64: () => fs.writeSync(NO_HANDLE, BYTE, 0, 1, 0),
  read: () => fs.readSync(NO_HANDLE, BYTE, 0, 1, null),
  pread64: () => fs.readSync(NO_HANDLE, BYTE, 0, 1, 0),
  fsync: () => fs.fsyncSync(NO_HANDLE),
  fdatasync: () => fs.fdatasyncSync(NO_HANDLE),
  ftruncate: () => fs.ftruncateSync(NO_HANDLE, 0),
  rename: () => fs.renameSync(NOWHERE, NOWHERE),
  link: () => fs.linkSync(NOWHERE, `${NOWHERE}-2`),
  unlink: () => fs.unlinkSync(NOWHERE),
  rmdir: () => fs.rmdirSync(NOWHERE),
  mkdir: () => fs.mkdirSync(NOWHERE),
  openat: () => fs.openSync(NOWHERE, "r"),
};

/** The same in the thread of the asynchronous file calls, which take their turns. */
const POOL_CALLS: Readonly<Record<string, (done: () => void) => void>> = {
  fsync: (done) => fs.fsync(NO_HANDLE, done),
  fdatasync: (done) => fs.fdatasync(NO_HANDLE, done),
  openat: (done) => fs.open(NOWHERE, "r", done),
};

function quietly(call: () => unknown): void {
  try {
    call();
  } catch {
    // It leads nowhere; only that it was made counts.
  }
}

const [role, call = "", count] = (process.env["HOLDFAST_COUNT_AHEAD"] ?? "").split(" ");
const own = isMainThread ? "main" : "worker";
quietly(() => fs.openSync(`${MARK}${own}`, "r"));
if (isMainThread) fs.open(`${MARK}pool`, "r", () => undefined);
if (role === own) for (let i = 0; i < Number(count); i++) quietly(CALLS[call] ?? (() => fail()));
if (role === "pool" && isMainThread)
  for (let i = 0; i < Number(count); i++) (POOL_CALLS[call] ?? (() => fail()))(() => undefined);

function fail(): never {
  process.stderr.write(`count-ahead.ts has no way to make the call ${call} in the thread ${role}\n`);
  process.exit(99);
}
