// What a server keeps, in a directory of its own: its identity, who its clients are, whom it has invited, and the audit log
// (docs/formats/service-state.md). Files are published whole and never change; what changes is which files there are. Whoever
// adds or removes one holds the lock of the state, so the server and commands beside it do not cross.

import { utf8, textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { KEY_FINGERPRINT, SERVICE_RECORD_LIMIT } from "../formats/enrolment.ts";
import { JsonFields, encodeJson } from "../formats/json-fields.ts";
import { isTemporaryName, publishExclusively, publishReplacing, temporaryNames } from "../media/media.ts";
import type { Publication } from "../media/media.ts";
import type { Identity } from "../platform/secure-transport.ts";
import { AuditLog } from "./audit-log.ts";
import type { StateWorld } from "./world.ts";

const LOCK_FILE = "state.lock";
const IDENTITY_FILE = "identity.pem";
/** Says which key the server showed when it was started last with a certificate from elsewhere. */
const SHOWN_FILE = "shown-key.json";
const IDENTITY_LIMIT = 65_536;
const CERTIFICATE_NAME = "holdfast server";

export interface ServiceState {
  readonly world: StateWorld;
  readonly directory: string;
  readonly clients: string;
  readonly invitations: string;
  readonly audit: AuditLog;
  /** Runs `work` while nobody else changes the state. */
  locked<T>(work: () => Promise<T>): Promise<T>;
  /** How a file of the state is published. */
  publication(directory: string, name: string): Publication;
}

/** Opens the state, making the directories if need be, and removes what writers left that died. */
export async function openState(world: StateWorld, directory: string): Promise<ServiceState> {
  const { files, random, withLock } = world;
  const names = temporaryNames("state", random);
  const state: ServiceState = {
    world,
    directory,
    clients: `${directory}/clients`,
    invitations: `${directory}/tokens`,
    audit: new AuditLog({ ...world, directory }),
    locked: (work) => withLock(`${directory}/${LOCK_FILE}`, work),
    publication: (place, name) => ({ files, directory: place, name, temporaryNames: names, access: "private" }),
  };
  for (const place of [directory, state.clients, state.invitations]) files.makeDirectory(place);
  await state.locked(async () => clearTemporaryFiles(state));
  return state;
}

/** Under the lock nobody has a temporary file but who is dead. */
function clearTemporaryFiles({ world, directory, clients, invitations }: ServiceState): void {
  for (const place of [directory, clients, invitations]) {
    for (const name of world.files.list(place) ?? []) if (isTemporaryName(name)) world.files.remove(`${place}/${name}`);
  }
}

/** The server's own identity, made when it is needed first. */
export function ownIdentity(state: ServiceState): Promise<Identity> {
  return state.locked(async () => {
    const existing = readIdentity(state);
    if (existing !== undefined) return existing;
    const identity = state.world.makeIdentity(CERTIFICATE_NAME);
    const bytes = utf8(`${identity.privateKey}${identity.certificate}`);
    await publishExclusively(state.publication(state.directory, IDENTITY_FILE), bytes);
    return identity;
  });
}

function readIdentity({ world, directory }: ServiceState): Identity | undefined {
  const bytes = world.files.read(`${directory}/${IDENTITY_FILE}`, IDENTITY_LIMIT);
  if (bytes === undefined) return undefined;
  const [, privateKey, certificate] =
    /^(-+BEGIN PRIVATE KEY-+\n[^-]+-[^\n]+\n)(-+BEGIN CERTIFICATE-+\n[^]+)$/.exec(textOf(bytes)) ?? [];
  if (privateKey !== undefined && certificate !== undefined) return { privateKey, certificate };
  throw new HoldfastError("IDENTITY_INVALID", {
    message: `Cannot read the server's identity in ${directory}/${IDENTITY_FILE}: it is not a private key and a certificate`,
    hint: "Bring the file back from a copy of the state. A new identity would have to be made known to every client.",
  });
}

/** Keeps in mind which key clients have to expect. */
export async function rememberShownKey(state: ServiceState, key: string): Promise<void> {
  if (shownKey(state) === key) return;
  await state.locked(() => publishReplacing(state.publication(state.directory, SHOWN_FILE), encodeJson({ key })));
}

/** The key that clients have to expect: what the server showed last, or what it is going to show. */
export async function expectedKey(state: ServiceState): Promise<string> {
  return shownKey(state) ?? state.world.fingerprintOf(await ownIdentity(state));
}

function shownKey({ world, directory }: ServiceState): string | undefined {
  const bytes = world.files.read(`${directory}/${SHOWN_FILE}`, SERVICE_RECORD_LIMIT);
  return bytes === undefined
    ? undefined
    : JsonFields.decode(bytes, "the key the server shows", ["key"]).pattern("key", KEY_FINGERPRINT);
}
