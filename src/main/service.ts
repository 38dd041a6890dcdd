// Servers and their clients, bound to this machine.

import { messageOf } from "../base/errors.ts";
import type { ServiceLibrary, StateOption } from "../cli/cli.ts";
import type { Host } from "../platform/host.ts";
import { nodeHost } from "../platform/node-host.ts";
import { repeatEvery } from "../platform/repeat.ts";
import {
  askOwnStanding,
  enrolAgent,
  inviteClient,
  listClients,
  listEnrolments,
  listInvitations,
  loadAgentIdentity as loadIdentity,
  openState,
  repositoryRoutes,
  revokeClient,
  startService,
  verifyAuditLog,
} from "../service/service.ts";
import type { AgentIdentity } from "../service/service.ts";
import { serviceWorld } from "./service-world.ts";

/** How often to look for backups whose clients have gone away. */
const IDLE_LOOK_MS = 60_000;

/** Everything that the command line does with servers. */
export function serviceLibrary(host: Host = nodeHost()): ServiceLibrary {
  const world = serviceWorld();
  const actor = `operator:${host.userName}`;
  const stateDirectory = ({ state }: StateOption): string => state ?? `${host.configDirectory}/server`;
  const openOwnState = (options: StateOption) => openState(world, stateDirectory(options));
  const directory = enrolmentsDirectory(host);
  return {
    serve: async ({ repository, state, ...options }) => {
      const service = await startService(world, {
        ...options,
        routes: repositoryRoutes(repository),
        repositoryId: repository.id,
        stateDirectory: stateDirectory({ state }),
        actor,
      });
      const tidying = repeatEvery(
        IDLE_LOOK_MS,
        () => repository.endIdle(),
        (error) => options.log({ event: "failure", problem: messageOf(error) }),
      );
      const stop = async (): Promise<void> => {
        await tidying.stop();
        await service.stop();
      };
      return { ...service, stop };
    },
    inviteClient: async ({ state, ...options }) => inviteClient(await openOwnState({ state }), { ...options, actor }),
    clients: async (options) => {
      const state = await openOwnState(options);
      return { clients: listClients(state), invitations: listInvitations(state) };
    },
    revokeClient: async ({ state, name }) => revokeClient(await openOwnState({ state }), name, actor),
    verifyAudit: async ({ state, contains }) =>
      verifyAuditLog({ files: world.files, directory: stateDirectory({ state }), contains }),
    enrolAgent: (options) => enrolAgent(world, { ...options, directory }),
    enrolments: async () => listEnrolments(world, directory),
    standing: (options) => askOwnStanding(world, { ...options, directory }),
  };
}

/** Who this user is to the server at "https://HOST:PORT/". NOT_ENROLLED when it is nobody there. */
export function loadAgentIdentity(url: string, host: Host = nodeHost()): AgentIdentity {
  return loadIdentity(serviceWorld(), enrolmentsDirectory(host), url);
}

function enrolmentsDirectory(host: Host): string {
  return `${host.configDirectory}/enrolments`;
}
