// Other programs: started, listened to, ended.

import { spawn } from "node:child_process";

export interface CommandOutput {
  /** What it writes to standard output, piece by piece. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Its exit status, or in words what became of it: the signal that ended it, or why it could not be started. */
  readonly ended: Promise<number | string>;
  kill(): void;
}

/** Runs a command line of the platform's shell to its end, its output going where ours goes. Resolves with its exit status; 128 for a signal, 127 when there is no shell. */
export function runShellCommand(command: string, environment: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve) => {
    // Standard output may carry our own JSON; what a hook says goes to standard error.
    const child = spawn(command, { shell: true, stdio: ["ignore", 2, 2], env: { ...process.env, ...environment } });
    child.on("error", () => resolve(127));
    child.on("close", (status) => resolve(status ?? 128));
  });
}

/** Starts a program without a shell. Its standard error goes where ours goes. */
export function readProgramOutput(argv: readonly string[]): CommandOutput {
  const [program = "", ...rest] = argv;
  const child = spawn(program, rest, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<number | string>((resolve) => {
    child.on("error", (error) => resolve(`could not be started (${"code" in error ? String(error.code) : error.message})`));
    child.on("close", (status, signal) => resolve(status ?? `was ended by ${signal ?? "an unknown cause"}`));
  });
  return { output: child.stdout, ended, kill: () => void child.kill() };
}
