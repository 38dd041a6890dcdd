// What somebody else puts behind the server: a path, what it takes to be let in, and the work. Identity, rights, limits, the
// audit log and the form of errors are the service's business.

import type { Privilege, Role } from "../model/rights.ts";

export type { ClientPrivilege, Privilege, Role } from "../model/rights.ts";

/** The client that asks; it has proved to have its key, and was not revoked when the request began. */
export interface Caller {
  /** Its name. Another machine may take it over once the first is revoked. */
  readonly client: string;
  readonly role: Role;
}

export interface RouteContext {
  readonly caller: Caller;
  /** What stood in the place of ":name" in the path, decoded. Not checked beyond its length: whoever asks chooses it. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** All of it, no longer than the route's limit. */
  readonly body: Uint8Array;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

export type Reply = { readonly json: unknown } | { readonly bytes: Uint8Array };

export interface Route {
  readonly method: "GET" | "POST" | "DELETE";
  /** "/v1/backups/:backup/messages" */
  readonly path: string;
  /** One that takes a client: "see-own", "append-own", "read-own". */
  readonly privilege: Privilege;
  /** Bytes. */
  readonly bodyLimit: number;
  /**
   * Part of longer work that is recorded as a whole: the audit log gets what is refused or fails, and not every success. Of reading
   * content ("read-own") it still gets the first success within an hour.
   */
  readonly isRoutine?: boolean;
  /**
   * A HoldfastError that `httpStatusOf` knows reaches the client as it is. Whatever else is thrown reaches the log, and the client
   * hears the number of the incident.
   */
  handle(context: RouteContext): Promise<Reply>;
}
