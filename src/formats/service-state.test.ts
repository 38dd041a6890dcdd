import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { bytesOfHex, textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { auditLineHash, decodeAuditRecord, encodeAuditRecord, FIRST_PREVIOUS } from "./audit-record.ts";
import type { AuditRecord } from "./audit-record.ts";
import {
  decodeAgent,
  decodeClient,
  decodeInvitation,
  decodeToken,
  encodeAgent,
  encodeClient,
  encodeInvitation,
  encodeToken,
  tokenName,
} from "./enrolment.ts";
import { decodeErrorReply, encodeErrorReply } from "./error-reply.ts";

const PAGE = new URL("../../docs/formats/service-state.md", import.meta.url);
const SECRET = bytesOfHex("000102030405060708090a0b0c0d0e0f10111213");
const KEY = "c5".repeat(32);
const CLIENT = { id: "0011223344556677", name: "hal", role: "append", key: KEY, enrolledAtMs: 1_795_179_802_000 } as const;
const INVITATION = {
  clientId: CLIENT.id,
  name: "hal",
  role: "append",
  createdAtMs: 1_795_179_800_000,
  expiresAtMs: 1_795_183_400_000,
} as const;

function examples(): readonly string[] {
  const page = readFileSync(PAGE, "utf8");
  return (/## Worked example[^]*?```json\n([^]*?)```/.exec(page)?.[1] ?? "").trimEnd().split("\n");
}

describe("the worked example of the page", () => {
  test("is a client, an invitation and two lines of the audit log, and is written so again", () => {
    const [client = "", invitation = "", first = "", garbage = "", second = ""] = examples();
    assert.deepEqual(decodeClient(utf8(client)), CLIENT);
    assert.equal(textOf(encodeClient(CLIENT)), client);
    assert.deepEqual(decodeInvitation(utf8(invitation)), INVITATION);
    assert.equal(textOf(encodeInvitation(INVITATION)), invitation);
    assert.ok(readFileSync(PAGE, "utf8").includes(tokenName(SECRET)), tokenName(SECRET));

    const record = { sequence: 1, timeMs: CLIENT.enrolledAtMs, actor: `key:${KEY}`, address: "192.0.2.7" };
    const enrolled = { action: "POST /v1/enrolment", object: "hal append", outcome: "done", code: "" } as const;
    const one = { ...record, ...enrolled, previous: FIRST_PREVIOUS };
    assert.equal(textOf(encodeAuditRecord(one)), `${first}\n`);
    assert.deepEqual(decodeAuditRecord(utf8(first)), one);
    const two: AuditRecord = {
      ...{ sequence: 2, timeMs: CLIENT.enrolledAtMs + 60_000, actor: "nobody", address: "198.51.100.9" },
      ...{ action: "request", object: "GET /admin", outcome: "refused" as const, code: "NOT_ENROLLED" },
      ...{ previous: auditLineHash(utf8(first)), skipped: { bytes: 6, sha256: auditLineHash(utf8(`${garbage}\n`)) } },
    };
    assert.equal(textOf(encodeAuditRecord(two)), `${second}\n`);
    assert.deepEqual(decodeAuditRecord(utf8(second)), two);
  });
});

describe("records of the service", () => {
  const invalid = { code: "FORMAT_INVALID" };
  const changed = (record: object, changes: object): Uint8Array => utf8(JSON.stringify({ ...record, ...changes }));

  test("are refused when a field is missing, of another kind or beyond its bounds", () => {
    for (const changes of [
      { id: "x" },
      { name: "../x" },
      { name: "a".repeat(64) },
      { role: "admin" },
      { key: 5 },
      { enrolledAtMs: -1 },
    ]) {
      assert.throws(() => decodeClient(changed(CLIENT, changes)), invalid);
    }
    for (const changes of [{ clientId: "../../x" }, { expiresAtMs: "later" }]) {
      assert.throws(() => decodeInvitation(changed(INVITATION, changes)), invalid);
    }
    assert.throws(() => decodeClient(changed(CLIENT, { mustUnderstand: ["quota"], quota: 1 })), { code: "FORMAT_VERSION" });
    for (const text of ["", "null", "[]", "1", "{", '"x"']) assert.throws(() => decodeClient(utf8(text)), invalid);
  });

  test("of an agent are read as they were written", () => {
    const record = {
      ...{ host: "::1", port: 7433, serverKey: KEY, client: "hal", role: "restore" as const, repository: "ab".repeat(16) },
      ...{ enrolledAtMs: 5, privateKey: "-----BEGIN …\n", certificate: "-----BEGIN …\n" },
    } as const;
    assert.deepEqual(decodeAgent(encodeAgent(record)), record);
    assert.throws(() => decodeAgent(changed(record, { port: 70_000 })), invalid);
  });

  test("a token is read as it was written, and what is none is not repeated", () => {
    const token = { secret: SECRET, serverKey: KEY };
    assert.deepEqual(decodeToken(` ${encodeToken(token)}\n`), token);
    for (const text of [
      "",
      "hfe1-",
      encodeToken(token).slice(1),
      `${encodeToken(token)}0`,
      encodeToken(token).replace("hfe1", "hfe2"),
    ]) {
      assert.throws(
        () => decodeToken(text),
        (error) => error instanceof HoldfastError && error.code === "TOKEN_REFUSED" && !error.message.includes("0001020304"),
      );
    }
  });
});

describe("an error reply", () => {
  test("is the same error on the other side", () => {
    const error = new HoldfastError("IMAGE_UNKNOWN", {
      message: "There is no image 3f",
      hint: "`holdfast images` lists them.",
      retry: "later",
      context: { reference: "3f", count: 2, isExact: false, nothing: undefined },
    });
    const { code, message, hint, retry, context } = decodeErrorReply(404, encodeErrorReply(error));
    assert.deepEqual(
      { code, message, hint, retry, context },
      {
        ...{ code: error.code, message: error.message, hint: error.hint, retry: error.retry },
        context: { reference: "3f", count: 2, isExact: false, status: 404 },
      },
    );
  });

  test("with a code that is not known becomes a general one that names it", () => {
    const reply = utf8('{"code":"FROM_THE_FUTURE","message":"No","hint":null,"retry":"now","context":{}}');
    const { code, message, retry } = decodeErrorReply(418, reply);
    assert.deepEqual([code, message, retry], ["SERVER_FAILED", "No (FROM_THE_FUTURE)", "now"]);
    const disguised = utf8('{"code":"constructor","message":"No","hint":null,"retry":"x","context":{}}');
    assert.equal(decodeErrorReply(400, disguised).code, "SERVER_FAILED");
  });

  test("that cannot be read is an error all the same, within bounds", () => {
    const replies = [
      "",
      "<html>",
      "null",
      "{}",
      "[".repeat(100_000),
      '{"code":1}',
      "\0",
      '{"code":"X","message":"m","retry":"now","context":{"__proto__":1}}',
    ];
    for (const text of replies) {
      const error = decodeErrorReply(502, utf8(text));
      assert.deepEqual([error.code, error.retry], ["SERVER_FAILED", "later"], text.slice(0, 20));
      assert.ok(error.message.length < 3_000);
    }
  });

  test("is bounded however long the error is", () => {
    const context = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`field${i}`, "x".repeat(10_000)]));
    const error = new HoldfastError("FORMAT_INVALID", { message: "m".repeat(100_000), hint: "h".repeat(100_000), context });
    const bytes = encodeErrorReply(error);
    assert.ok(bytes.length < 16_384, String(bytes.length));
    assert.equal(decodeErrorReply(400, bytes).code, "FORMAT_INVALID");
  });
});
