// Everything a command may touch besides the library. The process fills it in (process/process-world.ts), tests put
// something else there: a command never reaches for process, a clock or a disk by itself.

import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import type { Library } from "./library.ts";
import type { ServiceLibrary } from "./service-library.ts";

export interface CommandWorld {
  readonly version: string;
  /** Loads the library; called only by commands that need it, so that help and version stay quick. */
  library(): Promise<Library>;
  /** Loads what servers and their clients need. */
  service(): Promise<ServiceLibrary>;
  /** Results. */
  readonly output: OutputStream;
  /** Messages and progress. */
  readonly errors: OutputStream;
  readonly input: CommandInput;
  readonly files: CommandFiles;
  readonly clock: Clock;
  readonly random: Random;
  /** Aborted by the first Ctrl-C, or by a request to end. */
  readonly signal: AbortSignal;
  /** Absolute; relative paths of a person are meant from here. */
  readonly workingDirectory: string;
  environment(name: string): string | undefined;
  /** Runs a shell command that shares our input and error output; resolves when it has ended. */
  runShell(command: string): Promise<ShellResult>;
  /** Calls `action` again and again until the returned function is called; keeps no process alive. */
  repeat(everyMs: number, action: () => void): () => void;
}

export interface OutputStream {
  readonly isTerminal: boolean;
  /** Width of the terminal now; it changes when a window does. */
  readonly columns: number | undefined;
  /** Resolves when more may be written; rejects with the code EPIPE when nobody reads any more. */
  write(data: string | Uint8Array): Promise<void>;
}

export interface CommandInput {
  /** Asks a person without showing what is typed. Undefined when there is nobody to ask. */
  askSecret(prompt: string): Promise<string | undefined>;
  /** Whatever comes on standard input, up to its end. */
  readAll(): Promise<Uint8Array>;
}

export interface ShellResult {
  /** Exit status, or the name of the signal that ended it. */
  readonly status: number | string;
  readonly output: Uint8Array;
}

/** Files of the person at the command line, not of a repository. Failures carry the platform's `code`, such as ENOENT. */
export interface CommandFiles {
  /** The whole content, also of pipes such as /dev/fd/3. */
  read(path: string): Promise<Uint8Array>;
  /** A new empty directory for as long as the command runs. */
  makeTemporaryDirectory(): Promise<string>;
  /** Removes a directory and everything in it. */
  removeDirectory(path: string): Promise<void>;
  /** Compares two entries, the first being an original. Of directories, attributes only. Nothing is followed. */
  compareEntries(original: Uint8Array, copy: Uint8Array): Promise<EntryComparison>;
}

export interface EntryComparison {
  /** Empty when the copy is as it should be. Owners are not compared: a restore by an ordinary user cannot set them. */
  readonly differences: readonly EntryDifference[];
  /** When the original was last modified; undefined when it is missing. */
  readonly originalModifiedSeconds: number | undefined;
}

export type EntryDifference = "original missing" | "copy missing" | "kind" | "content" | "mode" | "time" | "target";
