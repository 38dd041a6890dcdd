import { NEW_PASSPHRASE_OPTIONS, newPassphrase } from "../arguments/new-passphrase-options.ts";
import { text } from "../arguments/options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { keySlotDocument } from "../text/key-text.ts";

export const keyAddCommand = defineCommand({
  name: "key add",
  summary: "Add a passphrase",
  description: [
    "Adds a key slot: one more passphrase that opens the repository. It is asked for twice, unless an option gives it. Those that there are stay as they are.",
  ],
  positionals: [],
  options: {
    label: text({ valueName: "LABEL", help: "a name for it, shown by `holdfast key list`" }),
    ...NEW_PASSPHRASE_OPTIONS,
  },
  writes: "document",
  usesRepository: true,
  examples: [
    { command: "holdfast key add --label safe", explanation: "asks for the passphrase that lies in the safe" },
    {
      command: "holdfast key add --label nightly --new-passphrase-file /root/nightly",
      explanation: "without asking for the new one",
    },
  ],
  exitStatuses: [],
  async run(context, values) {
    const source = newPassphrase(context, values);
    await using repository = await context.openRepository();
    const slot = await repository.addKeySlot(await source(), values.label ?? "");
    const { output } = context;
    if (output.mode.json) output.document(keySlotDocument(slot));
    else if (!output.mode.quiet) output.line(`Added the key slot ${slot.id}${slot.label === "" ? "" : ` "${slot.label}"`}.`);
    return EXIT.done;
  },
});
