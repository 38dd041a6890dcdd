// What the library needs of the world. The room `main` fills it in; tests may put something else there.

import type { LoadBlake } from "../engine/engine.ts";
import type { CommandOutput } from "../platform/commands.ts";
import type { Clock } from "../platform/clock.ts";
import type { FileTree } from "../platform/file-tree.ts";
import type { Files } from "../platform/files.ts";
import type { Host } from "../platform/host.ts";
import type { Random } from "../platform/random.ts";
import type { WorkerEntry } from "../platform/threads.ts";

export interface Services {
  readonly files: Files;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: Host;
  /** Opens the file tree; `notice` says what is lost where only the portable one is to be had. */
  readonly openFileTree: () => { readonly tree: FileTree; readonly notice?: string };
  readonly loadBlake: LoadBlake;
  /** The script that worker threads run: it calls `serveWorker`. */
  readonly workerEntry: WorkerEntry;
  readonly version: string;
  /** Runs a shell command to its end, output to the terminal; resolves with its exit status. */
  readonly runCommand: (command: string, environment: Readonly<Record<string, string>>) => Promise<number>;
  /** Starts a program and gives its output piece by piece. */
  readonly readCommand: (argv: readonly string[]) => CommandOutput;
}
