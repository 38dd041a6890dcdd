import { NEW_PASSPHRASE_OPTIONS, newPassphrase } from "../arguments/new-passphrase-options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { keySlotDocument } from "../text/key-text.ts";

export const keyChangeCommand = defineCommand({
  name: "key change",
  summary: "Change the passphrase",
  description: [
    "Replaces the passphrase that opened the repository by a new one, which is asked for twice unless an option gives it. The old one goes only after the new one has been proved to open the repository.",
  ],
  positionals: [],
  options: NEW_PASSPHRASE_OPTIONS,
  writes: "document",
  usesRepository: true,
  examples: [{ command: "holdfast key change", explanation: "asks for the passphrase, then twice for the new one" }],
  exitStatuses: [],
  async run(context, values) {
    const source = newPassphrase(context, values);
    await using repository = await context.openRepository();
    const slot = await repository.changePassphrase(await source());
    const { output } = context;
    if (output.mode.json) output.document(keySlotDocument(slot));
    else if (!output.mode.quiet) output.line(`Changed the passphrase. Its key slot is ${slot.id}.`);
    return EXIT.done;
  },
});
