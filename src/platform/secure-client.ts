// The client's side of a secure connection (secure-transport.ts). A connection is handed to HTTP only after the server has
// proved to have the expected key, so not a byte of a request ever reaches another one.

import { Agent, request as httpsRequest } from "node:https";
import type { IncomingMessage, RequestOptions } from "node:http";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import { HoldfastError, errorFrom, messageOf } from "../base/errors.ts";
import { endInPieces } from "./end-in-pieces.ts";
import { codeOf } from "./node-file-errors.ts";
import type { ConnectToServer, ServerAnswer, ServerConnection, ServerRequest, ServerTarget } from "./secure-transport.ts";
import { keyFingerprint } from "./x509.ts";

export interface ClientLimits {
  readonly connections: number;
  /** From the start of a connection to the end of its handshake. */
  readonly connectTimeoutMs: number;
  /** Without a byte in either direction; long, because a server may work on an answer. */
  readonly idleTimeoutMs: number;
}

export const CLIENT_LIMITS: ClientLimits = { connections: 8, connectTimeoutMs: 15_000, idleTimeoutMs: 300_000 };

/** Nothing is sent before the first exchange. */
export const connectToServer: ConnectToServer = (target) => secureConnection(target, CLIENT_LIMITS);

export function secureConnection(target: ServerTarget, limits: ClientLimits): ServerConnection {
  return new SecureConnection(target, limits);
}

class SecureConnection implements ServerConnection {
  readonly #target: ServerTarget;
  readonly #limits: ClientLimits;
  readonly #agent: PinnedAgent;
  #isClosed = false;

  constructor(target: ServerTarget, limits: ClientLimits) {
    this.#target = target;
    this.#limits = limits;
    this.#agent = new PinnedAgent(target, limits);
  }

  async exchange(asked: ServerRequest): Promise<ServerAnswer> {
    const first = await this.#attempt(asked);
    if (!(first instanceof StaleConnection)) return first;
    const second = await this.#attempt(asked);
    if (!(second instanceof StaleConnection)) return second;
    throw unreachable(this.#target, second.cause);
  }

  close(): void {
    this.#isClosed = true;
    this.#agent.destroy();
  }

  /** A server may end a kept connection at the moment we use it again. What only reads is then asked again. */
  async #attempt(asked: ServerRequest): Promise<ServerAnswer | StaleConnection> {
    const { signal } = asked;
    signal?.throwIfAborted();
    if (this.#isClosed) throw unreachable(this.#target, new Error("the connection was closed by this side"));
    const request = httpsRequest({
      agent: this.#agent,
      host: this.#target.host,
      port: this.#target.port,
      method: asked.method,
      path: asked.path,
      headers: { Host: hostHeader(this.#target), "Content-Length": asked.body?.length ?? 0 },
    });
    const { promise, resolve, reject } = Promise.withResolvers<ServerAnswer>();
    const onAbort = (): void => {
      reject(errorFrom(signal?.reason));
      request.destroy();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    request.setTimeout(this.#limits.idleTimeoutMs, () => {
      request.destroy(new Error(`nothing came for ${this.#limits.idleTimeoutMs} ms`));
    });
    request.on("error", reject);
    request.on("response", (response) => void readAnswer(response, asked.limitBytes).then(resolve, reject));
    void endInPieces(request, asked.body ?? new Uint8Array());
    try {
      return await promise;
    } catch (error) {
      request.destroy();
      if (error instanceof HoldfastError || signal?.aborted === true) throw error;
      const isStale = request.reusedSocket && codeOf(error) === "ECONNRESET" && asked.method === "GET" && !this.#isClosed;
      if (isStale) return new StaleConnection(error);
      throw unreachable(this.#target, error);
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }
}

class StaleConnection {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** Keeps connections for the next request; makes none but to the server with the right key. */
class PinnedAgent extends Agent {
  readonly #target: ServerTarget;
  readonly #limits: ClientLimits;
  readonly #connecting = new Set<Duplex>();

  constructor(target: ServerTarget, limits: ClientLimits) {
    super({ keepAlive: true, maxSockets: limits.connections, maxFreeSockets: limits.connections, maxCachedSessions: 0 });
    this.#target = target;
    this.#limits = limits;
  }

  override createConnection(
    _options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const { host, port, identity, serverKey } = this.#target;
    const socket = connect({
      host,
      port,
      key: identity.privateKey,
      cert: identity.certificate,
      minVersion: "TLSv1.3",
      maxVersion: "TLSv1.3",
      ALPNProtocols: ["http/1.1"],
      // Nobody vouches for the certificate: the key in it is compared below.
      rejectUnauthorized: false,
    });
    this.#connecting.add(socket);
    const timer = setTimeout(() => socket.destroy(new Error("the connection took too long")), this.#limits.connectTimeoutMs);
    const settle = (error: Error | null): void => {
      clearTimeout(timer);
      this.#connecting.delete(socket);
      socket.off("error", settle).off("close", onClose);
      if (error !== null) socket.on("error", () => undefined).destroy();
      callback?.(error, socket);
    };
    const onClose = (): void => settle(new Error("the server ended the connection"));
    socket.once("error", settle).once("close", onClose);
    socket.once("secureConnect", () => {
      const certificate = socket.getPeerX509Certificate();
      const found = certificate === undefined ? "none" : keyFingerprint(certificate.publicKey);
      settle(found === serverKey ? null : keyMismatch(this.#target, found));
    });
    return undefined;
  }

  override destroy(): void {
    super.destroy();
    for (const socket of this.#connecting) socket.destroy();
  }
}

async function readAnswer(response: IncomingMessage, limitBytes: number): Promise<ServerAnswer> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    length += piece.length;
    if (length > limitBytes) throw answerTooLong(limitBytes);
    pieces.push(piece);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(pieces, length) };
}

/** An IPv6 address needs brackets there. */
function hostHeader({ host, port }: ServerTarget): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function keyMismatch({ host, port, serverKey }: ServerTarget, found: string): HoldfastError {
  return new HoldfastError("SERVER_KEY_MISMATCH", {
    message: `The server at ${host}:${port} has another key: found ${found}, expected ${serverKey}`,
    context: { host, port, found, expected: serverKey },
    hint: "Nothing was sent. Somebody may be in between; if the server was set up anew, enrol again.",
  });
}

function unreachable({ host, port }: ServerTarget, cause: unknown): HoldfastError {
  return new HoldfastError("SERVER_UNREACHABLE", {
    message: `Cannot reach the server at ${host}:${port}: ${messageOf(cause)}`,
    retry: "later",
    context: { host, port, reason: codeOf(cause) },
    hint: "See whether the server runs and whether the network lets you through, then try again.",
    cause,
  });
}

function answerTooLong(limitBytes: number): HoldfastError {
  return new HoldfastError("SERVER_ANSWER_INVALID", {
    message: `The answer of the server is too long: expected are at most ${limitBytes} bytes`,
    context: { limitBytes },
  });
}
