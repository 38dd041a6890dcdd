// Servers and their clients as the command line uses them. Types only, so that asking for help loads none of it.

import type {
  AgentEnrolment,
  AuditHead,
  AuditReport,
  Client,
  ClientStanding,
  Invitation,
  Invited,
  ListenAddress,
  LogLine,
  Role,
  RunningService,
} from "../service/service.ts";
import type { ServedRepository } from "./library.ts";

export type { AgentEnrolment, AuditHead, AuditReport, Client, Invitation, Invited, ListenAddress, LogLine, RunningService };

export interface StateOption {
  /** Absolute; below the user's configuration directory unless given. */
  readonly state: string | undefined;
}

export interface ServeOptions extends StateOption {
  readonly repository: ServedRepository;
  readonly listen: ListenAddress;
  readonly metrics: ListenAddress | undefined;
  /** PEM; the server's own unless given. */
  readonly identity: { readonly certificate: string; readonly privateKey: string } | undefined;
  readonly log: (line: LogLine) => void;
}

export interface ServiceLibrary {
  serve(options: ServeOptions): Promise<RunningService>;
  inviteClient(
    options: StateOption & { readonly name: string; readonly role: Role; readonly spanMs: number | undefined },
  ): Promise<Invited>;
  clients(options: StateOption): Promise<{ readonly clients: readonly Client[]; readonly invitations: readonly Invitation[] }>;
  revokeClient(options: StateOption & { readonly name: string }): Promise<"client" | "invitation">;
  verifyAudit(options: StateOption & { readonly contains: AuditHead | undefined }): Promise<AuditReport>;
  enrolAgent(options: { readonly url: string; readonly token: string; readonly signal: AbortSignal }): Promise<AgentEnrolment>;
  enrolments(): Promise<readonly AgentEnrolment[]>;
  /** What a server says of this client now; rejects with its refusal. */
  standing(options: { readonly url: string; readonly signal: AbortSignal }): Promise<ClientStanding>;
}
