// The world of a real process: its streams, its signals, its files.

import type { Clock } from "../../platform/clock.ts";
import type { Random } from "../../platform/random.ts";
import type { Library } from "../library.ts";
import type { ServiceLibrary } from "../service-library.ts";
import type { CommandWorld, OutputStream, ShellResult } from "../world.ts";
import { processFiles } from "./process-files.ts";
import { processInput } from "./process-input.ts";

export interface ProcessWorldParts {
  readonly version: string;
  /** Imports the library; called when a command needs it. */
  readonly library: () => Promise<Library>;
  readonly service: () => Promise<ServiceLibrary>;
  readonly clock: Clock;
  readonly random: Random;
}

/** Takes over the signals of the process; make it once. */
export function processWorld(parts: ProcessWorldParts): CommandWorld {
  const signal = abortedBySignals();
  return {
    ...parts,
    output: outputStream(process.stdout),
    errors: outputStream(process.stderr),
    input: processInput(signal),
    files: processFiles(),
    signal,
    workingDirectory: process.cwd(),
    environment: (name) => process.env[name],
    runShell,
    repeat: (everyMs, action) => {
      const timer = setInterval(action, everyMs).unref();
      return () => clearInterval(timer);
    },
  };
}

function outputStream(stream: NodeJS.WriteStream): OutputStream {
  // Every failure is told to the writer; without a listener it would end the process as well.
  stream.on("error", () => undefined);
  return {
    get isTerminal() {
      return stream.isTTY;
    },
    get columns() {
      // Some terminals without a window, such as those of automated jobs, say 0.
      return stream.isTTY && stream.columns > 0 ? stream.columns : undefined;
    },
    write: (data) => {
      const { promise, resolve, reject } = Promise.withResolvers<undefined>();
      stream.write(data, (error) => (error === null || error === undefined ? resolve(undefined) : reject(error)));
      return promise;
    },
  };
}

/** The first signal asks the work to stop, the second one does what it does to every program. */
function abortedBySignals(): AbortSignal {
  const controller = new AbortController();
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) {
      for (const each of names) process.off(each, onSignal);
      process.kill(process.pid, name);
    } else {
      controller.abort();
    }
  };
  for (const name of names) process.on(name, onSignal);
  return controller.signal;
}

async function runShell(command: string): Promise<ShellResult> {
  const { spawn } = await import("node:child_process");
  const child = spawn(command, { shell: true, stdio: ["inherit", "pipe", "inherit"] });
  const { promise, resolve, reject } = Promise.withResolvers<ShellResult>();
  const pieces: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => pieces.push(piece));
  child.on("error", reject);
  child.on("close", (status, signal) => resolve({ status: status ?? signal ?? "a signal", output: Buffer.concat(pieces) }));
  return promise;
}
