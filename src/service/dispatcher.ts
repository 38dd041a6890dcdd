// One request from its arrival to its reply: who asks, whether they may, the work, and one record in the audit log. What no rule
// lets through is refused. Strangers hear the same of every path, so they learn nothing of what there is.

import { hexOf, utf8 } from "../base/bytes.ts";
import { HoldfastError, errorFrom } from "../base/errors.ts";
import type { AuditOutcome } from "../formats/audit-record.ts";
import { encodeErrorReply, httpStatusOf, internalFailure } from "../formats/error-reply.ts";
import { isGranted } from "../model/rights.ts";
import type { Privilege } from "../model/rights.ts";
import type { Malformed, PeerReply, PeerRequest } from "../platform/http-serving.ts";
import type { ClientDirectory } from "./clients.ts";
import type { Metrics } from "./metrics.ts";
import type { Caller, Reply, Route } from "./route.ts";
import { Router } from "./router.ts";
import type { Match } from "./router.ts";
import type { ServiceState } from "./state.ts";

/** A route as the service sees it: its own ones also answer who is no client. */
export interface Endpoint {
  readonly method: string;
  readonly path: string;
  readonly privilege: Privilege;
  readonly bodyLimit: number;
  readonly isRoutine: boolean;
  readonly handle: (context: EndpointContext) => Promise<EndpointReply>;
}

export interface EndpointContext {
  readonly caller: Caller | undefined;
  readonly peerKey: string | undefined;
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
}

/** `object` is what the audit log names, where the path does not say it. */
export type EndpointReply = Reply & { readonly object?: string };

/** A line of the log: what happened, with names and values that a program can read. */
export type LogLine = Readonly<Record<string, string | number | boolean | undefined>>;

export interface DispatcherParts {
  readonly state: ServiceState;
  readonly clients: ClientDirectory;
  readonly metrics: Metrics;
  readonly endpoints: readonly Endpoint[];
  readonly log: (line: LogLine) => void;
}

const LOGGED_PATH_LIMIT = 512;
const INCIDENT_BYTES = 8;
/** A restore is thousands of requests for content: its beginning is on record, and that it goes on. */
const READING_RECORDED_EVERY_MS = 3_600_000;

/** What became of a request before it is recorded and answered. */
interface Attempt {
  caller: Caller | undefined;
  endpoint: Endpoint | undefined;
  object: string;
  bytesReceived: number;
}

interface Failure {
  /** For the client. */
  readonly error: HoldfastError;
  readonly status: number;
  /** For the log: what happened inside. */
  readonly cause: Error | undefined;
}

type Result = { readonly reply: PeerReply } | { readonly failure: Failure };

export function endpointOf(route: Route): Endpoint {
  const { method, path, privilege, bodyLimit, isRoutine = false } = route;
  return {
    method,
    path,
    privilege,
    bodyLimit,
    isRoutine,
    handle: async ({ caller, parameters, query, body, signal }) => {
      if (caller === undefined) throw notEnrolled();
      return route.handle({ caller, parameters, query, body, signal });
    },
  };
}

export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #router: Router<Endpoint>;
  /** When a client's reading was recorded last, for each client and route. */
  readonly #readingRecordedMs = new Map<string, number>();

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.#router = new Router(parts.endpoints);
  }

  /** Never rejects. */
  async answer(request: PeerRequest): Promise<PeerReply> {
    const { clock } = this.#parts.state.world;
    const startedMs = clock.elapsedMs();
    const attempt: Attempt = { caller: undefined, endpoint: undefined, object: "", bytesReceived: 0 };
    let result = await this.#run(request, attempt);
    try {
      await this.#record(request, attempt, result);
    } catch (error) {
      // What is not on record must not be told as done.
      result = { failure: this.#internal(errorFrom(error)) };
    }
    const reply = "reply" in result ? result.reply : failureReply(result.failure);
    this.#account(request, attempt, { result, reply, durationMs: clock.elapsedMs() - startedMs });
    return reply;
  }

  /** What came and was no request. The reply is on its way already. */
  async recordMalformed({ address, status, reason }: Malformed): Promise<void> {
    this.#parts.metrics.countMalformed();
    this.#log({ event: "malformed", address, status, reason });
    try {
      const refused = { outcome: "refused", code: "REQUEST_INVALID" } as const;
      await this.#parts.state.audit.append({ actor: "nobody", address, action: "request", object: reason, ...refused });
    } catch (error) {
      this.#internal(errorFrom(error));
    }
  }

  /** What failed outside of any request. */
  recordFailure(error: Error): void {
    this.#internal(error);
  }

  async #run(request: PeerRequest, attempt: Attempt): Promise<Result> {
    try {
      return { reply: peerReply(await this.#handle(request, attempt)) };
    } catch (thrown) {
      const error = errorFrom(thrown);
      const status = httpStatusOf(error);
      const isForClient = error instanceof HoldfastError && status < 500;
      return { failure: isForClient ? { error, status, cause: undefined } : this.#internal(error) };
    }
  }

  async #handle(request: PeerRequest, attempt: Attempt): Promise<Reply> {
    const { method, path, query, peerKey, signal } = request;
    const found = this.#admit(request, attempt);
    if (found === undefined) {
      throw new HoldfastError("ROUTE_UNKNOWN", {
        message: `The server has nothing at ${method} ${path.slice(0, LOGGED_PATH_LIMIT)}`,
        hint: "The server may be older than this program.",
      });
    }
    const { endpoint, parameters } = found;
    const body = await request.readBody(endpoint.bodyLimit);
    attempt.bytesReceived = body.length;
    const reply = await endpoint.handle({ caller: attempt.caller, peerKey, parameters, query, body, signal });
    if (reply.object !== undefined) attempt.object = reply.object;
    return reply;
  }

  /** Finds out who asks, then what answers, then whether they may have it: in this order, so that strangers learn nothing. */
  #admit({ method, path, peerKey }: PeerRequest, attempt: Attempt): Match<Endpoint> | undefined {
    const isOpen = (match: Match<Endpoint>): boolean => isGranted(match.endpoint.privilege, undefined);
    let found: Match<Endpoint> | undefined;
    let problem: unknown;
    try {
      found = this.#router.match(method, path);
    } catch (error) {
      problem = error;
    }
    attempt.endpoint = found?.endpoint;
    if (found !== undefined && isOpen(found)) return found;
    if (peerKey === undefined) throw notEnrolled();
    const { clients } = this.#parts;
    const client = clients.require(peerKey);
    const { name, role } = client;
    // The record of a refusal names it, too.
    attempt.caller = { client: name, role };
    clients.requireNotRevoked(client);
    if (problem !== undefined) throw errorFrom(problem);
    if (found !== undefined && !isGranted(found.endpoint.privilege, role)) throw accessDenied(found.endpoint, attempt.caller);
    return found;
  }

  async #record(request: PeerRequest, attempt: Attempt, result: Result): Promise<void> {
    const { endpoint } = attempt;
    const isDone = "reply" in result;
    if (isDone && !this.#isRecordedWhenDone(attempt)) return;
    await this.#parts.state.audit.append({
      actor: actorOf(request, attempt),
      address: request.address,
      action: endpoint === undefined ? "request" : routeName(endpoint),
      object: attempt.object === "" ? `${request.method} ${request.path}` : attempt.object,
      outcome: outcomeOf(result),
      code: isDone ? "" : result.failure.error.code,
    });
  }

  #isRecordedWhenDone({ endpoint, caller }: Attempt): boolean {
    if (endpoint === undefined || endpoint.privilege === "public") return false;
    if (!endpoint.isRoutine) return true;
    if (endpoint.privilege !== "read-own" || caller === undefined) return false;
    const key = `${caller.client} ${routeName(endpoint)}`;
    const nowMs = this.#parts.state.world.clock.elapsedMs();
    const recordedMs = this.#readingRecordedMs.get(key);
    if (recordedMs !== undefined && nowMs - recordedMs < READING_RECORDED_EVERY_MS) return false;
    this.#readingRecordedMs.set(key, nowMs);
    return true;
  }

  #account(
    request: PeerRequest,
    { endpoint, caller, bytesReceived }: Attempt,
    { result, reply, durationMs }: { readonly result: Result; readonly reply: PeerReply; readonly durationMs: number },
  ): void {
    const route = endpoint === undefined ? "none" : routeName(endpoint);
    const outcome = outcomeOf(result);
    const sizes = { bytesReceived, bytesSent: reply.body.length };
    this.#parts.metrics.count({ route, outcome, durationMs, ...sizes });
    const failure = "failure" in result ? result.failure : undefined;
    this.#log({
      event: "request",
      address: request.address,
      client: caller?.client,
      key: caller === undefined ? request.peerKey : undefined,
      method: request.method,
      path: request.path.slice(0, LOGGED_PATH_LIMIT),
      status: reply.status,
      outcome,
      code: failure?.error.code,
      incident: incidentOf(failure),
      problem: failure?.cause?.message,
      durationMs: Math.round(durationMs),
      ...sizes,
    });
  }

  #internal(cause: Error): Failure {
    const incident = hexOf(this.#parts.state.world.random.bytes(INCIDENT_BYTES));
    this.#log({ event: "failure", incident, problem: cause.message, stack: cause.stack });
    return { error: internalFailure(cause, incident), status: httpStatusOf(cause), cause };
  }

  #log(line: LogLine): void {
    this.#parts.log({ time: new Date(this.#parts.state.world.clock.now()).toISOString(), ...line });
  }
}

export function routeName({ method, path }: Pick<Endpoint, "method" | "path">): string {
  return `${method} ${path}`;
}

function peerReply(reply: Reply): PeerReply {
  if ("bytes" in reply) return { status: 200, contentType: "application/octet-stream", body: reply.bytes };
  return { status: 200, contentType: "application/json", body: utf8(JSON.stringify(reply.json)) };
}

function failureReply({ error, status }: Failure): PeerReply {
  // Strangers pay with a handshake for every refusal.
  const closes = status === 401 || status === 403;
  return { status, contentType: "application/json", body: encodeErrorReply(error), closes };
}

function outcomeOf(result: Result): AuditOutcome {
  if ("reply" in result) return "done";
  return result.failure.status < 500 ? "refused" : "failed";
}

function incidentOf(failure: Failure | undefined): string | undefined {
  const incident = failure?.error.context["incident"];
  return typeof incident === "string" ? incident : undefined;
}

function actorOf({ peerKey }: PeerRequest, { caller }: Attempt): string {
  if (caller !== undefined) return `client:${caller.client}`;
  return peerKey === undefined ? "nobody" : `key:${peerKey}`;
}

function notEnrolled(): HoldfastError {
  return new HoldfastError("NOT_ENROLLED", {
    message: "The server serves its clients only, and this request came without a client's key",
    hint: "Ask whoever runs the server for a token, then run `holdfast agent enrol`.",
  });
}

function accessDenied(endpoint: Endpoint, { client, role }: Caller): HoldfastError {
  return new HoldfastError("ACCESS_DENIED", {
    message: `The client "${client}" may not do this: its role "${role}" does not have the privilege "${endpoint.privilege}"`,
    context: { client, role, privilege: endpoint.privilege },
    hint: "Whoever runs the server can revoke the client and add it again with another role.",
  });
}
