// Clients, from invitation to revocation. A client is the file clients/<id>.json, and revoked when clients/<id>.revoked.json is
// there too. The id is drawn with the invitation, and the file is published exclusively: whoever comes second with the same token
// finds it taken.

import { hexOf } from "../base/bytes.ts";
import { HoldfastError, isDamage } from "../base/errors.ts";
import {
  CLIENT_NAME,
  SERVICE_RECORD_LIMIT,
  TOKEN_SECRET_BYTES,
  decodeClient,
  decodeInvitation,
  decodeRevocation,
  encodeClient,
  encodeInvitation,
  encodeRevocation,
  encodeToken,
  tokenName,
} from "../formats/enrolment.ts";
import type { ClientRecord, Invitation } from "../formats/enrolment.ts";
import { publishExclusively } from "../media/media.ts";
import type { Role } from "../model/rights.ts";
import { expectedKey } from "./state.ts";
import type { ServiceState } from "./state.ts";

const CLIENT_FILE = /^([0-9a-f]{16})\.json$/;
const INVITATION_FILE = /^[0-9a-f]{64}$/;
const CLIENT_ID_BYTES = 8;
export const CLIENTS_LIMIT = 100_000;
export const INVITATION_SPAN_MS = 3_600_000;
const INVITATION_SPAN_LIMIT_MS = 30 * 24 * 3_600_000;

export interface Client extends ClientRecord {
  readonly revokedAtMs: number | undefined;
}

export interface InviteOptions {
  readonly name: string;
  readonly role: Role;
  /** How long the token is good for. */
  readonly spanMs?: number | undefined;
  /** Who invites, for the audit log. */
  readonly actor: string;
}

export interface Invited {
  readonly name: string;
  readonly role: Role;
  /** To be copied to the client; it is not kept and cannot be shown again. */
  readonly token: string;
  readonly serverKey: string;
  readonly expiresAtMs: number;
}

/** Invites a client; an earlier invitation of that name that was not used is withdrawn. CLIENT_EXISTS when there is such a client. */
export async function inviteClient(state: ServiceState, options: InviteOptions): Promise<Invited> {
  const { name, role, spanMs = INVITATION_SPAN_MS, actor } = options;
  const { clock, random, files } = state.world;
  requireName(name);
  if (spanMs > INVITATION_SPAN_LIMIT_MS) {
    throw new HoldfastError("USAGE", { message: "A token can be good for 30 days at most", hint: "Give a shorter --expires." });
  }
  const serverKey = await expectedKey(state);
  const secret = random.bytes(TOKEN_SECRET_BYTES);
  const createdAtMs = clock.now();
  const expiresAtMs = createdAtMs + spanMs;
  const clientId = hexOf(random.bytes(CLIENT_ID_BYTES));
  await state.locked(async () => {
    requireFreeName(state, name);
    removeInvitations(state, (invitation) => invitation.name === name || invitation.expiresAtMs <= createdAtMs);
    const bytes = encodeInvitation({ clientId, name, role, createdAtMs, expiresAtMs });
    await publishExclusively(state.publication(state.invitations, tokenName(secret)), bytes);
  });
  try {
    await state.audit.append({
      actor,
      address: "",
      action: "invite-client",
      object: `${name} ${role}`,
      outcome: "done",
      code: "",
    });
  } catch (error) {
    files.remove(`${state.invitations}/${tokenName(secret)}`);
    throw error;
  }
  return { name, role, token: encodeToken({ secret, serverKey }), serverKey, expiresAtMs };
}

/**
 * Makes the owner of `key` the client that the token was made for. Repeated with the same token and key, it answers as before: the
 * first answer may have been lost. TOKEN_REFUSED for a token that is not known, expired or used by another key.
 */
export function enrolClient(state: ServiceState, secret: Uint8Array, key: string): Promise<ClientRecord> {
  return state.locked(async () => {
    const invitation = readInvitation(state, tokenName(secret));
    if (invitation === undefined)
      throw tokenRefused("is not known: it is mistyped, of another server, withdrawn, or long expired");
    const { clientId: id, name, role, expiresAtMs } = invitation;
    const existing = readClient(state, id);
    if (existing !== undefined) return sameClient(existing, key);
    const now = state.world.clock.now();
    if (now >= expiresAtMs) throw tokenRefused(`has expired at ${new Date(expiresAtMs).toISOString()}`);
    requireFreeName(state, name);
    if (listClients(state).some((client) => client.key === key)) throw tokenRefused("came with a key that was enrolled before");
    const record: ClientRecord = { id, name, role, key, enrolledAtMs: now };
    const isFirst = await publishExclusively(state.publication(state.clients, `${id}.json`), encodeClient(record));
    if (!isFirst) throw tokenRefused("was used already");
    return record;
  });
}

function sameClient(client: Client, key: string): ClientRecord {
  if (client.key !== key) throw tokenRefused("was used already");
  if (client.revokedAtMs !== undefined) throw revoked(client);
  return client;
}

/** Takes effect with the client's next request. CLIENT_UNKNOWN when there is neither such a client nor an invitation. */
export async function revokeClient(state: ServiceState, name: string, actor: string): Promise<"client" | "invitation"> {
  const what = await state.locked(async () => {
    const client = listClients(state).find((each) => each.name === name && each.revokedAtMs === undefined);
    // An invitation that was not used must not let somebody in afterwards.
    const withdrawn = removeInvitations(state, (invitation) => invitation.name === name);
    if (client === undefined) return withdrawn > 0 ? "invitation" : undefined;
    const bytes = encodeRevocation({ revokedAtMs: state.world.clock.now() });
    await publishExclusively(state.publication(state.clients, `${client.id}.revoked.json`), bytes);
    return "client";
  });
  const outcome = what === undefined ? "refused" : "done";
  const code = what === undefined ? "CLIENT_UNKNOWN" : "";
  await state.audit.append({ actor, address: "", action: "revoke-client", object: name, outcome, code });
  if (what !== undefined) return what;
  throw new HoldfastError("CLIENT_UNKNOWN", {
    message: `There is no client "${name}"`,
    context: { name },
    hint: "`holdfast client list` lists them.",
  });
}

/** All there ever were, in the order of their enrolment. */
export function listClients(state: ServiceState): readonly Client[] {
  const names = state.world.files.list(state.clients) ?? [];
  if (names.length > CLIENTS_LIMIT * 2) throw tooManyClients(names.length);
  const ids = names.flatMap((name) => CLIENT_FILE.exec(name)?.[1] ?? []);
  return ids
    .flatMap((id) => readClient(state, id) ?? [])
    .sort((a, b) => a.enrolledAtMs - b.enrolledAtMs || (a.id < b.id ? -1 : 1));
}

export function listInvitations(state: ServiceState): readonly Invitation[] {
  const names = (state.world.files.list(state.invitations) ?? []).filter((name) => INVITATION_FILE.test(name));
  const enrolled = new Set(listClients(state).map(({ id }) => id));
  const invitations = names.flatMap((name) => readInvitation(state, name) ?? []);
  return invitations.filter(({ clientId }) => !enrolled.has(clientId)).sort((a, b) => a.createdAtMs - b.createdAtMs);
}

/** Finds clients by key. Records never change, so they are read once; whether one is revoked is looked at every time. */
export class ClientDirectory {
  readonly #state: ServiceState;
  readonly #byKey = new Map<string, ClientRecord>();
  readonly #knownIds = new Set<string>();

  constructor(state: ServiceState) {
    this.#state = state;
  }

  /** Also who is revoked. NOT_ENROLLED when no client ever had this key. */
  require(key: string): ClientRecord {
    const client = this.#byKey.get(key) ?? this.#readNew().get(key);
    if (client !== undefined) return client;
    throw new HoldfastError("NOT_ENROLLED", {
      message: "The key of this client is not known to the server",
      context: { key },
      hint: "Ask whoever runs the server for a token, then run `holdfast agent enrol`.",
    });
  }

  /** CLIENT_REVOKED when it is a client no more. */
  requireNotRevoked(client: ClientRecord): void {
    const { files } = this.#state.world;
    if (files.information(`${this.#state.clients}/${client.id}.revoked.json`) !== undefined) throw revoked(client);
  }

  #readNew(): ReadonlyMap<string, ClientRecord> {
    for (const name of this.#state.world.files.list(this.#state.clients) ?? []) {
      const [, id] = CLIENT_FILE.exec(name) ?? [];
      if (id === undefined || this.#knownIds.has(id)) continue;
      const client = readableClient(this.#state, id);
      if (client === undefined) continue;
      this.#knownIds.add(id);
      this.#byKey.set(client.key, client);
    }
    return this.#byKey;
  }
}

/** A damaged record lets nobody in, and keeps nobody else out; `holdfast client list` says what is wrong with it. */
function readableClient(state: ServiceState, id: string): Client | undefined {
  try {
    return readClient(state, id);
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}

function readClient({ world, clients }: ServiceState, id: string): Client | undefined {
  const bytes = world.files.read(`${clients}/${id}.json`, SERVICE_RECORD_LIMIT);
  if (bytes === undefined) return undefined;
  const revocation = world.files.read(`${clients}/${id}.revoked.json`, SERVICE_RECORD_LIMIT);
  return { ...decodeClient(bytes), revokedAtMs: revocation === undefined ? undefined : decodeRevocation(revocation).revokedAtMs };
}

function readInvitation({ world, invitations }: ServiceState, name: string): Invitation | undefined {
  const bytes = world.files.read(`${invitations}/${name}`, SERVICE_RECORD_LIMIT);
  return bytes === undefined ? undefined : decodeInvitation(bytes);
}

function removeInvitations(state: ServiceState, isRemoved: (invitation: Invitation) => boolean): number {
  const { files } = state.world;
  const used = new Set(listClients(state).map(({ id }) => id));
  let count = 0;
  for (const name of files.list(state.invitations) ?? []) {
    const invitation = INVITATION_FILE.test(name) ? readInvitation(state, name) : undefined;
    if (invitation === undefined || !isRemoved(invitation)) continue;
    if (files.remove(`${state.invitations}/${name}`) && !used.has(invitation.clientId)) count++;
  }
  if (count > 0) files.syncDirectory(state.invitations);
  return count;
}

function requireName(name: string): void {
  if (CLIENT_NAME.test(name)) return;
  throw new HoldfastError("USAGE", {
    message: `"${name.slice(0, 80)}" is no name for a client`,
    hint: "Use 1 to 63 lower-case letters, digits, dots, hyphens and underscores, beginning with a letter or digit.",
  });
}

function requireFreeName(state: ServiceState, name: string): void {
  if (!listClients(state).some((client) => client.name === name && client.revokedAtMs === undefined)) return;
  throw new HoldfastError("CLIENT_EXISTS", {
    message: `There is a client "${name}" already`,
    context: { name },
    hint: `Choose another name, or run \`holdfast client revoke ${name}\` first: who is added under that name then takes its place.`,
  });
}

function tokenRefused(reason: string): HoldfastError {
  return new HoldfastError("TOKEN_REFUSED", {
    message: `The token ${reason}`,
    hint: "Ask for a new one: `holdfast client add` on the server.",
  });
}

function revoked({ name }: ClientRecord): HoldfastError {
  return new HoldfastError("CLIENT_REVOKED", {
    message: `The client "${name}" was revoked`,
    context: { name },
    hint: "Whoever runs the server can add it again.",
  });
}

function tooManyClients(count: number): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", {
    message: `The state has ${count} files of clients, more than ${CLIENTS_LIMIT * 2}: it is not used as meant`,
    context: { count },
  });
}
