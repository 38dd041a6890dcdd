// What makes somebody a client: the invitation that a server keeps, the line that a person copies, and the record of the
// client that comes of it. Layout: docs/formats/service-state.md.

import { createHash } from "node:crypto";
import { hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { ROLES } from "../model/rights.ts";
import type { Role } from "../model/rights.ts";
import { JsonFields, encodeJson } from "./json-fields.ts";

/** Becomes part of file names, metric labels and lines of logs. */
export const CLIENT_NAME = /^[a-z0-9](?:[a-z0-9._-]{0,62})$/;
export const CLIENT_ID = /^[0-9a-f]{16}$/;
export const KEY_FINGERPRINT = /^[0-9a-f]{64}$/;
export const TOKEN_SECRET_BYTES = 20;
export const SERVICE_RECORD_LIMIT = 16_384;

export interface Invitation {
  /** The client that comes of it; so one invitation makes one client, however often it is used. */
  readonly clientId: string;
  readonly name: string;
  readonly role: Role;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface ClientRecord {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  /** Fingerprint of the key that the client proves to have. */
  readonly key: string;
  readonly enrolledAtMs: number;
}

export interface Revocation {
  readonly revokedAtMs: number;
}

/** What an agent keeps of the server it is a client of. */
export interface AgentRecord {
  readonly host: string;
  readonly port: number;
  readonly serverKey: string;
  readonly client: string;
  readonly role: Role;
  readonly repository: string;
  readonly enrolledAtMs: number;
  readonly privateKey: string;
  readonly certificate: string;
}

/** A line to copy: the secret of an invitation, and the key of the server to give it to. */
export interface EnrolmentToken {
  readonly secret: Uint8Array;
  readonly serverKey: string;
}

const TOKEN_TEXT = /^hfe1-([0-9a-f]{40})-([0-9a-f]{64})$/;

export function encodeToken({ secret, serverKey }: EnrolmentToken): string {
  return `hfe1-${hexOf(secret)}-${serverKey}`;
}

/** TOKEN_REFUSED for anything else, which is not repeated: it may be a secret all the same. */
export function decodeToken(text: string): EnrolmentToken {
  const [, secret, serverKey] = TOKEN_TEXT.exec(text.trim()) ?? [];
  if (secret !== undefined && serverKey !== undefined) return { secret: new Uint8Array(Buffer.from(secret, "hex")), serverKey };
  throw new HoldfastError("TOKEN_REFUSED", {
    message: 'This is no enrolment token: expected are "hfe1-", 40 digits, "-" and 64 digits, all hexadecimal',
    context: { length: text.length },
    hint: "Copy the whole line that `holdfast client add` wrote.",
  });
}

/** The name of an invitation's file. Whoever reads the file learns nothing that makes a client. */
export function tokenName(secret: Uint8Array): string {
  return createHash("sha256").update("holdfast enrolment token 1\0").update(secret).digest("hex");
}

const INVITATION_FIELDS = ["clientId", "name", "role", "createdAtMs", "expiresAtMs", "mustUnderstand"];
const CLIENT_FIELDS = ["id", "name", "role", "key", "enrolledAtMs", "mustUnderstand"];
const REVOCATION_FIELDS = ["revokedAtMs", "mustUnderstand"];
const AGENT_FIELDS = ["host", "port", "serverKey", "client", "role", "repository", "enrolledAtMs"];

export function encodeInvitation(invitation: Invitation): Uint8Array {
  const { clientId, name, role, createdAtMs, expiresAtMs } = invitation;
  return encodeJson({ clientId, name, role, createdAtMs, expiresAtMs });
}

export function decodeInvitation(bytes: Uint8Array): Invitation {
  const fields = JsonFields.decode(bytes, "an invitation", INVITATION_FIELDS);
  return {
    clientId: fields.pattern("clientId", CLIENT_ID),
    name: fields.pattern("name", CLIENT_NAME),
    role: roleOf(fields),
    createdAtMs: fields.integer("createdAtMs"),
    expiresAtMs: fields.integer("expiresAtMs"),
  };
}

export function encodeClient({ id, name, role, key, enrolledAtMs }: ClientRecord): Uint8Array {
  return encodeJson({ id, name, role, key, enrolledAtMs });
}

export function decodeClient(bytes: Uint8Array): ClientRecord {
  const fields = JsonFields.decode(bytes, "the record of a client", CLIENT_FIELDS);
  return {
    id: fields.pattern("id", CLIENT_ID),
    name: fields.pattern("name", CLIENT_NAME),
    role: roleOf(fields),
    key: fields.pattern("key", KEY_FINGERPRINT),
    enrolledAtMs: fields.integer("enrolledAtMs"),
  };
}

export function encodeRevocation({ revokedAtMs }: Revocation): Uint8Array {
  return encodeJson({ revokedAtMs });
}

export function decodeRevocation(bytes: Uint8Array): Revocation {
  return { revokedAtMs: JsonFields.decode(bytes, "a revocation", REVOCATION_FIELDS).integer("revokedAtMs") };
}

export function encodeAgent(record: AgentRecord): Uint8Array {
  const { host, port, serverKey, client, role, repository, enrolledAtMs, privateKey, certificate } = record;
  return encodeJson({ host, port, serverKey, client, role, repository, enrolledAtMs, privateKey, certificate });
}

export function decodeAgent(bytes: Uint8Array): AgentRecord {
  const fields = JsonFields.decode(bytes, "the record of an enrolment", [...AGENT_FIELDS, "privateKey", "certificate"]);
  return {
    host: fields.text("host", 255),
    port: fields.integer("port", { least: 1, most: 65_535 }),
    serverKey: fields.pattern("serverKey", KEY_FINGERPRINT),
    client: fields.pattern("client", CLIENT_NAME),
    role: roleOf(fields),
    repository: fields.pattern("repository", REPOSITORY_ID),
    enrolledAtMs: fields.integer("enrolledAtMs"),
    privateKey: fields.text("privateKey"),
    certificate: fields.text("certificate"),
  };
}

const REPOSITORY_ID = /^[0-9a-f]{32}$/;

/** What the client sends; its key is the one it proves to have in the handshake. */
export function encodeEnrolmentRequest(secret: Uint8Array): Uint8Array {
  return encodeJson({ token: hexOf(secret) });
}

export function decodeEnrolmentRequest(bytes: Uint8Array): Uint8Array {
  const fields = JsonFields.decode(bytes, "the request to enrol", ["token", "mustUnderstand"]);
  return new Uint8Array(Buffer.from(fields.pattern("token", /^[0-9a-f]{40}$/), "hex"));
}

/** Who the client is to the server, and which repository is behind it: the answer to an enrolment, and to GET /v1/repository. */
export interface ClientStanding {
  readonly client: string;
  readonly role: Role;
  readonly repository: string;
}

export function decodeStanding(bytes: Uint8Array): ClientStanding {
  const fields = JsonFields.decode(bytes, "the answer of the server", ["client", "role", "repository", "mustUnderstand"]);
  return {
    client: fields.pattern("client", CLIENT_NAME),
    role: roleOf(fields),
    repository: fields.pattern("repository", REPOSITORY_ID),
  };
}

function roleOf(fields: JsonFields): Role {
  const text = fields.text("role", 64);
  return ROLES.find((role) => role === text) ?? fields.refuse("role", `is none of ${ROLES.join(", ")}`);
}
