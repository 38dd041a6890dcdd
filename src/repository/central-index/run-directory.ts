// The directory of the central index: which runs there are. A run is named by the SHA-256 of its bytes; whatever
// else lies there (temporary files of a writer at work or dead) is not ours to look at.

import type { Brand } from "../../base/brand.ts";
import { HoldfastError } from "../../base/errors.ts";
import type { Files } from "../../platform/files.ts";
import type { Random } from "../../platform/random.ts";

/** 64 lower-case hexadecimal digits: the SHA-256 of the run's bytes. */
export type RunName = Brand<string, "RunName">;

/** Where a central index lies and what opens it. */
export interface IndexLocation {
  readonly files: Files;
  /** Absolute path; the directory exists (none counts as an empty index when reading). */
  readonly directory: string;
  /** 32 bytes; the repository's subkey for the purpose "index". */
  readonly indexKey: Uint8Array;
  /** 16 bytes. */
  readonly repositoryId: Uint8Array;
}

export interface WritableIndexLocation extends IndexLocation {
  readonly random: Random;
  /** Goes into the names of temporary files (`.tmp-<session>-<random>`), so that a dead writer's can be told apart. */
  readonly session?: string;
  /** Throws when this writer was ended: then its run gets no name. */
  readonly fence?: () => void;
}

/** The names of all runs present, superseded ones included; sorted. */
export function listRuns(files: Files, directory: string): RunName[] {
  const names = files.list(directory) ?? [];
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).sort() as RunName[];
}

export function runPath(directory: string, name: string): string {
  return `${directory}/${name}`;
}

/** Whether a path within a repository is that of a run. */
export function isIndexRunPath(path: string): boolean {
  return /\/index\/[0-9a-f]{64}$/.test(path);
}

export function describeRun(name: RunName): string {
  return `index run ${name.slice(0, 16)}…`;
}

/** Removes runs that another run replaces. A missing one is fine: another process was faster. */
export function removeRuns(files: Files, directory: string, names: Iterable<RunName>): number {
  let removed = 0;
  for (const name of names) if (files.remove(runPath(directory, name))) removed++;
  return removed;
}

/** What a run says of itself contradicts itself: it was sealed with our key, but not made by this program as it should be. */
export function runInvalid(name: RunName, problem: string): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", {
    message: `Cannot use ${describeRun(name)}: ${problem}`,
    context: { run: name },
    hint: "Rebuild the index from the containers.",
  });
}

/** The run's file is gone: another process has merged it. Its content is in a newer run. */
export function runVanished(name: RunName, cause?: unknown): HoldfastError {
  return new HoldfastError("REPOSITORY_READ_FAILED", {
    message: `Cannot read ${describeRun(name)}: the file is gone, another process has merged it into a newer one`,
    retry: "now",
    context: { run: name, vanished: true },
    hint: "Open the index again.",
    cause,
  });
}

/** Whether to refresh the index and ask again, as opposed to a failure. */
export function isRunVanished(error: unknown): boolean {
  return error instanceof HoldfastError && error.code === "REPOSITORY_READ_FAILED" && error.context["vanished"] === true;
}
