// A running server: the routes of others and its own, behind one secure address; measurements behind another.

import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { decodeEnrolmentRequest } from "../formats/enrolment.ts";
import type { ClientStanding } from "../formats/enrolment.ts";
import { isGranted } from "../model/rights.ts";
import { SERVING_LIMITS } from "../platform/http-serving.ts";
import type { PeerReply, PeerRequest, RunningServer, ServingLimits } from "../platform/http-serving.ts";
import type { Identity } from "../platform/secure-transport.ts";
import { utf8 } from "../base/bytes.ts";
import { ClientDirectory, enrolClient } from "./clients.ts";
import { Dispatcher, endpointOf } from "./dispatcher.ts";
import type { Endpoint, LogLine } from "./dispatcher.ts";
import { Metrics } from "./metrics.ts";
import type { Route } from "./route.ts";
import { openState, ownIdentity, rememberShownKey } from "./state.ts";
import type { ServerWorld } from "./world.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
}

export interface ServiceOptions {
  /** What is served besides enrolment, health and the standing of a client. Each takes a privilege that only clients have. */
  readonly routes: readonly Route[];
  /** Where the server keeps what it knows of itself and its clients. */
  readonly stateDirectory: string;
  /** 32 hexadecimal digits, told to clients. */
  readonly repositoryId: string;
  readonly listen: ListenAddress;
  /** Where to serve measurements, without TLS and to anybody who gets there. */
  readonly metrics?: ListenAddress | undefined;
  /** A certificate from elsewhere; without it the server makes its own. */
  readonly identity?: Identity | undefined;
  readonly limits?: Partial<ServingLimits>;
  readonly log: (line: LogLine) => void;
  /** Who starts it, for the audit log. */
  readonly actor: string;
}

export interface RunningService {
  readonly host: string;
  readonly port: number;
  /** What clients pin. */
  readonly serverKey: string;
  readonly metrics: ListenAddress | undefined;
  /** Finishes what is under way, then ends. */
  stop(): Promise<void>;
}

const ENROLMENT_LIMIT = 1_024;

/** Resolves when the server takes requests. LISTEN_FAILED, IDENTITY_INVALID, and what reading the state can say. */
export async function startService(world: ServerWorld, options: ServiceOptions): Promise<RunningService> {
  const { listen, log, actor, stateDirectory } = options;
  const limits = { ...SERVING_LIMITS, ...options.limits };
  const state = await openState(world, stateDirectory);
  const identity = options.identity ?? (await ownIdentity(state));
  const metrics = new Metrics();
  const enrol = (secret: Uint8Array, key: string) => enrolClient(state, secret, key);
  const endpoints = serviceEndpoints({ routes: options.routes, repositoryId: options.repositoryId, enrol });
  const dispatcher = new Dispatcher({ state, clients: new ClientDirectory(state), metrics, endpoints, log });
  await rememberShownKey(state, world.fingerprintOf(identity));
  const server = await world.startSecureServer({
    ...listen,
    identity,
    limits,
    handle: (request) => dispatcher.answer(request),
    onMalformed: (malformed) => void dispatcher.recordMalformed(malformed),
    onFailure: (error) => dispatcher.recordFailure(error),
  });
  const running: RunningServer[] = [server];
  const stopAll = async (): Promise<void> => void (await Promise.all(running.map((each) => each.stop())));
  const object = `${server.host}:${server.port} ${server.serverKey}`;
  const record = { actor, address: "", object, outcome: "done", code: "" } as const;
  try {
    if (options.metrics !== undefined) {
      const onFailure = (error: Error): void => dispatcher.recordFailure(error);
      const handle = (request: PeerRequest) => Promise.resolve(measurements(request, metrics, server));
      running.push(await world.startPlainServer({ ...options.metrics, limits, handle, onMalformed: () => undefined, onFailure }));
    }
    await state.audit.append({ ...record, action: "start-server" });
  } catch (error) {
    await stopAll();
    throw error;
  }
  const [, plain] = running;
  return {
    host: server.host,
    port: server.port,
    serverKey: server.serverKey,
    metrics: plain === undefined ? undefined : { host: plain.host, port: plain.port },
    stop: async () => {
      await stopAll();
      await state.audit.append({ ...record, action: "stop-server" });
    },
  };
}

export interface EndpointParts {
  readonly routes: readonly Route[];
  readonly repositoryId: string;
  readonly enrol: (secret: Uint8Array, key: string) => Promise<{ readonly name: string; readonly role: ClientStanding["role"] }>;
}

/** Everything a server answers: its own and what it was given. */
export function serviceEndpoints({ routes, repositoryId, enrol }: EndpointParts): readonly Endpoint[] {
  const isOpen = routes.some(({ privilege }) => isGranted(privilege, undefined));
  assert(!isOpen, "a route that is given to the service takes a privilege of clients");
  const health: Endpoint = {
    method: "GET",
    path: "/healthz",
    privilege: "public",
    bodyLimit: 0,
    isRoutine: true,
    handle: () => Promise.resolve({ json: { status: "ok" } }),
  };
  const enrolment: Endpoint = {
    method: "POST",
    path: "/v1/enrolment",
    privilege: "enrol",
    bodyLimit: ENROLMENT_LIMIT,
    isRoutine: false,
    handle: async ({ body, peerKey }) => {
      if (peerKey === undefined) throw noKey();
      const { name, role } = await enrol(decodeEnrolmentRequest(body), peerKey);
      const standing: ClientStanding = { client: name, role, repository: repositoryId };
      return { json: standing, object: `${name} ${role}` };
    },
  };
  const standing: Route = {
    method: "GET",
    path: "/v1/repository",
    privilege: "see-own",
    bodyLimit: 0,
    handle: ({ caller }) => {
      const json: ClientStanding = { client: caller.client, role: caller.role, repository: repositoryId };
      return Promise.resolve({ json });
    },
  };
  return [health, enrolment, ...[standing, ...routes].map(endpointOf)];
}

function measurements({ method, path }: PeerRequest, metrics: Metrics, server: RunningServer): PeerReply {
  const isFound = method === "GET" && path === "/metrics";
  if (!isFound) return { status: 404, contentType: "text/plain", body: utf8("GET /metrics\n") };
  return { status: 200, contentType: "text/plain; version=0.0.4", body: metrics.text(server.connections()) };
}

function noKey(): HoldfastError {
  return new HoldfastError("REQUEST_INVALID", {
    message: "Who enrols must present a certificate: its key becomes the client's",
    hint: "Use `holdfast agent enrol`.",
  });
}
