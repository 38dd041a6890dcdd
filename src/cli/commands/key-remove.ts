import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";

export const keyRemoveCommand = defineCommand({
  name: "key remove",
  summary: "Remove a passphrase",
  description: [
    "Removes a key slot: its passphrase opens the repository no more. The last one cannot be removed. Whoever made a copy of the repository before can still open that copy with it.",
  ],
  positionals: [{ name: "KEY" }],
  options: {},
  writes: "document",
  usesRepository: true,
  examples: [
    { command: "holdfast key remove 0123456789abcdef", explanation: "the slot of that id, as `holdfast key list` shows it" },
  ],
  exitStatuses: [],
  async run(context) {
    const [id = ""] = context.positionals;
    await using repository = await context.openRepository();
    await repository.removeKeySlot(id);
    const { output } = context;
    if (output.mode.json) output.document({ removed: id });
    else if (!output.mode.quiet) output.line(`Removed the key slot ${id}.`);
    return EXIT.done;
  },
});
