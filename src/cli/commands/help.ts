import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";

export const helpCommand = defineCommand({
  name: "help",
  summary: "Show help for a command",
  description: ["The same as `holdfast COMMAND --help`. Without COMMAND it lists all commands."],
  positionals: [
    { name: "COMMAND", isOptional: true, completes: "command" },
    { name: "VERB", isOptional: true },
  ],
  options: {},
  writes: "content",
  usesRepository: false,
  examples: [
    { command: "holdfast help backup", explanation: "the options of backup, with examples" },
    { command: "holdfast help key add", explanation: "the same for a command of two words" },
  ],
  exitStatuses: [],
  async run({ output, positionals, world }) {
    const { commandHelp, nounHelp, overview } = await import("../help.ts");
    const { entryNamed, verbNamed } = await import("../find-command.ts");
    const [word, verb] = positionals;
    const entry = word === undefined ? undefined : entryNamed(word);
    if (entry === undefined) await output.bytes(await overview(world.version));
    else if (!("verbs" in entry)) await output.bytes(commandHelp(await entry.load()));
    else if (verb === undefined) await output.bytes(await nounHelp(entry));
    else await output.bytes(commandHelp(await verbNamed(entry, verb).load()));
    return EXIT.done;
  },
});
