// The concrete world of servers and agents.

import { nodeFiles, openForAppending } from "../platform/node-files.ts";
import { startPlainServer } from "../platform/plain-server.ts";
import { withProcessLock } from "../platform/process-lock.ts";
import { connectToServer } from "../platform/secure-client.ts";
import { startSecureServer } from "../platform/secure-server.ts";
import { systemClock } from "../platform/system-clock.ts";
import { systemRandom } from "../platform/system-random.ts";
import { identityFingerprint, makeIdentity } from "../platform/x509.ts";
import type { AgentWorld, ServerWorld } from "../service/world.ts";

export function serviceWorld(): ServerWorld & AgentWorld {
  return {
    files: nodeFiles(),
    openForAppending,
    withLock: withProcessLock,
    clock: systemClock,
    random: systemRandom,
    makeIdentity: (name) => makeIdentity(name, { nowMs: systemClock.now(), random: systemRandom }),
    fingerprintOf: identityFingerprint,
    startSecureServer,
    startPlainServer,
    connect: connectToServer,
  };
}
