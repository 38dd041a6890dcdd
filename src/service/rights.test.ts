// Every route with everybody who may ask: what happens is what the table of rights says, and it leaves one record.

import assert from "node:assert/strict";
import { request as httpsRequest } from "node:https";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { ServedRepository } from "../api/api.ts";
import { utf8 } from "../base/bytes.ts";
import { CLIENT_PRIVILEGES, OPEN_PRIVILEGES, ROLES, isGranted } from "../model/rights.ts";
import type { ClientPrivilege, Role } from "../model/rights.ts";
import type { Identity } from "../platform/secure-transport.ts";
import { revokeClient } from "./clients.ts";
import { repositoryRoutes } from "./repository-routes.ts";
import type { Route } from "./route.ts";
import { serviceEndpoints } from "./serve.ts";
import { OPERATOR, REPOSITORY_ID, testService } from "./service-harness.contract.ts";
import type { TestService } from "./service-harness.contract.ts";

const PAGE = join(import.meta.dirname, "../../docs/design/service.md");

/** The real routes; whatever is asked of the repository behind them is answered with nothing. */
const REAL_ROUTES = repositoryRoutes(new Proxy({} as ServedRepository, { get: () => () => Promise.resolve(new Uint8Array()) }));

/** One route of each method for each privilege, as somebody else would give them. */
const MADE_UP_ROUTES: readonly Route[] = CLIENT_PRIVILEGES.flatMap((privilege) =>
  (["GET", "POST", "DELETE"] as const).map((method) => ({
    method,
    path: `/v1/${privilege}/:thing`,
    privilege,
    bodyLimit: 100,
    handle: ({ caller, parameters }) => Promise.resolve({ json: { ...caller, ...parameters } }),
  })),
);

const ROUTES = [...REAL_ROUTES, ...MADE_UP_ROUTES];

function endpointsWith(routes: readonly Route[]) {
  const enrol = () => Promise.reject(new Error("only its place in the table counts"));
  return serviceEndpoints({ routes, repositoryId: REPOSITORY_ID, enrol });
}

const ENDPOINTS = endpointsWith(ROUTES);

type Who = Role | "no certificate" | "unknown certificate" | "revoked client";
const EVERYBODY: readonly Who[] = [...ROLES, "no certificate", "unknown certificate", "revoked client"];

/** The status and the code that the table asks for. */
function expected(privilege: (typeof ENDPOINTS)[number]["privilege"], who: Who): string {
  if (privilege === "public") return "200";
  // The token is what counts there; this one is none.
  if (privilege === "enrol") return who === "no certificate" ? "400 REQUEST_INVALID" : "400 FORMAT_INVALID";
  if (who === "no certificate" || who === "unknown certificate") return "401 NOT_ENROLLED";
  if (who === "revoked client") return "403 CLIENT_REVOKED";
  return isGranted(privilege, who) ? "200" : "403 ACCESS_DENIED";
}

describe("the rights at a server", { timeout: 60_000 }, () => {
  let t: TestService;
  const identities = new Map<Who, Identity>();

  before(async () => {
    t = await testService({ routes: ROUTES });
    for (const role of ROLES) identities.set(role, await t.client(`a-${role}`, role));
    identities.set("unknown certificate", t.stranger());
    identities.set("revoked client", await t.client("gone", "restore"));
    await revokeClient(t.state, "gone", OPERATOR);
  });
  after(() => t[Symbol.asyncDispose]());

  async function outcome(method: string, path: string, who: Who): Promise<string> {
    const identity = identities.get(who);
    const { status, json } =
      identity === undefined
        ? await askWithoutCertificate(t.service.port, method, path)
        : await t.ask(identity, { method: method as "GET", path, ...(method === "POST" ? { body: utf8("x") } : {}) });
    return status === 200 ? "200" : `${status} ${String(json["code"])}`;
  }

  for (const { method, path, privilege, isRoutine } of ENDPOINTS) {
    for (const who of EVERYBODY) {
      test(`${method} ${path} asked by: ${who}`, async () => {
        const earlier = t.audit().length;
        const wanted = expected(privilege, who);
        assert.equal(await outcome(method, `${path.replaceAll(/:\w+/g, "x")}?number=1`, who), wanted);
        const records = t.audit().slice(earlier);
        // Each reads once here.
        const isRecorded = wanted === "200" ? !isRoutine || privilege === "read-own" : privilege !== "public";
        assert.equal(records.length, isRecorded ? 1 : 0);
        const code = wanted.split(" ")[1] ?? "";
        if (isRecorded) assert.deepEqual([records[0]?.action, records[0]?.code], [`${method} ${path}`, code]);
      });
    }
  }

  test("what no route answers is refused, and strangers cannot tell it from what one does", async () => {
    for (const [method, path] of [
      ["GET", "/v1/nothing"],
      ["DELETE", "/v1/repository"],
      ["GET", "/"],
      ["POST", "/healthz"],
    ] as const) {
      for (const who of EVERYBODY) {
        const earlier = t.audit().length;
        const isClient = who === "append" || who === "restore";
        assert.equal(
          await outcome(method, path, who),
          isClient ? "404 ROUTE_UNKNOWN" : expected("see-own", who),
          `${path} ${who}`,
        );
        assert.deepEqual(
          t
            .audit()
            .slice(earlier)
            .map(({ action, outcome: recorded }) => [action, recorded]),
          [["request", "refused"]],
        );
      }
    }
  });

  test("a route that anybody might use is not taken", () => {
    for (const privilege of OPEN_PRIVILEGES) {
      const route: Route = { method: "GET", path: "/x", privilege, bodyLimit: 0, handle: () => Promise.resolve({ json: {} }) };
      assert.throws(() => endpointsWith([route]), /a privilege of clients/);
    }
  });
});

test("the page has the tables of rights and of routes", () => {
  const page = readFileSync(PAGE, "utf8");
  const between = (name: string): RegExp => new RegExp(`(?<=<!-- ${name} -->\\n)[^]*?(?=<!-- end of ${name} -->)`);
  const written = page.replace(between("rights"), rightsTable()).replace(between("routes"), routesTable());
  if (process.env["HOLDFAST_UPDATE_DOCS"] === "1") writeFileSync(PAGE, written);
  assert.equal(readFileSync(PAGE, "utf8"), written);
});

function rightsTable(): string {
  const meanings: Readonly<Record<ClientPrivilege | "public" | "enrol", string>> = {
    public: "whether the server is well",
    enrol: "become a client, with a token",
    "see-own": "see which images there are of one's own, and their metadata",
    "append-own": "back up",
    "read-own": "read the content of one's own images",
  };
  const header = ["privilege", "what it is for", "anybody", ...ROLES.map((role) => `\`${role}\``)];
  const rows = [...OPEN_PRIVILEGES, ...CLIENT_PRIVILEGES].map((privilege) => {
    const cells = [undefined, ...ROLES].map((role) => (isGranted(privilege, role) ? "yes" : "–"));
    return [`\`${privilege}\``, meanings[privilege], ...cells];
  });
  const lines = [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

function routesTable(): string {
  const recorded = {
    always: "always",
    hourly: "when refused or failed; otherwise once an hour for each client",
    problems: "when refused or failed",
    never: "when refused",
  };
  const rows = endpointsWith(REAL_ROUTES).map(({ method, path, privilege, isRoutine, bodyLimit }) => {
    const whenRoutine = privilege === "read-own" ? recorded.hourly : recorded.problems;
    const when = privilege === "public" ? recorded.never : isRoutine ? whenRoutine : recorded.always;
    return [`${method} \`${path}\``, `\`${privilege}\``, String(bodyLimit), when];
  });
  const header = ["route", "privilege", "bytes of a body", "in the audit log"];
  const lines = [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `${lines.join("\n")}\n`;
}

function askWithoutCertificate(port: number, method: string, path: string) {
  const { promise, resolve, reject } = Promise.withResolvers<{
    readonly status: number;
    readonly json: Record<string, unknown>;
  }>();
  const request = httpsRequest({ host: "127.0.0.1", port, method, path, rejectUnauthorized: false, agent: false }, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (piece: string) => (text += piece));
    response.on("end", () => resolve({ status: response.statusCode ?? 0, json: JSON.parse(text) as Record<string, unknown> }));
  });
  request.on("error", reject).end(method === "POST" ? "x" : undefined);
  return promise;
}
