import { usageError } from "../arguments/parse-arguments.ts";
import { nearest } from "../arguments/suggestion.ts";
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
  usesRepository: false,
  examples: [
    { command: "holdfast help backup", explanation: "the options of backup, with examples" },
    { command: "holdfast help key add", explanation: "the same for a command of two words" },
  ],
  exitStatuses: [],
  async run({ output, positionals, world }) {
    const { commandHelp, nounHelp, overview } = await import("../help.ts");
    const { ENTRIES, isNoun } = await import("../registry.ts");
    const [word, verb] = positionals;
    if (word === undefined) {
      await output.bytes(await overview(world.version));
      return EXIT.done;
    }
    const entry = ENTRIES.find(({ name }) => name === word);
    if (entry === undefined) {
      const meant = nearest(word, ENTRIES.map(({ name }) => name));
      throw usageError(`There is no command "${word}"`, "holdfast", meant === undefined ? undefined : `Did you mean \`${meant}\`?`);
    }
    if (!isNoun(entry)) await output.bytes(commandHelp(await entry.load()));
    else if (verb === undefined) await output.bytes(await nounHelp(entry));
    else {
      const found = entry.verbs.find(({ name }) => name === verb);
      if (found === undefined) throw usageError(`holdfast ${word} has no verb "${verb}"`, `holdfast ${word}`);
      await output.bytes(commandHelp(await found.load()));
    }
    return EXIT.done;
  },
});
