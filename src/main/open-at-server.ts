// A repository on a server, as the client that this user is to that server.

import { openRemote } from "../api/api.ts";
import type { OpenOptions, Repository, Services } from "../api/api.ts";
import { delay } from "../platform/delay.ts";
import { connectToServer } from "../platform/secure-client.ts";
import { loadAgentIdentity } from "./service.ts";

/** NOT_ENROLLED when this user is no client of the server; no passphrase is asked for: what the user may do, the server knows. */
export function openAtServer(services: Services, options: OpenOptions): Promise<Repository> {
  const { repository: location, cacheDirectory, threads } = options;
  const connection = connectToServer(loadAgentIdentity(location, services.host));
  return openRemote(services, {
    location,
    connection,
    delay,
    ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
    ...(threads === undefined ? {} : { threads }),
  });
}
