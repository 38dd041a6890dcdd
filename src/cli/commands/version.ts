import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";

export const versionCommand = defineCommand({
  name: "version",
  summary: "Show the version of the program",
  description: ["The same as `holdfast --version`."],
  positionals: [],
  options: {},
  writes: "document",
  usesRepository: false,
  examples: [{ command: "holdfast version --json", explanation: "for programs" }],
  exitStatuses: [],
  run({ output, world }) {
    if (output.mode.json) output.document({ version: world.version });
    else output.line(`holdfast ${world.version}`);
    return Promise.resolve(EXIT.done);
  },
});
