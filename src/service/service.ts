// What the room offers: a backup server but for the backups themselves, and the client's side of belonging to one.

export type { ClientStanding, Invitation } from "../formats/enrolment.ts";
export { ROLES } from "../model/rights.ts";
export { askOwnStanding, enrolAgent, listEnrolments, loadAgentIdentity, parseServerUrl } from "./agent.ts";
export type { AgentEnrolment, AgentIdentity, EnrolAgentOptions } from "./agent.ts";
export { inviteClient, listClients, listInvitations, revokeClient } from "./clients.ts";
export type { Client, InviteOptions, Invited } from "./clients.ts";
export type { LogLine } from "./dispatcher.ts";
export type { Caller, Reply, Role, Route, RouteContext } from "./route.ts";
export { repositoryRoutes } from "./repository-routes.ts";
export { startService } from "./serve.ts";
export type { ListenAddress, RunningService, ServiceOptions } from "./serve.ts";
export { openState } from "./state.ts";
export type { ServiceState } from "./state.ts";
export { verifyAuditLog } from "./verify-audit.ts";
export type { AuditHead, AuditReport, VerifyAuditOptions } from "./verify-audit.ts";
export type { AgentWorld, ServerWorld, StateWorld } from "./world.ts";
