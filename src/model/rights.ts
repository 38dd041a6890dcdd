// Who may do what at a server. This table is the only place that says so: checks, tests and docs/design/service.md are made
// from it. What does not stand here is refused.

/** What a client may be; chosen when it is invited. */
export const ROLES = ["append", "restore"] as const;
export type Role = (typeof ROLES)[number];

/** See names and metadata of one's own images; back up; read the content of one's own images. */
export const CLIENT_PRIVILEGES = ["see-own", "append-own", "read-own"] as const;
export type ClientPrivilege = (typeof CLIENT_PRIVILEGES)[number];

/** For everybody: whether the server is well; and to become a client, which takes a token. */
export const OPEN_PRIVILEGES = ["public", "enrol"] as const;
export type OpenPrivilege = (typeof OPEN_PRIVILEGES)[number];

export type Privilege = ClientPrivilege | OpenPrivilege;

const GRANTED_TO: Readonly<Record<ClientPrivilege, readonly Role[]>> = {
  "see-own": ["append", "restore"],
  "append-own": ["append", "restore"],
  "read-own": ["restore"],
};

/** `role` is undefined for whoever is no client. */
export function isGranted(privilege: Privilege, role: Role | undefined): boolean {
  if (privilege === "public" || privilege === "enrol") return true;
  return role !== undefined && GRANTED_TO[privilege].includes(role);
}
