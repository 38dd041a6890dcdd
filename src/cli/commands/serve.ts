import { textOf } from "../../base/bytes.ts";
import { HoldfastError, messageOf } from "../../base/errors.ts";
import { parseListenAddress, parseLocalAddress } from "../arguments/addresses.ts";
import { parsed, text } from "../arguments/options.ts";
import { usageError } from "../arguments/parse-arguments.ts";
import { STATE_OPTION, stateOf } from "../arguments/service-options.ts";
import { defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-status.ts";
import type { Output } from "../output/output.ts";
import type { ServedRepository } from "../library.ts";
import type { ListenAddress, LogLine, RunningService, ServeOptions } from "../service-library.ts";
import { jsonText } from "../text/json.ts";
import { withoutUndefined } from "../text/without-undefined.ts";

export const serveCommand = defineCommand({
  name: "serve",
  summary: "Let clients back up to this repository over the network",
  description: [
    "Opens the repository and serves it to the clients that were added with `holdfast client add`, until it is told to stop (SIGTERM, Ctrl-C): then it finishes what is under way and ends.",
    "Clients know the server by its key, whose fingerprint is shown and is part of every enrolment token. The key is made at the first start and kept; with --certificate and --key another one is shown.",
    "Each request is a line of JSON on standard error, unless --quiet. What is refused, and what takes a privilege, is also kept in the audit log.",
  ],
  positionals: [],
  options: {
    listen: parsed(parseListenAddress, {
      valueName: "HOST:PORT",
      isRequired: true,
      help: "where clients connect; 0.0.0.0 or [::] for all addresses of this machine",
    }),
    ...STATE_OPTION,
    certificate: text({ valueName: "FILE", completes: "file", help: "show this certificate (PEM), with --key" }),
    key: text({ valueName: "FILE", completes: "file", help: "its private key (PEM, unencrypted)" }),
    metrics: parsed(parseLocalAddress, {
      valueName: "[HOST:]PORT",
      help: "serve counts for Prometheus there, without TLS; on this machine only unless HOST says otherwise",
    }),
  },
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast serve --repository /srv/backup --listen 0.0.0.0:7433", explanation: "to all who are clients" },
    {
      command: "holdfast serve -r /srv/backup --listen [::]:7433 --metrics 9433 --passphrase-file /root/backup-passphrase",
      explanation: "as a service, with counts at http://127.0.0.1:9433/metrics",
    },
  ],
  exitStatuses: [],
  exitMeanings: { [EXIT.done]: "stopped as it was told to" },
  endsOnSignal: true,
  async run(context, values) {
    const { listen, metrics } = values;
    if (listen === undefined) throw usageError("holdfast serve needs the option --listen HOST:PORT", "holdfast serve");
    const identity = await identityOf(context, values);
    await using repository = await context.openToServe();
    const { output, world } = context;
    const log = (line: LogLine): void => writeLog(output, line);
    const library = await world.service();
    const service = await library.serve({ ...stateOf(context, values), repository, listen, metrics, identity, log });
    try {
      showAddress(output, repository, service);
      await output.flush();
      await aborted(world.signal);
    } finally {
      await service.stop();
    }
    if (output.mode.json) output.event("summary", { exitStatus: EXIT.done });
    return EXIT.done;
  },
});

function showAddress(output: Output, repository: ServedRepository, service: RunningService): void {
  const { serverKey, metrics } = service;
  const url = urlOf("https", service);
  const counts = metrics === undefined ? undefined : `${urlOf("http", metrics)}/metrics`;
  if (output.mode.json) {
    output.event("listening", { url, serverKey, metrics: counts, repository: repository.id });
    return;
  }
  output.line(`Serving ${repository.location} at ${url}`);
  output.line(`Key of the server: ${serverKey}`);
  if (counts !== undefined) output.line(`Counts at ${counts}`);
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}

function writeLog(output: Output, line: LogLine): void {
  const { event = "request", ...fields } = line;
  if (output.mode.quiet && event !== "failure") return;
  if (output.mode.json) output.event(String(event), fields);
  else output.message(jsonText(withoutUndefined(line)));
}

async function identityOf(
  context: CommandContext,
  { certificate, key }: { readonly certificate: string | undefined; readonly key: string | undefined },
): Promise<ServeOptions["identity"]> {
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    throw usageError("--certificate and --key are given together or not at all", "holdfast serve");
  }
  return { certificate: await readPem(context, certificate), privateKey: await readPem(context, key) };
}

async function readPem(context: CommandContext, file: string): Promise<string> {
  try {
    return textOf(await context.world.files.read(context.absolute(file)));
  } catch (error) {
    throw new HoldfastError("IDENTITY_INVALID", { message: `Cannot read ${file}: ${messageOf(error)}`, cause: error });
  }
}

function urlOf(scheme: string, { host, port }: ListenAddress): string {
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
