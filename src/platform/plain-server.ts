// HTTP without TLS, for measurements that never leave the machine or its management network.

import { createServer } from "node:http";
import { serverOptions, startServing } from "./http-serving.ts";
import type { RunningServer, ServingOptions } from "./http-serving.ts";

export type StartPlainServer = (options: ServingOptions) => Promise<RunningServer>;

/** LISTEN_FAILED. */
export const startPlainServer: StartPlainServer = (options) =>
  startServing(createServer(serverOptions(options.limits)), { ...options, peerKeyOf: () => undefined });
