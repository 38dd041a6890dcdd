import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { failingFiles } from "../../test/support/failing-files.ts";
import { utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { decodeToken, encodeEnrolmentRequest, encodeToken } from "../formats/enrolment.ts";
import { serviceWorld } from "../main/service-world.ts";
import { askOwnStanding, enrolAgent, listEnrolments, loadAgentIdentity, parseServerUrl } from "./agent.ts";
import { enrolClient, inviteClient, listClients, listInvitations, revokeClient } from "./clients.ts";
import type { Identity } from "../platform/secure-transport.ts";
import type { Route } from "./route.ts";
import { startService } from "./serve.ts";
import { OPERATOR, REPOSITORY_ID, auditRecords, testService } from "./service-harness.contract.ts";
import type { TestService } from "./service-harness.contract.ts";
import { openState } from "./state.ts";
import type { StateWorld } from "./world.ts";
import { verifyAuditLog } from "./verify-audit.ts";

const timeout = 60_000;
const directories: string[] = [];
after(() => directories.forEach((directory) => rmSync(directory, { recursive: true })));

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  directories.push(directory);
  return directory;
}

async function invited(t: TestService, name = "hal", spanMs?: number): Promise<string> {
  return (await inviteClient(t.state, { name, role: "append", actor: OPERATOR, spanMs })).token;
}

function enrolIn(t: TestService, directory: string, token: string, changes: { readonly url?: string } = {}) {
  return enrolAgent(t.world, { directory, url: t.url, token, ...changes });
}

const post = (token: string) =>
  ({ method: "POST", path: "/v1/enrolment", body: encodeEnrolmentRequest(decodeToken(token).secret) }) as const;

describe("enrolment", { timeout }, () => {
  test("makes a client of who has the token, and the agent finds its identity again", async () => {
    await using t = await testService();
    const directory = temporaryDirectory();
    const { enrolledAtMs, key, ...enrolment } = await enrolIn(t, directory, await invited(t));
    assert.deepEqual(enrolment, {
      url: t.url,
      client: "hal",
      role: "append",
      repository: REPOSITORY_ID,
      serverKey: t.service.serverKey,
    });
    assert.deepEqual(
      listClients(t.state).map(({ id: _id, enrolledAtMs: _at, ...client }) => client),
      [{ name: "hal", role: "append", key, revokedAtMs: undefined }],
    );
    assert.deepEqual(listEnrolments(t.world, directory), [{ enrolledAtMs, key, ...enrolment }]);
    const found = loadAgentIdentity(t.world, directory, t.url);
    assert.deepEqual([found.port, found.client, t.world.fingerprintOf(found.identity)], [t.service.port, "hal", key]);
    const standing = { client: "hal", role: "append", repository: REPOSITORY_ID };
    assert.deepEqual(await askOwnStanding(t.world, { directory, url: t.url }), standing);
    for (const name of readdirSync(directory)) assert.equal(statSync(join(directory, name)).mode & 0o077, 0, name);
    assert.equal(readdirSync(directory).length, 1);
  });

  test("is told to who is no client yet", () => {
    const error = { code: "NOT_ENROLLED", message: /no client of the server at https:\/\/backup\.example:7433/ };
    assert.throws(() => loadAgentIdentity(serviceWorld(), temporaryDirectory(), "https://backup.example:7433/"), error);
  });

  test("is refused to a token that has expired", async () => {
    await using t = await testService();
    const [token, longer] = [await invited(t), await invited(t, "later", 2 * 3_600_000)];
    t.pass(3_600_000);
    const { status, json } = await t.ask(t.stranger(), post(token));
    assert.deepEqual([status, json["code"]], [403, "TOKEN_REFUSED"]);
    assert.match(String(json["message"]), /has expired/);
    assert.equal((await t.ask(t.stranger(), post(longer))).status, 200);
  });

  test("is refused to a token that was used, withdrawn, or never given", async () => {
    await using t = await testService();
    const used = await invited(t);
    assert.equal((await t.ask(t.stranger(), post(used))).status, 200);
    assert.match(String((await t.ask(t.stranger(), post(used))).json["message"]), /was used already/);

    const [first, second] = [await invited(t, "eva"), await invited(t, "eva")];
    assert.equal((await t.ask(t.stranger(), post(first))).status, 403);
    await revokeClient(t.state, "eva", OPERATOR);
    assert.equal((await t.ask(t.stranger(), post(second))).status, 403);
    const never = encodeToken({ secret: new Uint8Array(20), serverKey: t.service.serverKey });
    assert.equal((await t.ask(t.stranger(), post(never))).status, 403);
    assert.deepEqual(
      listClients(t.state).map(({ name }) => name),
      ["hal"],
    );
  });

  test("makes one client when two come at once with one token", async () => {
    await using t = await testService();
    for (let round = 0; round < 5; round++) {
      const token = await invited(t, `hal-${round}`);
      const answers = await Promise.all([1, 2, 3, 4].map(() => t.ask(t.stranger(), post(token))));
      assert.deepEqual(
        answers.map(({ status }) => status).toSorted((a, b) => a - b),
        [200, 403, 403, 403],
      );
    }
    assert.equal(listClients(t.state).length, 5);
  });

  test("answers again when its first answer was lost", async () => {
    await using t = await testService();
    const identity = t.stranger();
    const token = await invited(t);
    const first = await t.ask(identity, post(token));
    assert.deepEqual(await t.ask(identity, post(token)), first);
    assert.equal(listClients(t.state).length, 1);

    const directory = temporaryDirectory();
    const again = await invited(t, "eva");
    const lossy = {
      ...t.world,
      connect: (target: Parameters<typeof t.world.connect>[0]) => {
        const connection = t.world.connect(target);
        return {
          close: () => connection.close(),
          exchange: async (request: Parameters<typeof connection.exchange>[0]) => {
            await connection.exchange(request);
            throw new HoldfastError("SERVER_UNREACHABLE", { message: "the answer was lost" });
          },
        };
      },
    };
    await assert.rejects(enrolAgent(lossy, { directory, url: t.url, token: again }), { code: "SERVER_UNREACHABLE" });
    assert.equal((await enrolIn(t, directory, again)).client, "eva");
  });

  test("sends the token to no server but the one it is of, and keeps nothing of a failure", async () => {
    await using t = await testService();
    await using other = await testService();
    const directory = temporaryDirectory();
    const token = await invited(other);
    await assert.rejects(enrolIn(t, directory, token), { code: "SERVER_KEY_MISMATCH" });
    assert.deepEqual(t.audit(), []);
    assert.throws(() => loadAgentIdentity(t.world, directory, t.url), { code: "NOT_ENROLLED" });
    await assert.rejects(enrolIn(t, directory, "hfe1-nonsense"), { code: "TOKEN_REFUSED" });
    await assert.rejects(enrolIn(t, directory, token, { url: "http://x" }), { code: "USAGE" });
  });

  test("keeps no token and no secret in the state", async () => {
    await using t = await testService();
    const secret = (await invited(t)).split("-")[1] ?? "";
    const texts = readdirSync(t.state.invitations).map((name) => name + readFileSync(join(t.state.invitations, name), "utf8"));
    assert.equal(texts.length, 1);
    assert.ok(!texts.join("").includes(secret));
    assert.equal(statSync(join(t.directory, "state", "identity.pem")).mode & 0o077, 0);
  });

  test("refuses a name that is taken, and one that is none", async () => {
    await using t = await testService();
    await t.client("hal");
    await assert.rejects(invited(t), { code: "CLIENT_EXISTS" });
    for (const name of ["", "Hal", "-x", "a/b", "a b", "x".repeat(64)]) await assert.rejects(invited(t, name), { code: "USAGE" });
    await assert.rejects(revokeClient(t.state, "nobody", OPERATOR), { code: "CLIENT_UNKNOWN" });
  });

  test("refuses what is no request to enrol", async () => {
    await using t = await testService();
    for (const body of ["", "{", "[]", "null", '{"token":1}', '{"token":"xyz"}', "\0".repeat(100), "[".repeat(1_000)]) {
      const { status, json } = await t.ask(t.stranger(), { method: "POST", path: "/v1/enrolment", body: utf8(body) });
      assert.deepEqual([status, json["code"]], [400, "FORMAT_INVALID"], body);
    }
    const long = await t.ask(t.stranger(), { method: "POST", path: "/v1/enrolment", body: new Uint8Array(5_000) });
    assert.deepEqual([long.status, long.json["code"]], [413, "REQUEST_TOO_LARGE"]);
  });
});

describe("the state", { timeout }, () => {
  test("is whole whatever call on a file fails: a client is there or not, and repeating it brings what was wanted", async () => {
    const real = serviceWorld();
    const key = "ab".repeat(32);
    for (let call = 1, isCompleted = false; !isCompleted; call++) {
      const directory = join(temporaryDirectory(), "state");
      const { files, hasFailed } = failingFiles(call);
      const work = async (world: StateWorld): Promise<string[]> => {
        const state = await openState(world, directory);
        for (const { name } of listClients(state)) await revokeClient(state, name, OPERATOR);
        const { token } = await inviteClient(state, { name: "hal", role: "append", actor: OPERATOR });
        await enrolClient(
          state,
          decodeToken(token).secret,
          `${key.slice(2)}${listClients(state).length.toString().padStart(2, "0")}`,
        );
        return listClients(state)
          .filter(({ revokedAtMs }) => revokedAtMs === undefined)
          .map(({ name }) => name);
      };
      await work({ ...real, files }).catch((error: unknown) => assert.ok(error instanceof HoldfastError, String(error)));
      isCompleted = !hasFailed();
      assert.deepEqual(await work(real), ["hal"]);
      assert.deepEqual(verifyAuditLog({ files: real.files, directory }).problems, []);
      const left = readdirSync(directory, { recursive: true }).filter((name) => String(name).includes(".tmp-"));
      assert.deepEqual(left, []);
    }
  });
});

describe("a revoked client", { timeout }, () => {
  test("is refused from its next request on, on the connection it has, and its name is free", async () => {
    await using t = await testService();
    const identity = await t.client("hal");
    const connection = t.connect(identity);
    const get = () => connection.exchange({ method: "GET", path: "/v1/repository", limitBytes: 10_000 });
    assert.equal((await get()).status, 200);
    // By a command beside the server, which has opened the state for itself.
    assert.equal(await revokeClient(await openState(t.world, t.state.directory), "hal", OPERATOR), "client");
    assert.equal((await get()).status, 403);
    const second = await t.client("hal", "restore");
    assert.equal((await t.ask(second, { method: "GET", path: "/v1/repository" })).json["role"], "restore");
    assert.equal((await t.ask(identity, { method: "GET", path: "/v1/repository" })).status, 403);
    assert.deepEqual(
      listClients(t.state).map(({ name, revokedAtMs }) => [name, revokedAtMs !== undefined]),
      [
        ["hal", true],
        ["hal", false],
      ],
    );
    assert.deepEqual(listInvitations(t.state), []);
  });
});

describe("a request", { timeout }, () => {
  const secret = "postgres://user:password@host";
  const routes: readonly Route[] = [
    { method: "GET", path: "/v1/fails", privilege: "see-own", bodyLimit: 0, handle: () => Promise.reject(new Error(secret)) },
    {
      method: "GET",
      path: "/v1/refuses/:what",
      privilege: "see-own",
      bodyLimit: 0,
      handle: ({ parameters }) => {
        const { what = "" } = parameters;
        throw new HoldfastError("IMAGE_UNKNOWN", { message: `no ${what}`, hint: "look", retry: "later", context: { what } });
      },
    },
    {
      method: "POST",
      path: "/v1/bytes",
      privilege: "append-own",
      bodyLimit: 100,
      isRoutine: true,
      handle: ({ body, query }) => (query.has("fail") ? Promise.reject(new Error("x")) : Promise.resolve({ bytes: body })),
    },
  ];

  test("that fails inside tells the client a number, and the log what happened", async () => {
    await using t = await testService({ routes });
    const { status, json } = await t.ask(await t.client("hal"), { method: "GET", path: "/v1/fails" });
    const incident = String((json["context"] as Record<string, unknown>)["incident"]);
    assert.equal(status, 500);
    assert.ok(!JSON.stringify(json).includes("postgres"));
    assert.match(incident, /^[0-9a-f]{16}$/);
    assert.equal(t.lines.find((line) => line["event"] === "failure" && line["incident"] === incident)?.["problem"], secret);
    assert.deepEqual(
      t
        .audit()
        .slice(-1)
        .map(({ outcome, code }) => [outcome, code]),
      [["failed", "SERVER_FAILED"]],
    );
  });

  test("that fails for the server's disk says so, and not which file it was", async () => {
    const message = "Cannot write /srv/backup/volumes/main/x: no space left";
    const failing: Route = {
      method: "GET",
      path: "/v1/full",
      privilege: "see-own",
      bodyLimit: 0,
      handle: () => Promise.reject(new HoldfastError("REPOSITORY_WRITE_FAILED", { message, retry: "later" })),
    };
    const unwritable: Route = { ...failing, path: "/v1/unwritable", handle: () => Promise.resolve({ json: 5n }) };
    await using t = await testService({ routes: [failing, unwritable] });
    const identity = await t.client("hal");
    const { status, json } = await t.ask(identity, { method: "GET", path: "/v1/full" });
    assert.deepEqual([status, json["code"], json["retry"]], [507, "REPOSITORY_WRITE_FAILED", "later"]);
    assert.ok(!JSON.stringify(json).includes("/srv"));
    assert.ok(t.lines.some((line) => line["event"] === "failure" && line["problem"] === message));
    assert.equal((await t.ask(identity, { method: "GET", path: "/v1/unwritable" })).status, 500);
  });

  test("that is refused tells the client why, as an error of the program", async () => {
    await using t = await testService({ routes });
    const { status, json } = await t.ask(await t.client("hal"), { method: "GET", path: "/v1/refuses/a%2Fb" });
    const { code, message, hint, retry, context } = json;
    assert.deepEqual(
      { status, code, message, hint, retry, context },
      { status: 404, code: "IMAGE_UNKNOWN", message: "no a/b", hint: "look", retry: "later", context: { what: "a/b" } },
    );
    const bad = await t.ask(await t.client("eva"), { method: "GET", path: "/v1/refuses/%ff" });
    assert.deepEqual([bad.status, bad.json["code"]], [400, "REQUEST_INVALID"]);
  });

  test("of a routine kind is recorded when it fails, and not when it is done", async () => {
    await using t = await testService({ routes });
    const connection = t.connect(await t.client("hal"));
    const before = t.audit().length;
    const send = (path: string, body: Uint8Array) => connection.exchange({ method: "POST", path, body, limitBytes: 1_000 });
    assert.deepEqual(new Uint8Array((await send("/v1/bytes", Uint8Array.of(1, 2, 3))).body), Uint8Array.of(1, 2, 3));
    assert.equal((await send("/v1/bytes", new Uint8Array(101))).status, 413);
    assert.equal((await send("/v1/bytes?fail", new Uint8Array())).status, 500);
    assert.deepEqual(
      t
        .audit()
        .slice(before)
        .map(({ actor, outcome, code }) => [actor, outcome, code]),
      [
        ["client:hal", "refused", "REQUEST_TOO_LARGE"],
        ["client:hal", "failed", "SERVER_FAILED"],
      ],
    );
  });

  test("for content is recorded once an hour, however many there are", async () => {
    const route: Route = {
      method: "POST",
      path: "/v1/content",
      privilege: "read-own",
      bodyLimit: 0,
      isRoutine: true,
      handle: () => Promise.resolve({ json: {} }),
    };
    await using t = await testService({ routes: [route] });
    const [hal, eva] = [await t.client("hal", "restore"), await t.client("eva", "restore")];
    const earlier = t.audit().length;
    const read = (identity: Identity) => t.ask(identity, { method: "POST", path: "/v1/content" });
    for (const identity of [hal, hal, eva, hal]) await read(identity);
    t.pass(3_600_000);
    for (const identity of [hal, hal]) await read(identity);
    const actors = t
      .audit()
      .slice(earlier)
      .map(({ actor }) => actor);
    assert.deepEqual(actors, ["client:hal", "client:eva", "client:hal"]);
  });

  test("that cannot be recorded is not told as done", async () => {
    let fails = false;
    const real = serviceWorld();
    const openForAppending = (path: string) => {
      if (fails) throw new HoldfastError("REPOSITORY_WRITE_FAILED", { message: "no space" });
      return real.openForAppending(path);
    };
    await using t = await testService({ world: { openForAppending } });
    const identity = await t.client("hal");
    fails = true;
    assert.equal((await t.ask(identity, { method: "GET", path: "/v1/repository" })).status, 507);
    assert.equal((await t.ask(identity, { method: "GET", path: "/healthz" })).status, 200);
    fails = false;
    assert.equal((await t.ask(identity, { method: "GET", path: "/v1/repository" })).status, 200);
  });

  test("that is no HTTP is recorded once", async () => {
    await using t = await testService({ limits: { headerBytes: 2_000 } });
    const connection = t.connect(t.stranger());
    await connection.exchange({ method: "GET", path: `/${"x".repeat(5_000)}`, limitBytes: 10 }).catch(() => undefined);
    assert.deepEqual(
      t.audit().map(({ actor, action, object, outcome }) => [actor, action, object, outcome]),
      [["nobody", "request", "HPE_HEADER_OVERFLOW", "refused"]],
    );
  });

  test("is a line of the log", async () => {
    await using t = await testService();
    await t.ask(await t.client("hal"), { method: "GET", path: "/v1/repository" });
    const { time, durationMs, bytesSent, ...line } = t.lines.at(-1) ?? {};
    assert.ok(typeof time === "string" && typeof durationMs === "number" && Number(bytesSent) > 0);
    const { key: _key, code: _code, incident: _incident, problem: _problem, ...rest } = line;
    assert.deepEqual(rest, {
      event: "request",
      address: "127.0.0.1",
      client: "hal",
      method: "GET",
      path: "/v1/repository",
      status: 200,
      outcome: "done",
      bytesReceived: 0,
    });
  });
});

describe("the server", { timeout }, () => {
  test("counts for Prometheus at an address of its own, and nothing else is there", async () => {
    await using t = await testService({ metrics: { host: "127.0.0.1", port: 0 } });
    await t.ask(await t.client("hal"), { method: "GET", path: "/v1/repository" });
    await t.ask(t.stranger(), { method: "GET", path: "/v1/repository?x" });
    await t.ask(t.stranger(), { method: "GET", path: "/v1/nothing" });
    const address = `http://127.0.0.1:${t.service.metrics?.port ?? 0}`;
    const text = await (await fetch(`${address}/metrics`)).text();
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#") && !line.includes("seconds"));
    assert.deepEqual(
      samples.filter((line) => line.startsWith("holdfast_requests_total")),
      [
        'holdfast_requests_total{route="GET /v1/repository",outcome="done"} 1',
        'holdfast_requests_total{route="GET /v1/repository",outcome="refused"} 1',
        'holdfast_requests_total{route="none",outcome="refused"} 1',
      ],
    );
    assert.equal((await fetch(`${address}/v1/repository`)).status, 404);
    assert.equal((await fetch(`${address}/metrics`, { method: "POST" })).status, 404);
  });

  test("keeps its key over a restart, and leaves a whole chain of records", async () => {
    const directory = temporaryDirectory();
    const stateDirectory = join(directory, "state");
    const options = {
      routes: [],
      stateDirectory,
      repositoryId: REPOSITORY_ID,
      listen: { host: "127.0.0.1", port: 0 },
      log: () => undefined,
      actor: OPERATOR,
    };
    const keys: string[] = [];
    for (let i = 0; i < 2; i++) {
      const service = await startService(serviceWorld(), options);
      keys.push(service.serverKey);
      await service.stop();
    }
    assert.equal(keys[0], keys[1]);
    assert.deepEqual(
      auditRecords(stateDirectory).map(({ action, actor }) => [action, actor]),
      [
        ["start-server", OPERATOR],
        ["stop-server", OPERATOR],
        ["start-server", OPERATOR],
        ["stop-server", OPERATOR],
      ],
    );
    assert.deepEqual(verifyAuditLog({ files: serviceWorld().files, directory: stateDirectory }).problems, []);
  });

  test("shows a certificate from elsewhere, and invitations name its key", async () => {
    const identity = serviceWorld().makeIdentity("from elsewhere");
    await using t = await testService({ identity });
    assert.equal(t.service.serverKey, t.world.fingerprintOf(identity));
    assert.equal(decodeToken(await invited(t)).serverKey, t.service.serverKey);
    assert.equal((await enrolIn(t, temporaryDirectory(), await invited(t))).client, "hal");
  });

  test("removes what a writer of its state left that died", async () => {
    await using t = await testService();
    writeFileSync(join(t.state.clients, ".tmp-state-0011"), "half");
    await openState(t.world, t.state.directory);
    assert.deepEqual(readdirSync(t.state.clients), []);
  });

  test("lets nobody in by a damaged record, and keeps nobody else out", async () => {
    await using t = await testService();
    const identity = await t.client("hal");
    writeFileSync(join(t.state.clients, "0011223344556677.json"), "{damaged");
    assert.equal((await t.ask(t.stranger(), { method: "GET", path: "/v1/repository" })).status, 401);
    assert.equal((await t.ask(identity, { method: "GET", path: "/v1/repository" })).status, 200);
  });

  test("refuses an identity file that is none", async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "identity.pem"), "nothing");
    const state = await openState(serviceWorld(), directory);
    await assert.rejects(inviteClient(state, { name: "hal", role: "append", actor: OPERATOR }), { code: "IDENTITY_INVALID" });
  });
});

test("the address of a server is a host and a port", () => {
  assert.deepEqual(parseServerUrl("https://backup.example/"), { host: "backup.example", port: 443 });
  assert.deepEqual(parseServerUrl("https://[::1]:7433"), { host: "::1", port: 7433 });
  for (const text of ["", "x", "http://a", "https://", "https://a/b", "https://u@a", "https://a?b", "https://a#b"]) {
    assert.throws(() => parseServerUrl(text), { code: "USAGE" }, text);
  }
});
