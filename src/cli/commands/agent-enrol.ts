import { textOf } from "../../base/bytes.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { enrolmentFields } from "../text/service-text.ts";

export const agentEnrolCommand = defineCommand({
  name: "agent enrol",
  summary: "Become a client of a server",
  description: [
    "Makes a key for this user, and has the server take it as that of the client whose token this is. The token also says which key the server must have: another server gets nothing.",
    "Key and server are kept in your configuration directory, for you alone. The repository is then https://HOST:PORT/.",
    "Cut off in between, it can be repeated with the same token. What was kept of an earlier enrolment with that server is replaced.",
  ],
  positionals: [{ name: "URL" }, { name: "TOKEN" }],
  options: {},
  writes: "document",
  usesRepository: false,
  examples: [
    {
      command: "holdfast agent enrol https://backup.example:7433 hfe1-0123-4567",
      explanation: "with the line that `holdfast client add` wrote",
    },
    {
      command: "holdfast agent enrol https://backup.example:7433 -",
      explanation: "from standard input, because other users of a machine can read arguments",
    },
  ],
  exitStatuses: [],
  async run(context) {
    const { output, world, positionals } = context;
    const [url = "", word = ""] = positionals;
    const token = word === "-" ? textOf(await world.input.readAll()) : word;
    const enrolment = await (await world.service()).enrolAgent({ url, token, signal: world.signal });
    if (output.mode.json) output.document(enrolmentFields(enrolment));
    else if (!output.mode.quiet) {
      output.line(`This user is now the client "${enrolment.client}" of ${enrolment.url}, with the role ${enrolment.role}.`);
      output.line(`Its repository is ${enrolment.url}/`);
    }
    return EXIT.done;
  },
});
