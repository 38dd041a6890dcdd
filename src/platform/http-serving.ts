// What both servers share, the secure one and the plain one for measurements: every size, count and time that whoever
// connects could use up is limited, and a stop lets what is under way come to its end.

import { STATUS_CODES } from "node:http";
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { HoldfastError, errorFrom } from "../base/errors.ts";
import { ByteBudget } from "./byte-budget.ts";
import { endInPieces } from "./end-in-pieces.ts";
import { codeOf } from "./node-file-errors.ts";

export interface ServingLimits {
  /** Request line and headers of one request. */
  readonly headerBytes: number;
  /** From the first byte of a request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to the end of its body: one byte now and then must not go on for ever. */
  readonly requestTimeoutMs: number;
  /** Between two pieces of a body. */
  readonly bodyIdleTimeoutMs: number;
  /** Between two requests on one connection, and for taking a reply. */
  readonly idleTimeoutMs: number;
  /** From the connection to the end of the TLS handshake. */
  readonly handshakeTimeoutMs: number;
  readonly connections: number;
  readonly connectionsPerAddress: number;
  /** Of all bodies that are held in memory at once. Who sends more waits until others are done. */
  readonly bodiesBytes: number;
  /** What is read and thrown away of a body that nobody wants, so that its sender gets to read the reply. */
  readonly discardedBytes: number;
  /** How long a stop waits for requests under way. */
  readonly stopTimeoutMs: number;
}

export const SERVING_LIMITS: ServingLimits = {
  headerBytes: 16_384,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 600_000,
  bodyIdleTimeoutMs: 30_000,
  idleTimeoutMs: 60_000,
  handshakeTimeoutMs: 10_000,
  connections: 512,
  connectionsPerAddress: 64,
  bodiesBytes: 256 * 1024 * 1024,
  discardedBytes: 32 * 1024 * 1024,
  stopTimeoutMs: 30_000,
};

const HEADERS_LIMIT = 64;
/** Nobody of ours sends the next request before the reply; the last one may not have been accounted for yet. */
const REQUESTS_AT_ONCE = 4;
const KEEP_ALIVE_PROBE_MS = 30_000;

export interface PeerRequest {
  readonly method: string;
  /** Without the query. As it came: percent signs are not decoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly address: string;
  /** The fingerprint of the key that the peer proved to have; undefined when it presented none. */
  readonly peerKey: string | undefined;
  /** Aborted when the connection is lost, or when a stop has waited long enough. */
  readonly signal: AbortSignal;
  /** The whole body. REQUEST_TOO_LARGE beyond the limit, REQUEST_TIMEOUT when nothing comes any more. */
  readBody(limitBytes: number): Promise<Uint8Array>;
}

export interface PeerReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** The connection ends after this reply. */
  readonly closes?: boolean;
}

/** What came as no request at all. */
export interface Malformed {
  readonly address: string;
  readonly status: number;
  readonly reason: string;
}

export interface ServingOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly limits: ServingLimits;
  /** Answers one request. When it rejects, that is a failure, and the connection ends without an answer. */
  readonly handle: (request: PeerRequest) => Promise<PeerReply>;
  /** Something came that is no HTTP, too long or too slow; it was answered with this status. */
  readonly onMalformed: (malformed: Malformed) => void;
  /** Something failed that is no request's business, such as taking a connection. Serving goes on. */
  readonly onFailure: (error: Error) => void;
}

export interface RunningServer {
  readonly host: string;
  readonly port: number;
  /** How many are open now. */
  connections(): number;
  /** Takes nothing new, waits for what is under way, then closes. */
  stop(): Promise<void>;
}

export function serverOptions(limits: ServingLimits): ServerOptions {
  return {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    // How often Node looks for requests that are too slow.
    connectionsCheckingInterval: Math.min(1_000, Math.ceil(limits.headersTimeoutMs / 2)),
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
    noDelay: true,
  };
}

/** Starts to serve on a server that nobody listens to yet. */
export async function startServing(
  server: Server,
  options: ServingOptions & { readonly peerKeyOf: (socket: Duplex) => string | undefined },
): Promise<RunningServer> {
  const serving = new Serving(server, options);
  await serving.listen();
  return serving;
}

class Serving implements RunningServer {
  readonly #server: Server;
  readonly #options: ServingOptions & { readonly peerKeyOf: (socket: Duplex) => string | undefined };
  readonly #sockets = new Set<Socket>();
  readonly #connectionsOf = new Map<string, number>();
  readonly #underWay = new Set<Exchange>();
  readonly #bodies: ByteBudget;
  #isStopping = false;
  #onIdle: (() => void) | undefined;

  constructor(server: Server, options: ServingOptions & { readonly peerKeyOf: (socket: Duplex) => string | undefined }) {
    this.#server = server;
    this.#options = options;
    this.#bodies = new ByteBudget(options.limits.bodiesBytes);
    server.maxHeadersCount = HEADERS_LIMIT;
    server.on("connection", (socket: Socket) => this.#admit(socket));
    server.on("request", (request, response) => {
      void this.#serve(request, response).catch((error: unknown) => {
        request.socket.destroy();
        options.onFailure(errorFrom(error));
      });
    });
    server.on("clientError", (error, socket) => this.#refuseMalformed(error, socket));
    server.setTimeout(options.limits.idleTimeoutMs, (socket) => this.#endIdle(socket));
  }

  get host(): string {
    return this.#address().address;
  }
  get port(): number {
    return this.#address().port;
  }

  connections(): number {
    return this.#sockets.size;
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen({ host, port }, resolve);
    try {
      await promise;
    } catch (error) {
      throw listenError(host, port, error);
    } finally {
      this.#server.off("error", reject);
    }
    this.#server.on("error", (error) => this.#options.onFailure(error));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.#allDone();
    for (const exchange of this.#underWay) exchange.abort();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #allDone(): Promise<void> {
    if (this.#underWay.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    const timer = setTimeout(resolve, this.#options.limits.stopTimeoutMs);
    await promise;
    clearTimeout(timer);
  }

  #address(): AddressInfo {
    return this.#server.address() as AddressInfo;
  }

  #admit(socket: Socket): void {
    const { connections, connectionsPerAddress } = this.#options.limits;
    const address = addressOf(socket);
    const others = this.#connectionsOf.get(address) ?? 0;
    if (this.#isStopping || this.#sockets.size >= connections || others >= connectionsPerAddress) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    this.#connectionsOf.set(address, others + 1);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      const left = (this.#connectionsOf.get(address) ?? 1) - 1;
      if (left === 0) this.#connectionsOf.delete(address);
      else this.#connectionsOf.set(address, left);
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const others = [...this.#underWay].filter((each) => each.isOf(request.socket)).length;
    if (others >= REQUESTS_AT_ONCE) {
      request.socket.destroy();
      return;
    }
    const exchange = new Exchange(request, response, { limits: this.#options.limits, bodies: this.#bodies });
    this.#underWay.add(exchange);
    response.once("close", () => {
      this.#underWay.delete(exchange);
      if (this.#underWay.size === 0) this.#onIdle?.();
    });
    const { handle, peerKeyOf } = this.#options;
    const reply = await handle(exchange.peerRequest(peerKeyOf(request.socket)));
    await exchange.send(reply, this.#isStopping);
  }

  /** Nothing has moved for a while: right while a request is worked on, and the end of everything else. */
  #endIdle(socket: Duplex): void {
    const isWorking = [...this.#underWay].some((exchange) => exchange.isWorkedOnFor(socket));
    if (!isWorking) socket.destroy();
  }

  #refuseMalformed(error: Error, socket: Duplex): void {
    const reason = codeOf(error) ?? "";
    // Lost, or never got through its handshake: nothing was asked, and nobody can be answered.
    if (!socket.writable || !(reason === TIMED_OUT || reason.startsWith("HPE_"))) {
      socket.destroy();
      return;
    }
    const status = reason === TIMED_OUT ? 408 : reason === "HPE_HEADER_OVERFLOW" ? 431 : 400;
    this.#options.onMalformed({ address: addressOf(socket), status, reason });
    const line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`;
    socket.end(`${line}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () => socket.destroy());
  }
}

const TIMED_OUT = "ERR_HTTP_REQUEST_TIMEOUT";

/** One request and its reply. */
class Exchange {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #limits: ServingLimits;
  readonly #bodies: ByteBudget;
  readonly #abort = new AbortController();
  #isReplying = false;
  #isWaiting = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    { limits, bodies }: { readonly limits: ServingLimits; readonly bodies: ByteBudget },
  ) {
    this.#request = request;
    this.#response = response;
    this.#limits = limits;
    this.#bodies = bodies;
    // A connection that breaks is told by the end of the response; nobody else listens.
    request.on("error", () => undefined);
    response.on("error", () => undefined);
    response.once("close", () => {
      if (!response.writableFinished) this.abort();
    });
  }

  abort(): void {
    this.#abort.abort(new HoldfastError("INTERRUPTED", { message: "The connection has ended", retry: "later" }));
  }

  isOf(socket: Duplex): boolean {
    return this.#request.socket === socket;
  }

  isWorkedOnFor(socket: Duplex): boolean {
    return this.isOf(socket) && (this.#request.complete || this.#isWaiting) && !this.#isReplying;
  }

  peerRequest(peerKey: string | undefined): PeerRequest {
    const { method = "", url = "" } = this.#request;
    const mark = url.indexOf("?");
    return {
      method,
      path: mark < 0 ? url : url.slice(0, mark),
      query: new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1)),
      address: addressOf(this.#request.socket),
      peerKey,
      signal: this.#abort.signal,
      readBody: (limitBytes) => this.#readBody(limitBytes),
    };
  }

  async send(reply: PeerReply, isLast: boolean): Promise<void> {
    const isReadToItsEnd = await this.#discardBody();
    const response = this.#response;
    if (response.destroyed) return;
    this.#isReplying = true;
    const closes = reply.closes === true || isLast || !isReadToItsEnd;
    response.writeHead(reply.status, {
      "Content-Type": reply.contentType,
      "Content-Length": reply.body.length,
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
      ...(closes ? { Connection: "close" } : {}),
    });
    await endInPieces(response, this.#request.method === "HEAD" ? new Uint8Array() : reply.body);
  }

  async #readBody(limitBytes: number): Promise<Uint8Array> {
    const announced = Number(this.#request.headers["content-length"] ?? 0);
    if (announced > limitBytes) throw tooLarge(limitBytes, announced);
    await this.#waitForMemory(this.#request.headers["transfer-encoding"] === undefined ? announced : limitBytes);
    const pieces: Buffer[] = [];
    let length = 0;
    await this.#eachPiece((piece) => {
      length += piece.length;
      if (length > limitBytes) throw tooLarge(limitBytes, undefined);
      pieces.push(piece);
    });
    return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces, length);
  }

  /** The memory is held until the reply is on its way: until then the body may be in use. */
  async #waitForMemory(bytes: number): Promise<void> {
    if (bytes === 0) return;
    this.#isWaiting = true;
    const giveBack = await this.#bodies.take(bytes, this.#abort.signal);
    this.#isWaiting = false;
    if (this.#response.closed) giveBack();
    else this.#response.once("close", giveBack);
  }

  /** Whether the body came to its end. */
  async #discardBody(): Promise<boolean> {
    if (this.#request.complete) return true;
    let length = 0;
    try {
      await this.#eachPiece((piece) => {
        length += piece.length;
        if (length > this.#limits.discardedBytes) throw tooLarge(this.#limits.discardedBytes, undefined);
      });
      return true;
    } catch {
      return false;
    }
  }

  /** Rejects when the body ends early, when no more of it comes, or when `take` throws; then the rest waits unread. */
  async #eachPiece(take: (piece: Buffer) => void): Promise<void> {
    const request = this.#request;
    if (request.destroyed && !request.complete) throw incomplete();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(tooSlow(this.#limits.bodyIdleTimeoutMs)), this.#limits.bodyIdleTimeoutMs);
    const onData = (piece: Buffer): void => {
      timer.refresh();
      try {
        take(piece);
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    };
    const onClose = (): void => (request.complete ? resolve() : reject(incomplete()));
    request.on("data", onData).once("end", resolve).once("close", onClose).resume();
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      request.off("data", onData).off("end", resolve).off("close", onClose).pause();
    }
  }
}

function addressOf(socket: Duplex): string {
  return ("remoteAddress" in socket && typeof socket.remoteAddress === "string" && socket.remoteAddress) || "unknown";
}

function tooLarge(limitBytes: number, announced: number | undefined): HoldfastError {
  const found = announced === undefined ? "it has more" : `it has ${announced}`;
  return new HoldfastError("REQUEST_TOO_LARGE", {
    message: `The body of the request is too long: ${found}, allowed are ${limitBytes} bytes`,
    context: { limitBytes, ...(announced === undefined ? {} : { announced }) },
  });
}

function tooSlow(timeoutMs: number): HoldfastError {
  return new HoldfastError("REQUEST_TIMEOUT", {
    message: `Nothing came of the body of the request for ${timeoutMs} ms`,
    retry: "later",
    context: { timeoutMs },
  });
}

function incomplete(): HoldfastError {
  return new HoldfastError("REQUEST_INVALID", { message: "The request ended before its body was complete", retry: "later" });
}

function listenError(host: string, port: number, error: unknown): HoldfastError {
  const reason = codeOf(error);
  const hints: Readonly<Record<string, string>> = {
    EADDRINUSE: "Another program listens there: stop it, or choose another port.",
    EACCES: "Ports below 1024 need a privilege: choose a higher one.",
    EADDRNOTAVAIL: "Name an address of this machine, or 0.0.0.0 for all of them.",
    ENOTFOUND: "Name an address of this machine, or 0.0.0.0 for all of them.",
  };
  const hint = hints[reason ?? ""];
  return new HoldfastError("LISTEN_FAILED", {
    message: `Cannot listen on ${host}:${port}: ${error instanceof Error ? error.message : String(error)}`,
    context: { host, port, reason },
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}
