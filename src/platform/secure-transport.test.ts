import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectPlain } from "node:net";
import type { Socket } from "node:net";
import { after, describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { SERVING_LIMITS } from "./http-serving.ts";
import type { Malformed, PeerReply, PeerRequest, ServingLimits } from "./http-serving.ts";
import { startPlainServer } from "./plain-server.ts";
import { CLIENT_LIMITS, secureConnection } from "./secure-client.ts";
import { startSecureServer } from "./secure-server.ts";
import type { SecureServer } from "./secure-server.ts";
import type { Identity } from "./secure-transport.ts";
import { systemClock } from "./system-clock.ts";
import { systemRandom } from "./system-random.ts";
import { identityFingerprint, makeIdentity } from "./x509.ts";

const newIdentity = (): Identity => makeIdentity("test", { nowMs: systemClock.now(), random: systemRandom });
const identity = newIdentity();
const clientIdentity = newIdentity();
const timeout = 30_000;

const running: { stop(): Promise<void> }[] = [];
after(async () => {
  for (const server of running) await server.stop();
});

interface Started {
  readonly server: SecureServer;
  readonly malformed: Malformed[];
  readonly failures: Error[];
}

type Signal = PromiseWithResolvers<void>;
type Handle = (request: PeerRequest) => Promise<PeerReply>;

const reply = (text: string, status = 200): PeerReply => ({ status, contentType: "text/plain", body: utf8(text) });

/** Answers with what it was sent. */
const echo: Handle = async (request) => {
  const body = textOf(await request.readBody(1_000));
  return reply(
    JSON.stringify({ method: request.method, path: request.path, query: [...request.query], body, key: request.peerKey }),
  );
};

/** Errors become status 400, and their code the body. */
function reporting(handle: Handle): Handle {
  return (request) =>
    handle(request).catch((error: unknown) => reply(error instanceof HoldfastError ? error.code : String(error), 400));
}

async function start(handle: Handle = echo, limits: Partial<ServingLimits> = {}): Promise<Started> {
  const malformed: Malformed[] = [];
  const failures: Error[] = [];
  const server = await startSecureServer({
    host: "127.0.0.1",
    port: 0,
    identity,
    limits: { ...SERVING_LIMITS, ...limits },
    handle: reporting(handle),
    onMalformed: (what) => malformed.push(what),
    onFailure: (error) => failures.push(error),
  });
  running.push(server);
  return { server, malformed, failures };
}

function connectTo(server: SecureServer, changes: { readonly serverKey?: string; readonly idleTimeoutMs?: number } = {}) {
  const { serverKey = server.serverKey, ...limits } = changes;
  const target = { host: "127.0.0.1", port: server.port, serverKey, identity: clientIdentity };
  return secureConnection(target, { ...CLIENT_LIMITS, ...limits });
}

/** A TLS connection of somebody who does not keep to the rules. */
async function rawConnection({ port }: SecureServer, options: { readonly allowHalfOpen?: boolean } = {}) {
  const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
  await once(socket, "secureConnect");
  return { socket, ended: collect(socket) };
}

/** All that comes until the connection has ended, however that happens. */
function collect(socket: Socket): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  socket.on("data", (piece: Buffer) => (text += piece.toString("latin1")));
  socket.on("error", () => undefined);
  socket.on("close", () => resolve(text));
  return promise;
}

describe("a secure connection", { timeout }, () => {
  test("carries requests and replies, and tells the server the client's key", async () => {
    const { server } = await start();
    const connection = connectTo(server);
    const { status, body } = await connection.exchange({
      method: "POST",
      path: "/v1/x%20y?a=1&b=%C3%BC",
      body: utf8("ü"),
      limitBytes: 1_000,
    });
    connection.close();
    assert.equal(status, 200);
    assert.deepEqual(JSON.parse(textOf(body)), {
      method: "POST",
      path: "/v1/x%20y",
      query: [
        ["a", "1"],
        ["b", "ü"],
      ],
      body: "ü",
      key: identityFingerprint(clientIdentity),
    });
  });

  test("is kept for the next request, and there are several at once", async () => {
    const waiting: (() => void)[] = [];
    const { server } = await start(async ({ path }) => {
      if (path === "/wait") {
        const { promise, resolve } = Promise.withResolvers<void>();
        if (waiting.push(resolve) === 3) for (const go of waiting) go();
        await promise;
      }
      return reply("done");
    });
    const connection = connectTo(server);
    const get = (path: string) => connection.exchange({ method: "GET", path, limitBytes: 100 });
    await Promise.all([get("/wait"), get("/wait"), get("/wait")]);
    assert.equal(server.connections(), 3);
    for (let i = 0; i < 5; i++) await get("/next");
    assert.equal(server.connections(), 3);
    connection.close();
  });

  test("sends nothing to a server with another key, and names both", async () => {
    let requests = 0;
    const { server } = await start(() => {
      requests++;
      return Promise.resolve(reply(""));
    });
    const expected = "ab".repeat(32);
    const connection = connectTo(server, { serverKey: expected });
    await assert.rejects(connection.exchange({ method: "GET", path: "/", limitBytes: 10 }), {
      code: "SERVER_KEY_MISMATCH",
      context: { host: "127.0.0.1", port: server.port, found: server.serverKey, expected },
    });
    assert.equal(requests, 0);
  });

  test("refuses an answer beyond its limit, and goes on with the next", async () => {
    const { server } = await start(({ path }) => Promise.resolve(reply("x".repeat(Number(path.slice(1))))));
    const connection = connectTo(server);
    const get = (size: number) => connection.exchange({ method: "GET", path: `/${size}`, limitBytes: 100 });
    await assert.rejects(get(101), { code: "SERVER_ANSWER_INVALID" });
    assert.equal((await get(100)).body.length, 100);
    connection.close();
  });

  test("rejects with the reason of the signal, and the server hears of it", async () => {
    const heard = Promise.withResolvers<void>();
    const abort = new AbortController();
    const { server } = await start(async ({ signal }) => {
      signal.addEventListener("abort", () => heard.resolve());
      abort.abort(new Error("enough"));
      await heard.promise;
      return reply("");
    });
    const connection = connectTo(server);
    const request = { method: "GET", path: "/", limitBytes: 10, signal: abort.signal } as const;
    await assert.rejects(connection.exchange(request), { message: "enough" });
    await heard.promise;
    await assert.rejects(connection.exchange(request), { message: "enough" });
    connection.close();
  });

  test("says that a server is unreachable: gone, silent, or closed by this side", async () => {
    const { server } = await start();
    const connection = connectTo(server);
    const get = () => connection.exchange({ method: "GET", path: "/", limitBytes: 1_000 });
    await get();
    await server.stop();
    await assert.rejects(get(), { code: "SERVER_UNREACHABLE", retry: "later" });

    const silent = await start(
      ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(reply("")))),
    );
    const impatient = connectTo(silent.server, { idleTimeoutMs: 20 });
    await assert.rejects(impatient.exchange({ method: "GET", path: "/", limitBytes: 10 }), { code: "SERVER_UNREACHABLE" });
    impatient.close();
    await assert.rejects(impatient.exchange({ method: "GET", path: "/", limitBytes: 10 }), { code: "SERVER_UNREACHABLE" });
  });

  test("says that a server is unreachable when it ends the connection in the middle of an answer", async () => {
    const server = connectPlainTrap();
    const connection = secureConnection(
      { host: "127.0.0.1", port: await server.port, serverKey: "00".repeat(32), identity: clientIdentity },
      CLIENT_LIMITS,
    );
    await assert.rejects(connection.exchange({ method: "GET", path: "/", limitBytes: 10 }), { code: "SERVER_UNREACHABLE" });
    await server.stop();
  });
});

/** Accepts connections and ends them at once. */
function connectPlainTrap(): { readonly port: Promise<number>; stop(): Promise<void> } {
  const started = import("node:net").then(async ({ createServer }) => {
    const server = createServer((socket) => socket.on("error", () => undefined).destroy()).listen(0, "127.0.0.1");
    await once(server, "listening");
    return server;
  });
  return {
    port: started.then((server) => (server.address() as { readonly port: number }).port),
    stop: async () => void (await started).close(),
  };
}

describe("the server", { timeout }, () => {
  test("speaks no TLS but 1.3", async () => {
    const { server } = await start();
    for (const version of ["TLSv1.2", "TLSv1.1"] as const) {
      const socket = connectTls({
        host: "127.0.0.1",
        port: server.port,
        rejectUnauthorized: false,
        minVersion: "TLSv1.1",
        maxVersion: version,
      });
      const [error] = (await once(socket, "error").catch((failure: unknown) => [failure])) as [NodeJS.ErrnoException];
      assert.match(String(error.code), /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS/);
    }
    const { socket } = await rawConnection(server);
    assert.equal(socket.getProtocol(), "TLSv1.3");
    socket.destroy();
  });

  test("serves who presents no certificate as nobody", async () => {
    const { server } = await start();
    const { socket, ended } = await rawConnection(server);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const text = await ended;
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.ok(!text.includes('"key"'), text);
  });

  test("resumes no session: each connection proves the key anew", async () => {
    const { server } = await start();
    const socket = connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false });
    const sessions: Buffer[] = [];
    socket.on("session", (session) => sessions.push(session));
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    await collect(socket);
    for (const session of sessions) {
      const again = connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false, session });
      await once(again, "secureConnect");
      assert.equal(again.isSessionReused(), false);
      again.destroy();
    }
  });

  test("refuses headers beyond their limit", async () => {
    const { server, malformed } = await start(echo, { headerBytes: 2_000 });
    const { socket, ended } = await rawConnection(server);
    socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(4_000)}\r\n\r\n`);
    assert.match(await ended, /^HTTP\/1\.1 431 /);
    assert.deepEqual(malformed, [{ address: "127.0.0.1", status: 431, reason: "HPE_HEADER_OVERFLOW" }]);
  });

  test("refuses what is no HTTP", async () => {
    const { server, malformed } = await start();
    const { socket, ended } = await rawConnection(server);
    socket.write("\u0000\u0001\u0002 what?\r\n\r\n");
    assert.match(await ended, /^HTTP\/1\.1 400 /);
    assert.equal(malformed.length, 1);
  });

  test("refuses a body beyond its limit, announced or not, and goes on", async () => {
    const { server } = await start();
    const connection = connectTo(server);
    const post = (size: number) =>
      connection.exchange({ method: "POST", path: "/", body: new Uint8Array(size), limitBytes: 10_000 });
    assert.equal(textOf((await post(1_001)).body), "REQUEST_TOO_LARGE");
    assert.equal(textOf((await post(1_000_000)).body), "REQUEST_TOO_LARGE");
    assert.equal((await post(1_000)).status, 200);
    assert.equal(server.connections(), 1);
    connection.close();

    const { socket, ended } = await rawConnection(server);
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    for (let i = 0; i < 20; i++) socket.write(`64\r\n${"z".repeat(100)}\r\n`);
    socket.write("0\r\n\r\n");
    assert.match(await ended, /^HTTP\/1\.1 400 [^]*REQUEST_TOO_LARGE/);
  });

  test("ends the connection of who goes on with a body that nobody wants", async () => {
    const { server } = await start(echo, { discardedBytes: 5_000 });
    const { socket, ended } = await rawConnection(server);
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    const sent = setInterval(() => socket.write("z".repeat(1_000)), 1);
    await ended;
    clearInterval(sent);
  });

  test("ends the connection of who asks on and on without waiting for replies", async () => {
    let most = 0;
    const { server } = await start(async ({ signal }) => {
      most++;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      return reply("");
    });
    const { socket, ended } = await rawConnection(server);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100));
    assert.equal(await ended, "");
    assert.equal(most, 4);
  });

  test("holds no more of all bodies than allowed; who comes later waits", async () => {
    const [holds, begun, go] = [1, 2, 3].map(() => Promise.withResolvers<void>()) as [Signal, Signal, Signal];
    const order: string[] = [];
    const { server } = await start(
      async (request) => {
        if (request.path === "/second") begun.resolve();
        const { length } = await request.readBody(1_000);
        order.push(`${request.path} ${length}`);
        if (request.path === "/first") {
          holds.resolve();
          await go.promise;
        }
        return reply("done");
      },
      { bodiesBytes: 1_000 },
    );
    const connection = connectTo(server);
    const post = (path: string, size: number) =>
      connection.exchange({ method: "POST", path, body: new Uint8Array(size), limitBytes: 100 });
    const first = post("/first", 600);
    await holds.promise;
    const second = post("/second", 500);
    await begun.promise;
    await post("/small", 0);
    assert.ok(!order.includes("/second 500"));
    go.resolve();
    await Promise.all([first, second]);
    assert.deepEqual(order, ["/first 600", "/small 0", "/second 500"]);
    connection.close();
  });

  test("ends a request whose headers come too slowly", async () => {
    const { server, malformed } = await start(echo, { headersTimeoutMs: 40 });
    const { socket, ended } = await rawConnection(server);
    socket.write("GET / HTTP/1.1\r\n");
    const drip = setInterval(() => socket.write("X: y\r\n"), 10);
    const text = await ended;
    clearInterval(drip);
    assert.match(text, /^(?:HTTP\/1\.1 408 |$)/);
    assert.equal(malformed[0]?.status, 408);
  });

  test("ends a request whose body comes too slowly, and one whose body stops", async () => {
    const slow = await start(echo, { requestTimeoutMs: 60, headersTimeoutMs: 50 });
    const dripping = await rawConnection(slow.server);
    dripping.socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n");
    const drip = setInterval(() => dripping.socket.write("z"), 10);
    await dripping.ended;
    clearInterval(drip);

    const stopped = await start(echo, { bodyIdleTimeoutMs: 30 });
    const { socket, ended } = await rawConnection(stopped.server);
    socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nabc");
    assert.match(await ended, /^HTTP\/1\.1 400 [^]*REQUEST_TIMEOUT/);
  });

  test("ends connections that never say anything, before the handshake and after it", async () => {
    const { server } = await start(echo, { handshakeTimeoutMs: 30, idleTimeoutMs: 30 });
    const silent = connectPlain(server.port, "127.0.0.1");
    const { ended } = await rawConnection(server);
    assert.deepEqual(await Promise.all([collect(silent), ended]), ["", ""]);
  });

  test("ends connections whose other half has closed", async () => {
    const { server } = await start();
    const { socket, ended } = await rawConnection(server, { allowHalfOpen: true });
    socket.end();
    assert.equal(await ended, "");
  });

  test("lets a request take its time that the client waits for", async () => {
    const { server } = await start(
      async () => {
        // Whoever is idle is gone by now.
        await (
          await rawConnection(server)
        ).ended;
        return reply("late");
      },
      { idleTimeoutMs: 20 },
    );
    const connection = connectTo(server);
    assert.equal(textOf((await connection.exchange({ method: "GET", path: "/", limitBytes: 10 })).body), "late");
    connection.close();
  });

  test("takes no more connections than allowed, in all and from one address", async () => {
    for (const limits of [{ connections: 2 }, { connectionsPerAddress: 2 }]) {
      const { server } = await start(echo, limits);
      const [first] = [await rawConnection(server), await rawConnection(server)];
      const third = connectPlain(server.port, "127.0.0.1");
      await collect(third);
      first.socket.destroy();
      await first.ended;
      // The server hears of it a moment later.
      for (let isTaken = false; !isTaken;) {
        const next = connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false });
        isTaken = await once(next, "secureConnect").then(
          () => true,
          () => false,
        );
      }
    }
  });

  test("finishes the request under way before it stops, and takes no other", async () => {
    const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { server } = await start(async () => {
      begun.resolve();
      await go.promise;
      return reply("finished");
    });
    const idle = await rawConnection(server);
    const connection = connectTo(server);
    const answer = connection.exchange({ method: "GET", path: "/", limitBytes: 100 });
    await begun.promise;
    const stopped = server.stop();
    await idle.ended;
    await assert.rejects(connectTo(server).exchange({ method: "GET", path: "/", limitBytes: 10 }), {
      code: "SERVER_UNREACHABLE",
    });
    go.resolve();
    assert.equal(textOf((await answer).body), "finished");
    await stopped;
    assert.equal(server.connections(), 0);
  });

  test("gives up on a request that does not end when it has waited long enough", async () => {
    const begun = Promise.withResolvers<void>();
    const { server } = await start(
      ({ signal }) => {
        begun.resolve();
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve(reply(""))));
      },
      { stopTimeoutMs: 20 },
    );
    const failed = assert.rejects(connectTo(server).exchange({ method: "GET", path: "/", limitBytes: 10 }), {
      code: "SERVER_UNREACHABLE",
    });
    await begun.promise;
    await server.stop();
    await failed;
  });

  test("goes on when the answer to a request fails, and tells of it", async () => {
    let fails = true;
    const { server, failures } = await start(() => {
      if (!fails) return Promise.resolve(reply("well"));
      fails = false;
      // No such status: the reply cannot be written.
      return Promise.resolve(reply("", 5));
    });
    const connection = connectTo(server);
    const get = () => connection.exchange({ method: "POST", path: "/", limitBytes: 100 });
    await assert.rejects(get(), { code: "SERVER_UNREACHABLE" });
    assert.equal(textOf((await get()).body), "well");
    assert.equal(failures.length, 1);
    connection.close();
  });

  test("says which address it cannot listen on", async () => {
    const { server } = await start();
    const options = { limits: SERVING_LIMITS, handle: echo, onMalformed: () => undefined, onFailure: () => undefined, identity };
    await assert.rejects(startSecureServer({ ...options, host: "127.0.0.1", port: server.port }), {
      code: "LISTEN_FAILED",
      hint: "Another program listens there: stop it, or choose another port.",
    });
  });
});

test("the plain server answers without TLS", { timeout }, async () => {
  const server = await startPlainServer({
    host: "127.0.0.1",
    port: 0,
    limits: SERVING_LIMITS,
    handle: echo,
    onMalformed: () => undefined,
    onFailure: () => undefined,
  });
  running.push(server);
  const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`);
  assert.deepEqual(await answer.json(), { method: "GET", path: "/metrics", query: [], body: "" });
});
