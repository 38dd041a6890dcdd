import { choice, parseSpan, parsed } from "../arguments/options.ts";
import { STATE_OPTION, stateOf } from "../arguments/service-options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { formatTime, isoTime } from "../text/units.ts";

export const clientAddCommand = defineCommand({
  name: "client add",
  summary: "Invite a client to this server",
  description: [
    "Makes a token with which one machine becomes a client of this server under that name. It works once, expires, and is shown only now; giving out another one for the same name withdraws it.",
    "A client with the role append can back up and see its own images, but not read what is in them. With the role restore it can do that, too. No role can remove anything.",
  ],
  positionals: [{ name: "NAME" }],
  options: {
    role: choice(["append", "restore"] as const, { valueName: "ROLE", help: "append or restore (append unless given)" }),
    expires: parsed(parseSpan, {
      valueName: "SPAN",
      help: "how long the token is good for, such as 12h or 2d (1h unless given)",
    }),
    ...STATE_OPTION,
  },
  writes: "document",
  usesRepository: false,
  examples: [
    { command: "holdfast client add laptop", explanation: "back up only, within an hour" },
    { command: "holdfast client add office --role restore --expires 2d", explanation: "it may restore, too" },
  ],
  exitStatuses: [],
  async run(context, values) {
    const { output, world, positionals } = context;
    const [name = ""] = positionals;
    const { expires: spanMs } = values;
    const role = values.role ?? "append";
    const library = await world.service();
    const invited = await library.inviteClient({ ...stateOf(context, values), name, role, spanMs });
    const { token, serverKey, expiresAtMs } = invited;
    if (output.mode.json) output.document({ name, role, token, serverKey, expiresAt: isoTime(expiresAtMs) });
    else if (output.mode.quiet) output.line(token);
    else {
      output.line(`Invited "${name}" with the role ${role}. On that machine, until ${formatTime(expiresAtMs)}:`);
      output.line();
      output.line(`  holdfast agent enrol https://THIS-SERVER:PORT ${token}`);
      output.line();
      output.line("The token works once and is not shown again.");
    }
    return EXIT.done;
  },
});
