// What the service needs of the world. The room `main` fills it in; tests may put something else there.

import type { Clock } from "../platform/clock.ts";
import type { Files, OpenFile } from "../platform/files.ts";
import type { StartPlainServer } from "../platform/plain-server.ts";
import type { WithLock } from "../platform/process-lock.ts";
import type { Random } from "../platform/random.ts";
import type { StartSecureServer } from "../platform/secure-server.ts";
import type { ConnectToServer, Identity } from "../platform/secure-transport.ts";

/** For whoever keeps files of ours. */
export interface StateWorld {
  readonly files: Files;
  readonly openForAppending: (path: string) => OpenFile;
  readonly withLock: WithLock;
  readonly clock: Clock;
  readonly random: Random;
  /** A new key, and a certificate of that name around it. */
  readonly makeIdentity: (name: string) => Identity;
  /** Of the identity's key. */
  readonly fingerprintOf: (identity: Identity) => string;
}

export interface ServerWorld extends StateWorld {
  readonly startSecureServer: StartSecureServer;
  readonly startPlainServer: StartPlainServer;
}

export interface AgentWorld extends StateWorld {
  readonly connect: ConnectToServer;
}
