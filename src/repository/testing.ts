// What the tests of this room share: a weak key derivation, a still clock, and repositories on simulated disks.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { KdfParameters } from "../formats/key-slot.ts";
import { NO_ITEMS, NO_STATISTICS } from "../model/image.ts";
import type { ImageRecord } from "../model/image.ts";
import type { Clock, EpochMs } from "../platform/clock.ts";
import type { Files } from "../platform/files.ts";
import type { Host } from "../platform/host.ts";
import type { Random } from "../platform/random.ts";
import { createRepository } from "./create-repository.ts";
import type { CreatedRepository } from "./create-repository.ts";
import { openRepository } from "./open-repository.ts";
import type { OpenedRepository } from "./open-repository.ts";

/** The least that Argon2 takes: 50 µs. Never for real repositories. */
export const WEAK_KDF: KdfParameters = { memoryKiB: 8, passes: 1, lanes: 1 };

function seededRandom(seed: string): Random {
  let counter = 0;
  return {
    bytes: (count) => new Uint8Array(createHash("shake256", { outputLength: count }).update(`${seed} ${counter++}`).digest()),
  };
}

/** Goes one second forward at every look. */
export function tickingClock(startMs = 1_750_000_000_000): Clock {
  let now = startMs;
  return { now: () => (now += 1_000) as EpochMs, elapsedMs: () => now };
}

export function testHost(changes: Partial<Host> = {}): Host {
  return {
    name: "tester",
    userName: "somebody",
    platform: "linux",
    processors: 1,
    processId: 100,
    bootId: "boot-1",
    timeZone: "UTC",
    workingDirectory: "/",
    userId: 0,
    isAlive: () => true,
    cacheDirectory: "/cache",
    configDirectory: "/config",
    environment: () => undefined,
    ...changes,
  };
}

export const REPOSITORY_PATH = "/backups/repository";

export function makeRepository(files: Files, passphrase = "correct", seed = "make"): Promise<CreatedRepository> {
  return createRepository({
    files,
    clock: tickingClock(),
    random: seededRandom(seed),
    path: REPOSITORY_PATH,
    passphrase,
    kdf: WEAK_KDF,
  });
}

export function openWith(files: Files, passphrase: string): Promise<OpenedRepository> {
  return openRepository({ files, path: REPOSITORY_PATH, passphrase: () => passphrase });
}

export function imageRecord(changes: Partial<ImageRecord> = {}): ImageRecord {
  return {
    source: "home",
    host: "tester",
    user: "somebody",
    paths: ["/home/somebody"],
    tags: [],
    startedAtMs: 1_750_000_000_000,
    finishedAtMs: 1_750_000_060_000,
    base: null,
    root: { fingerprint: "ab".repeat(32), level: 1, entryCount: 1_234, pageBytes: 5_678 },
    statistics: { ...NO_STATISTICS, files: 1_000, directories: 234, contentBytes: 1_000_000 },
    owners: { "0": "root", "1000": "somebody" },
    groups: { "0": "root" },
    unreadable: NO_ITEMS,
    skippedSockets: NO_ITEMS,
    changedWhileRead: NO_ITEMS,
    options: { compression: "default", excludes: ["*.o"] },
    holdfastVersion: "0.1.0",
    ...changes,
  };
}

/** Tries `run` with the first, second, … call failing, until no call is left to fail. Returns the number of runs. */
export async function failingEachCall(run: (atCall: number) => Promise<{ readonly failed: boolean }>): Promise<number> {
  for (let atCall = 1; ; atCall++) {
    assert.ok(atCall < 1_000, "the run comes to an end");
    const disk = await run(atCall);
    if (!disk.failed) return atCall;
  }
}
