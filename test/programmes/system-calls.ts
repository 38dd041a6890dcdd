// Which system calls a command makes on its files, and how to make one of them fail or be the last: with strace.
//
// strace counts the calls of each thread for itself. The main thread is had alone by not following the others. For a
// worker thread or the thread of the file calls, `count-ahead.ts` lets that thread begin to count where no other arrives.

import { readFileSync } from "node:fs";
import { join } from "node:path";

export type ThreadRole = "main" | "pool" | "worker";

/** What changes files. A question mark lets strace pass over calls that a kind of machine does not have. */
export const WRITING_CALLS = [
  "write",
  "writev",
  "pwrite64",
  "pwritev",
  "fsync",
  "fdatasync",
  "ftruncate",
  "rename",
  "renameat",
  "renameat2",
  "link",
  "linkat",
  "unlink",
  "unlinkat",
  "rmdir",
  "mkdir",
  "mkdirat",
  "openat",
] as const;

export const READING_CALLS = ["read", "pread64", "getdents64", "openat"] as const;

/** One call on a file of the repository or the cache, as it comes in every run of the same command. */
export interface CallPoint {
  readonly role: ThreadRole;
  readonly call: string;
  /** The how manieth call of this name in its thread, from 1; what strace's `when` counts. */
  readonly when: number;
  /** The same, counting only calls on our files: does not shift when a module more is loaded. */
  readonly ordinal: number;
  /** The call and the kind of file: all hexadecimal names are one. */
  readonly site: string;
}

export interface Trace {
  readonly points: readonly CallPoint[];
  /** How often each thread made each call, on whatever file; keys like "main openat". */
  readonly totals: ReadonlyMap<string, number>;
}

const SHIM = join(import.meta.dirname, "count-ahead.ts");

export interface StraceOptions {
  readonly calls: readonly string[];
  readonly tracePath: string;
  /** Without it only the main thread is traced. */
  readonly follow: boolean;
  readonly inject?: string;
}

/** Words in front of a program. Not with --seccomp-bpf: strace injects nothing then. */
export function strace({ calls, tracePath, follow, inject }: StraceOptions): string[] {
  const traced = `trace=${calls.map((call) => `?${call}`).join(",")}`;
  const words = ["strace", "--quiet=all", "-y", "-s", "0", "-o", tracePath, "-e", "signal=none", "-e", traced];
  if (follow) words.push("-f");
  if (inject !== undefined) words.push("-e", `inject=${inject}`);
  return words;
}

// Only the beginning of a call: where it is resumed it has been counted.
const LINE = /^(?:(\d+) +)?([a-z0-9_]+)\((.*)$/;

/** `isOurs` decides by path which calls are points; `siteOf` shortens a path to the kind of file it is. */
export function readTrace(
  tracePath: string,
  options: {
    readonly isOurs: (path: string) => boolean;
    readonly siteOf: (path: string) => string;
    readonly isWanted: (call: string, words: string) => boolean;
  },
): Trace {
  const text = readFileSync(tracePath, "utf8");
  const roles = rolesIn(text);
  const totals = new Map<string, number>();
  const ours = new Map<string, number>();
  const points: CallPoint[] = [];
  for (const line of text.split("\n")) {
    const [, thread, call, words] = LINE.exec(line) ?? [];
    if (call === undefined || words === undefined) continue;
    // Threads without a mark are the engine's own; they touch no file of ours.
    const role = thread === undefined ? "main" : roles.get(thread);
    if (role === undefined) continue;
    const key = `${role} ${call}`;
    const when = (totals.get(key) ?? 0) + 1;
    totals.set(key, when);
    const path = pathsIn(words).find((candidate) => options.isOurs(candidate));
    if (path === undefined || !options.isWanted(call, words)) continue;
    const ordinal = (ours.get(key) ?? 0) + 1;
    ours.set(key, ordinal);
    points.push({ role, call, when, ordinal, site: `${role} ${call} ${options.siteOf(path)}` });
  }
  return { points, totals };
}

/** Threads are told apart by the marks they leave. */
function rolesIn(text: string): ReadonlyMap<string, ThreadRole> {
  const roles = new Map<string, ThreadRole>();
  for (const [, thread = "", role = ""] of text.matchAll(/^(\d+) +openat\(.*\/holdfast-thread-(main|pool|worker)/gm))
    roles.set(thread, role as ThreadRole);
  return roles;
}

/** In quotes, or as -y shows handles: 21</a/path>. */
function pathsIn(words: string): string[] {
  return [...words.matchAll(/"((?:[^"\\]|\\.)*)"|\d+<([^>]*)>/g)].map(([, quoted, handle]) => quoted ?? handle ?? "");
}

/** Whether `openat` was to make a file, as opposed to reading one. */
export function isCreation(words: string): boolean {
  return words.includes("O_CREAT");
}

/** How a call is to be hit: the words for strace, and the environment that makes its thread countable. */
export interface Aim {
  readonly follow: boolean;
  readonly when: number;
  readonly env: Readonly<Record<string, string>>;
}

/** `shift`: how many calls more, or fewer, than when they were counted may come before this one. */
export function aimAt(point: CallPoint, totals: Trace["totals"], shift: number): Aim {
  if (point.role === "main") return { follow: false, when: point.when + shift, env: shimEnvironment() };
  const others = (["main", "pool", "worker"] as const).filter((role) => role !== point.role);
  const most = Math.max(...others.map((role) => totals.get(`${role} ${point.call}`) ?? 0));
  const ahead = point.when > most + 20 ? 0 : most + 50;
  const env = shimEnvironment(ahead === 0 ? undefined : { role: point.role, call: point.call, count: ahead });
  return { follow: true, when: point.when + ahead + shift, env };
}

/** Loads `count-ahead.ts` into every thread, and makes the order of calls the same in every run. */
export function shimEnvironment(ahead?: {
  readonly role: ThreadRole;
  readonly call: string;
  readonly count: number;
}): Record<string, string> {
  return {
    UV_THREADPOOL_SIZE: "1",
    // Not --import: threads that are started from a text, as ours are, do not heed it.
    NODE_OPTIONS: `--require=${SHIM}`,
    ...(ahead === undefined ? {} : { HOLDFAST_COUNT_AHEAD: `${ahead.role} ${ahead.call} ${ahead.count}` }),
  };
}
