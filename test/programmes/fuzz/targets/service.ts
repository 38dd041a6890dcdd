// What servers and clients say to each other and keep of each other.

import { HoldfastError } from "../../../../src/base/errors.ts";
import { textOf, utf8 } from "../../../../src/base/bytes.ts";
import { FIRST_PREVIOUS, decodeAuditRecord, encodeAuditRecord } from "../../../../src/formats/audit-record.ts";
import type { AuditRecord } from "../../../../src/formats/audit-record.ts";
import {
  decodeAgent,
  decodeClient,
  decodeEnrolmentRequest,
  decodeInvitation,
  decodeRevocation,
  decodeStanding,
  decodeToken,
  encodeAgent,
  encodeClient,
  encodeEnrolmentRequest,
  encodeInvitation,
  encodeRevocation,
  encodeToken,
} from "../../../../src/formats/enrolment.ts";
import { decodeErrorReply, encodeErrorReply } from "../../../../src/formats/error-reply.ts";
import { mutatedJson } from "../json-mutator.ts";
import { mutated } from "../mutator.ts";
import { MIB } from "../target.ts";
import type { FuzzTarget } from "../target.ts";

const KEY = "c5".repeat(32);
const ID = "0011223344556677";
const REPOSITORY = "ab".repeat(16);
const SECRET = new Uint8Array(20).fill(7);
const CLIENT = { name: "hal", role: "append" } as const;
const STANDING = { client: "hal", role: "restore", repository: REPOSITORY } as const;
const RECORD: AuditRecord = {
  sequence: 2,
  timeMs: 1_795_179_802_000,
  actor: "nobody",
  address: "192.0.2.7",
  action: "request",
  object: "GET /",
  outcome: "refused",
  code: "NOT_ENROLLED",
  previous: FIRST_PREVIOUS,
};
const MEMORY = { base: 16 * MIB, perByte: 300 };

function json(name: string, seed: Uint8Array, read: (bytes: Uint8Array) => unknown, names: RegExp): FuzzTarget {
  const mutate: FuzzTarget["mutate"] = (chance, seeds) => (chance.oneIn(3) ? mutated(chance, seeds) : mutatedJson(chance, seeds));
  return { name, seeds: [seed], mutate, read, names, memory: MEMORY };
}

export const SERVICE: readonly FuzzTarget[] = [
  json("client", encodeClient({ id: ID, ...CLIENT, key: KEY, enrolledAtMs: 5 }), decodeClient, /record of a client/),
  json(
    "invitation",
    encodeInvitation({ clientId: ID, ...CLIENT, createdAtMs: 5, expiresAtMs: 6 }),
    decodeInvitation,
    /an invitation/,
  ),
  json("revocation", encodeRevocation({ revokedAtMs: 5 }), decodeRevocation, /a revocation/),
  json(
    "enrolment",
    encodeAgent({ host: "::1", port: 1, serverKey: KEY, ...STANDING, enrolledAtMs: 5, privateKey: "p", certificate: "c" }),
    decodeAgent,
    /record of an enrolment/,
  ),
  json("enrolment-request", encodeEnrolmentRequest(SECRET), decodeEnrolmentRequest, /request to enrol/),
  json("standing", utf8(JSON.stringify(STANDING)), decodeStanding, /answer of the server/),
  {
    name: "audit-record",
    seeds: [
      encodeAuditRecord(RECORD).slice(0, -1),
      encodeAuditRecord({ ...RECORD, skipped: { bytes: 5, sha256: KEY } }).slice(0, -1),
    ],
    mutate: (chance, seeds) => (chance.oneIn(3) ? mutated(chance, seeds) : mutatedJson(chance, seeds)),
    read: (bytes) => {
      // What was read can be written, and reads the same.
      const record = decodeAuditRecord(bytes);
      const again = decodeAuditRecord(encodeAuditRecord(record).slice(0, -1));
      if (JSON.stringify(again) !== JSON.stringify(record)) throw new Error("a record is another one when it is written again");
    },
    names: /line of the audit log/,
    memory: MEMORY,
  },
  json(
    "error-reply",
    encodeErrorReply(new HoldfastError("IMAGE_UNKNOWN", { message: "no", hint: "look", context: { a: 1, b: "x", c: true } })),
    (bytes) => {
      // It never throws: whatever comes is an error of some kind.
      const { message, hint = "" } = decodeErrorReply(500, bytes);
      if (message.length + hint.length > 4_500) throw new Error("an error has more to say than it may");
    },
    /./,
  ),
  {
    name: "token",
    seeds: [utf8(encodeToken({ secret: SECRET, serverKey: KEY }))],
    read: (bytes) => decodeToken(textOf(bytes)),
    codes: ["TOKEN_REFUSED"],
    names: /enrolment token/,
    memory: MEMORY,
  },
];
