// One request and its answer over HTTP. Connections are kept for the next request.

import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import { HoldfastError, errorFrom } from "../../base/errors.ts";
import type { ObjectContent } from "./object-store.ts";

export interface Origin {
  readonly isSecure: boolean;
  readonly host: string;
  readonly port: number;
}

export interface HttpRequest {
  readonly method: string;
  /** Encoded path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly content?: ObjectContent;
  /** An answer that is larger is not read to its end. */
  readonly limitBytes: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Rejects with what the system or Node.js says when there is no complete answer; with FORMAT_INVALID when it is too large. */
export interface HttpConnection {
  exchange(request: HttpRequest): Promise<HttpAnswer>;
  close(): void;
}

/** For so long nothing may move in either direction. */
const SILENCE_MS = 60_000;
const PIECE_BYTES = 256 * 1024;

/** More at once than this wait here: Node's own queue can forget requests when connections are cut off. */
const CONNECTIONS = 32;

export function httpConnection({ isSecure, host, port }: Origin, silenceMs = SILENCE_MS): HttpConnection {
  const { Agent, request: start } = isSecure ? https : http;
  const agent = new Agent({ keepAlive: true, maxFreeSockets: CONNECTIONS });
  const turns = new Turns(CONNECTIONS);

  function attempt(request: HttpRequest): Promise<HttpAnswer> {
    const { method, target, headers, content } = request;
    return new Promise((resolve, reject) => {
      const sending = start({ agent, host, port, method, path: target, headers });
      const stopWatching = watchForSilence(sending, silenceMs, reject);
      let isAnswered = false;
      sending.on("error", reject);
      sending.on("close", () => {
        stopWatching();
        if (!isAnswered) reject(connectionLost());
      });
      sending.on("response", (answer) => {
        isAnswered = true;
        answerOf(answer, request).then(resolve, reject);
      });
      send(sending, content);
    });
  }

  return {
    exchange: async (request) => {
      await turns.take();
      try {
        return await attempt(request);
      } finally {
        turns.giveBack();
      }
    },
    close: () => agent.destroy(),
  };
}

/** Gives up a request in which nothing moves, whatever it waits for: a name, a connection, room to send, an answer. */
function watchForSilence(sending: http.ClientRequest, silenceMs: number, reject: (error: Error) => void): () => void {
  let last = -1;
  let since = performance.now();
  const timer = setInterval(() => {
    const moved = (sending.socket?.bytesRead ?? 0) + (sending.socket?.bytesWritten ?? 0);
    const now = performance.now();
    if (moved !== last) since = now;
    last = moved;
    if (now - since < silenceMs) return;
    clearInterval(timer);
    const error = timedOut(silenceMs);
    sending.destroy(error);
    reject(error);
  }, silenceMs / 4);
  return () => clearInterval(timer);
}

/** So many at once, in the order in which they asked. */
class Turns {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  take(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}

function send(sending: http.ClientRequest, content: ObjectContent | undefined): void {
  if (content === undefined || content instanceof Uint8Array) {
    sending.end(content);
    return;
  }
  sendFile(sending, content).catch((error: unknown) => sending.destroy(errorFrom(error)));
}

async function sendFile(sending: http.ClientRequest, content: Exclude<ObjectContent, Uint8Array>): Promise<void> {
  const file = await fs.promises.open(content.path, "r");
  try {
    for (let at = 0; at < content.sizeBytes && !sending.destroyed;) {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, content.sizeBytes - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new Error(`${content.path} ends at ${at}, expected ${content.sizeBytes} bytes`);
      at += bytesRead;
      if (!sending.write(piece.subarray(0, bytesRead))) await isWritable(sending);
    }
    sending.end();
  } finally {
    await file.close();
  }
}

/** Or closed. */
function isWritable(sending: http.ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      sending.off("drain", done);
      sending.off("close", done);
      resolve();
    };
    sending.on("drain", done);
    sending.on("close", done);
  });
}

async function answerOf(answer: http.IncomingMessage, { method, limitBytes }: HttpRequest): Promise<HttpAnswer> {
  const body = await readBody(answer, limitBytes, method === "HEAD");
  return { status: answer.statusCode ?? 0, headers: answer.headers, body };
}

async function readBody(answer: http.IncomingMessage, limitBytes: number, isBodiless: boolean): Promise<Uint8Array<ArrayBuffer>> {
  const announced = Number(answer.headers["content-length"] ?? Number.NaN);
  if (announced > limitBytes && !isBodiless) {
    answer.destroy();
    throw tooLarge(announced, limitBytes);
  }
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of answer as AsyncIterable<Uint8Array>) {
    length += piece.length;
    if (length > limitBytes) throw tooLarge(length, limitBytes);
    pieces.push(piece);
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    body.set(piece, at);
    at += piece.length;
  }
  return body;
}

function tooLarge(found: number, limitBytes: number): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", {
    message: `The answer has ${found} bytes, expected at most ${limitBytes}`,
    context: { found, limitBytes },
  });
}

function timedOut(silenceMs: number): Error {
  return Object.assign(new Error(`no byte for ${silenceMs / 1000} s`), { code: "ETIMEDOUT" });
}

function connectionLost(): Error {
  return Object.assign(new Error("the connection was closed without an answer"), { code: "ECONNRESET" });
}
