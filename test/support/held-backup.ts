// For tests: a backup that stands still at the last moment, while others do what they do.

import type { Services } from "../../src/api/services.ts";
import { another } from "./temporary-repository.ts";
import type { TemporaryRepository } from "./temporary-repository.ts";

/** A backup that has read its content and does not commit before `release` is called. */
export interface HeldBackup {
  readonly release: () => void;
  readonly done: Promise<string>;
}

/** Of zeros behind what is held: content is handed on in windows, and with these all of it has been looked up. */
export const HELD_TAIL_BYTES: number = 32 * 1024 * 1024;

/**
 * Reads `content` as the output of a command, together with `HELD_TAIL_BYTES` zeros behind it, into an image of the source "held" with the
 * one file "/dump". `changes`: to the services of the program that does it.
 */
export async function heldBackup(
  t: TemporaryRepository,
  content: Buffer,
  changes: Partial<Services> = {},
): Promise<HeldBackup & AsyncDisposable> {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let reached = (): void => undefined;
  const hasRead = new Promise<void>((resolve) => (reached = resolve));
  const readCommand: Services["readCommand"] = () => ({
    output: (async function* () {
      yield content;
      yield Buffer.alloc(HELD_TAIL_BYTES);
      reached();
      await released;
    })(),
    ended: Promise.resolve(0),
    kill: () => undefined,
  });
  const other = await another(t, { readCommand, ...changes });
  const done = other
    .backup({ command: { arguments: ["x"], fileName: "dump" }, source: "held" })
    .then(({ imageId }) => imageId ?? "");
  done.catch(() => undefined);
  await Promise.race([hasRead, done]);
  return { release, done, [Symbol.asyncDispose]: () => other.close() };
}
