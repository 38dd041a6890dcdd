// For tests: the program as a person starts it, a process of its own, also under other programs such as strace.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { accessSync, constants, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { services } from "../../src/main/services.ts";
import { createRepository } from "../../src/repository/repository.ts";

export const PASSPHRASE = "correct horse";
export const PROGRAM = join(import.meta.dirname, "..", "..", "bin", "holdfast.js");

const TIMEOUT_MS = 120_000;

export interface Outcome {
  /** Undefined when a signal ended it. */
  readonly status: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProcessOptions {
  /** Words in front of the program, such as `["setpriv", "--reuid=65534"]`. */
  readonly under?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
}

export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Outcome>;
}

/** Starts the program and lets it run. */
export function startHoldfast(words: readonly string[], options: ProcessOptions = {}): Running {
  const { under = [], env = {}, cwd, input } = options;
  const [command = "", ...rest] = [...under, process.execPath, PROGRAM, ...words];
  const child = spawn(command, rest, {
    env: { ...process.env, HOLDFAST_PASSPHRASE: PASSPHRASE, HOLDFAST_REPOSITORY: undefined, ...env },
    stdio: ["pipe", "pipe", "pipe"],
    // What hangs shall fail its test and not all that follow.
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
    ...(cwd === undefined ? {} : { cwd }),
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => stdout.push(piece));
  child.stderr.on("data", (piece: Buffer) => stderr.push(piece));
  // A program that ends without reading its input is no failure of the test.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input ?? "");
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      const texts = { stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
      resolve({ status: status ?? undefined, signal: signal ?? undefined, ...texts });
    });
  });
  return { process: child, ended };
}

/** Runs the program to its end. */
export function holdfast(words: readonly string[], options: ProcessOptions = {}): Promise<Outcome> {
  return startHoldfast(words, options).ended;
}

/** Runs it and demands the status; shows all it said otherwise. */
export async function expectStatus(status: number, words: readonly string[], options: ProcessOptions = {}): Promise<Outcome> {
  const outcome = await holdfast(words, options);
  const said = `holdfast ${words.join(" ")}\n${outcome.stdout}\n${outcome.stderr}`;
  assert.deepEqual({ status: outcome.status, signal: outcome.signal }, { status, signal: undefined }, said);
  assertNoStackTrace(outcome);
  return outcome;
}

/** What a person sees must have been written for one: no stack trace, nothing unexpected. */
export function assertNoStackTrace({ stdout, stderr }: Outcome): void {
  assert.doesNotMatch(`${stdout}\n${stderr}`, /^\s+at .*[:(]|not expected|UNEXPECTED|Broken invariant|node:internal/m);
}

/** A directory for a test: removed with everything in it, whatever its modes and flags are. */
export class Workplace implements Disposable {
  readonly path: string;

  constructor(path = mkdtempSync(join(tmpdir(), "holdfast-test-"))) {
    this.path = path;
  }

  at(...parts: readonly string[]): string {
    return join(this.path, ...parts);
  }

  [Symbol.dispose](): void {
    // Not rmSync: it stops at paths over 4,096 bytes and at flags.
    if (hasTool("chattr")) spawnSync("chattr", ["-R", "-f", "-i", "-a", this.path]);
    spawnSync("rm", ["-rf", "--one-file-system", this.path]);
  }
}

/** A new repository whose passphrase costs nothing to check, for PASSPHRASE. */
export async function makeRepository(path: string): Promise<void> {
  const kdf = { memoryKiB: 64, passes: 1, lanes: 1 };
  await createRepository({ ...services(), path, passphrase: PASSPHRASE, kdf });
}

export function hasTool(name: string): boolean {
  for (const directory of (process.env["PATH"] ?? "").split(delimiter)) {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      // Not there; perhaps in the next one.
    }
  }
  return false;
}

export const isRoot = process.getuid?.() === 0;

/** For `skip` of node:test: false, or why the test cannot run here. */
export function whyNot(needs: { readonly root?: boolean; readonly tools?: readonly string[] }): string | false {
  if (process.platform !== "linux") return "needs Linux";
  if (needs.root === true && !isRoot) return "needs root";
  const missing = (needs.tools ?? []).filter((tool) => !hasTool(tool));
  return missing.length > 0 && `needs ${missing.join(", ")}`;
}
