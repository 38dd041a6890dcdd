// The client's side of an enrolment: the key it makes, the server it belongs to, and what it keeps of both
// (docs/formats/service-state.md). One file for each server, readable by its owner alone.

import { textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError, hasCode } from "../base/errors.ts";
import {
  SERVICE_RECORD_LIMIT,
  decodeAgent,
  decodeStanding,
  decodeToken,
  encodeAgent,
  encodeEnrolmentRequest,
  tokenName,
} from "../formats/enrolment.ts";
import type { AgentRecord, ClientStanding } from "../formats/enrolment.ts";
import { decodeErrorReply } from "../formats/error-reply.ts";
import { isTemporaryName, publishReplacing, temporaryNames } from "../media/media.ts";
import type { Publication } from "../media/media.ts";
import type { Role } from "../model/rights.ts";
import type { Identity, ServerConnection, ServerRequest } from "../platform/secure-transport.ts";
import type { AgentWorld, StateWorld } from "./world.ts";

const ANSWER_LIMIT = 16_384;
const SERVER_FILE = /\.json$/;
const CERTIFICATE_NAME = "holdfast client";
const PENDING_MARK_LENGTH = 16;

/** Everything it takes to connect. */
export interface AgentIdentity {
  readonly host: string;
  readonly port: number;
  readonly serverKey: string;
  readonly identity: Identity;
  readonly client: string;
}

export interface AgentEnrolment {
  readonly url: string;
  readonly client: string;
  readonly role: Role;
  readonly repository: string;
  readonly serverKey: string;
  /** The client's own. */
  readonly key: string;
  readonly enrolledAtMs: number;
}

export interface EnrolAgentOptions {
  /** Where enrolments are kept. */
  readonly directory: string;
  readonly url: string;
  readonly token: string;
  readonly signal?: AbortSignal | undefined;
}

interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Makes a key and has it enrolled; what is kept of an earlier enrolment with that server stays in force until then. Cut off in
 * between, it can be repeated with the same token.
 */
export async function enrolAgent(world: AgentWorld, options: EnrolAgentOptions): Promise<AgentEnrolment> {
  const { directory, signal } = options;
  const address = parseServerUrl(options.url);
  const { secret, serverKey } = decodeToken(options.token);
  world.files.makeDirectory(directory);
  const pending = `${fileName(address, "pending")}-${tokenName(secret).slice(0, PENDING_MARK_LENGTH)}.pem`;
  const identity = await pendingIdentity(world, directory, pending);
  const connection = world.connect({ ...address, serverKey, identity });
  let standing: ClientStanding;
  try {
    const body = encodeEnrolmentRequest(secret);
    standing = await askStanding(connection, { method: "POST", path: "/v1/enrolment", body, signal });
  } catch (error) {
    if (hasCode(error, "TOKEN_REFUSED")) world.files.remove(`${directory}/${pending}`);
    throw error;
  } finally {
    connection.close();
  }
  const record: AgentRecord = { ...address, ...standing, ...identity, serverKey, enrolledAtMs: world.clock.now() };
  await publishReplacing(publication(world, directory, fileName(address, "json")), encodeAgent(record));
  world.files.remove(`${directory}/${pending}`);
  return enrolmentOf(world, record);
}

/** The identity for this server. NOT_ENROLLED when there is none. */
export function loadAgentIdentity(world: Pick<StateWorld, "files">, directory: string, url: string): AgentIdentity {
  const address = parseServerUrl(url);
  const record = readAgent(world, `${directory}/${fileName(address, "json")}`);
  if (record !== undefined) {
    const { host, port, serverKey, client, privateKey, certificate } = record;
    return { host, port, serverKey, client, identity: { privateKey, certificate } };
  }
  throw new HoldfastError("NOT_ENROLLED", {
    message: `This user is no client of the server at ${urlOf(address)}`,
    context: { url: urlOf(address) },
    hint: `Run \`holdfast client add NAME\` on the server, and \`holdfast agent enrol ${urlOf(address)} TOKEN\` here.`,
  });
}

/** Of all servers. */
export function listEnrolments(world: StateWorld, directory: string): readonly AgentEnrolment[] {
  const names = (world.files.list(directory) ?? []).filter((name) => SERVER_FILE.test(name) && !isTemporaryName(name));
  return names.toSorted().flatMap((name) => {
    const record = readAgent(world, `${directory}/${name}`);
    return record === undefined ? [] : [enrolmentOf(world, record)];
  });
}

/** What the server says of this client now. Fails as `exchange` does, or with the server's refusal. */
export async function askOwnStanding(
  world: AgentWorld,
  options: { readonly directory: string; readonly url: string; readonly signal?: AbortSignal | undefined },
): Promise<ClientStanding> {
  const connection = world.connect(loadAgentIdentity(world, options.directory, options.url));
  try {
    return await askStanding(connection, { method: "GET", path: "/v1/repository", signal: options.signal });
  } finally {
    connection.close();
  }
}

async function askStanding(connection: ServerConnection, request: Omit<ServerRequest, "limitBytes">): Promise<ClientStanding> {
  const { status, body } = await connection.exchange({ ...request, limitBytes: ANSWER_LIMIT });
  if (status >= 400) throw decodeErrorReply(status, body);
  try {
    return decodeStanding(body);
  } catch (error) {
    throw new HoldfastError("SERVER_ANSWER_INVALID", {
      message: "The answer of the server cannot be read",
      context: { status },
      hint: "It may be another program, or another version of this one.",
      cause: error,
    });
  }
}

/** Kept before the server hears of it: should its answer be lost, the same key can ask again. */
async function pendingIdentity(world: AgentWorld, directory: string, name: string): Promise<Identity> {
  const bytes = world.files.read(`${directory}/${name}`, SERVICE_RECORD_LIMIT);
  const text = bytes === undefined ? "" : textOf(bytes);
  const start = text.indexOf("-----BEGIN CERTIFICATE");
  if (start > 0) return { privateKey: text.slice(0, start), certificate: text.slice(start) };
  const identity = world.makeIdentity(CERTIFICATE_NAME);
  await publishReplacing(publication(world, directory, name), utf8(`${identity.privateKey}${identity.certificate}`));
  return identity;
}

function publication({ files, random }: StateWorld, directory: string, name: string): Publication {
  return { files, directory, name, temporaryNames: temporaryNames("agent", random), access: "private" };
}

function readAgent({ files }: Pick<StateWorld, "files">, path: string): AgentRecord | undefined {
  const bytes = files.read(path, SERVICE_RECORD_LIMIT);
  return bytes === undefined ? undefined : decodeAgent(bytes);
}

function enrolmentOf(world: StateWorld, record: AgentRecord): AgentEnrolment {
  const { client, role, repository, serverKey, enrolledAtMs } = record;
  return { url: urlOf(record), client, role, repository, serverKey, key: world.fingerprintOf(record), enrolledAtMs };
}

/** "https://backup.example:7433". USAGE for anything but a host and a port. */
export function parseServerUrl(text: string): ServerAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain =
    url !== undefined && url.protocol === "https:" && /^\/?$/.test(url.pathname) && url.search + url.hash + url.username === "";
  if (isPlain && url.hostname !== "") {
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    return { host, port: url.port === "" ? 443 : Number(url.port) };
  }
  throw new HoldfastError("USAGE", {
    message: `"${text.slice(0, 200)}" is no address of a server`,
    hint: "Give it as https://HOST:PORT, as `holdfast serve` shows it.",
  });
}

function urlOf({ host, port }: ServerAddress): string {
  return `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function fileName({ host, port }: ServerAddress, ending: string): string {
  return `${host.replaceAll(/[^a-z0-9.-]/gi, "_")}_${port}.${ending}`;
}
