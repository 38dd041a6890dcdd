import { STATE_OPTION, stateOf } from "../arguments/service-options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";

export const clientRevokeCommand = defineCommand({
  name: "client revoke",
  summary: "Let a client in no more",
  description: [
    "The client's next request is refused, on connections that are open, too. Its images stay. An invitation of that name that was not used yet is withdrawn.",
    "The name is free then: who is added under it takes the client's place, with a key of its own.",
  ],
  positionals: [{ name: "NAME" }],
  options: STATE_OPTION,
  writes: "document",
  usesRepository: false,
  examples: [{ command: "holdfast client revoke laptop", explanation: "it was stolen" }],
  exitStatuses: [],
  async run(context, values) {
    const { output, world, positionals } = context;
    const [name = ""] = positionals;
    const what = await (await world.service()).revokeClient({ ...stateOf(context, values), name });
    if (output.mode.json) output.document({ revoked: name, what });
    else if (!output.mode.quiet) {
      const said = what === "client" ? "Revoked the client" : "Withdrew the invitation of";
      output.line(`${said} "${name}".`);
    }
    return EXIT.done;
  },
});
