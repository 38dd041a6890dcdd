// What the tests of a repository on a server share: a served repository in a temporary directory, and clients of it.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { noise } from "../../../test/support/noise.ts";
import { PASSPHRASE, temporaryRepository } from "../../../test/support/temporary-repository.ts";
import type { TemporaryRepository } from "../../../test/support/temporary-repository.ts";
import { HoldfastError } from "../../base/errors.ts";
import { openRemote, openToServe } from "../api.ts";
import type { ServedRepository, ServedRepositoryOptions } from "../api.ts";
import type { Repository } from "../types.ts";
import { servedConnection } from "./served-connection.contract.ts";
import type { Disturbance, ServedConnection } from "./served-connection.contract.ts";

export const KIB = 1024;
const shortDelay = (ms: number): Promise<void> => setTimeout(Math.min(ms, 300));

export interface Served extends AsyncDisposable {
  readonly t: TemporaryRepository;
  readonly served: ServedRepository;
  client(name?: string, way?: Disturbance): Promise<{ readonly repository: Repository; readonly connection: ServedConnection }>;
  /** As a new process would. */
  restart(): Promise<void>;
}

export async function serve(options: ServedRepositoryOptions = {}): Promise<Served> {
  const t = await temporaryRepository();
  const start = (): Promise<ServedRepository> =>
    openToServe(t.services, {
      repository: t.path,
      passphrase: () => PASSPHRASE,
      cacheDirectory: t.cache,
      threads: 2,
      ...options,
    });
  let served: ServedRepository | undefined = await start();
  const listening = (): ServedRepository => {
    if (served !== undefined) return served;
    throw new HoldfastError("SERVER_UNREACHABLE", { message: "The server is not there", retry: "later" });
  };
  const clients: Repository[] = [];
  return {
    t,
    get served() {
      return listening();
    },
    client: async (name = "laptop", way = {}) => {
      const connection = servedConnection(listening, name, way);
      const cacheDirectory = join(t.directory, `cache-${name}`);
      const repository = await openRemote(t.services, {
        location: "https://server/",
        connection,
        delay: shortDelay,
        keepAliveMs: 100,
        cacheDirectory,
        threads: 2,
      });
      clients.push(repository);
      return { repository, connection };
    },
    restart: async () => {
      const before = listening();
      served = undefined;
      await before[Symbol.asyncDispose]();
      served = await start();
    },
    async [Symbol.asyncDispose]() {
      for (const repository of clients) await repository.close();
      await served?.[Symbol.asyncDispose]();
      await t[Symbol.asyncDispose]();
    },
  };
}

/** 63 files, 6.5 MB. */
export function fill({ source }: TemporaryRepository): void {
  mkdirSync(join(source, "directory"), { recursive: true });
  for (let i = 0; i < 60; i++) writeFileSync(join(source, "directory", `small-${i}`), `content of ${i}`);
  writeFileSync(join(source, "medium"), noise(1, 500 * KIB));
  writeFileSync(join(source, "large"), noise(2, 6_000 * KIB));
  writeFileSync(join(source, "empty"), "");
}

/** Times of change cannot be set, and files changed a moment ago are always read again: wait until they are old enough. */
export async function settled(): Promise<void> {
  await setTimeout(2_100);
}
