// For tests: a server on a port that was free, with its state in a temporary directory, and clients of it.

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { textOf } from "../base/bytes.ts";
import { decodeAuditRecord } from "../formats/audit-record.ts";
import type { AuditRecord } from "../formats/audit-record.ts";
import { decodeToken } from "../formats/enrolment.ts";
import { serviceWorld } from "../main/service-world.ts";
import type { Role } from "../model/rights.ts";
import type { EpochMs } from "../platform/clock.ts";
import type { Identity, ServerConnection, ServerRequest } from "../platform/secure-transport.ts";
import { AUDIT_FILE } from "./audit-log.ts";
import { enrolClient, inviteClient } from "./clients.ts";
import type { LogLine } from "./dispatcher.ts";
import type { Route } from "./route.ts";
import { startService } from "./serve.ts";
import type { RunningService, ServiceOptions } from "./serve.ts";
import { openState } from "./state.ts";
import type { ServiceState } from "./state.ts";
import type { AgentWorld, ServerWorld } from "./world.ts";

export const REPOSITORY_ID = "00112233445566778899aabbccddeeff";
export const OPERATOR = "operator:test";

export interface Answer {
  readonly status: number;
  readonly json: Readonly<Record<string, unknown>>;
}

export interface TestService extends AsyncDisposable {
  readonly directory: string;
  readonly world: ServerWorld & AgentWorld;
  readonly service: RunningService;
  readonly state: ServiceState;
  readonly lines: LogLine[];
  readonly url: string;
  /** Lets the server's clock go on. */
  pass(milliseconds: number): void;
  /** A key that nobody knows. */
  stranger(): Identity;
  /** A client that is enrolled. */
  client(name: string, role?: Role): Promise<Identity>;
  connect(identity: Identity): ServerConnection;
  ask(identity: Identity, request: Omit<ServerRequest, "limitBytes">): Promise<Answer>;
  /** All records since the start of the server. */
  audit(): readonly AuditRecord[];
}

export interface TestServiceOptions extends Partial<ServiceOptions> {
  readonly routes?: readonly Route[];
  readonly world?: Partial<ServerWorld>;
}

export async function testService(options: TestServiceOptions = {}): Promise<TestService> {
  const { world: changes, ...rest } = options;
  const directory = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  const stateDirectory = join(directory, "state");
  const real = serviceWorld();
  let aheadMs = 0;
  const clock = { now: () => (real.clock.now() + aheadMs) as EpochMs, elapsedMs: () => real.clock.elapsedMs() + aheadMs };
  const world = { ...real, clock, ...changes };
  const lines: LogLine[] = [];
  const service = await startService(world, {
    routes: [],
    stateDirectory,
    repositoryId: REPOSITORY_ID,
    listen: { host: "127.0.0.1", port: 0 },
    log: (line) => lines.push(line),
    actor: OPERATOR,
    ...rest,
  });
  const state = await openState(world, stateDirectory);
  const connections: ServerConnection[] = [];
  const connect = (identity: Identity): ServerConnection => {
    const connection = world.connect({ host: "127.0.0.1", port: service.port, serverKey: service.serverKey, identity });
    connections.push(connection);
    return connection;
  };
  const stranger = (): Identity => world.makeIdentity("test");
  return {
    directory,
    world,
    service,
    state,
    lines,
    url: `https://127.0.0.1:${service.port}`,
    pass: (milliseconds) => void (aheadMs += milliseconds),
    stranger,
    client: async (name, role = "append") => {
      const identity = stranger();
      const { token } = await inviteClient(state, { name, role, actor: OPERATOR });
      await enrolClient(state, decodeToken(token).secret, world.fingerprintOf(identity));
      return identity;
    },
    connect,
    ask: async (identity, request) => {
      const connection = connect(identity);
      const { status, body } = await connection.exchange({ ...request, limitBytes: 100_000 });
      connection.close();
      return { status, json: body.length === 0 ? {} : (JSON.parse(textOf(body)) as Answer["json"]) };
    },
    audit: () => auditRecords(stateDirectory).slice(1),
    [Symbol.asyncDispose]: async () => {
      for (const connection of connections) connection.close();
      await service.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

export function auditRecords(stateDirectory: string): readonly AuditRecord[] {
  const path = join(stateDirectory, AUDIT_FILE);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => decodeAuditRecord(Buffer.from(line)));
}
