import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { keySlotDocument } from "../text/key-text.ts";
import { tableLines } from "../text/table.ts";
import { formatTime } from "../text/units.ts";

export const keyListCommand = defineCommand({
  name: "key list",
  summary: "List the key slots",
  description: ["Lists the key slots, one for each passphrase. The one that opened the repository now is marked with *."],
  positionals: [],
  options: {},
  writes: "document",
  usesRepository: true,
  examples: [{ command: "holdfast key list", explanation: "the slots of the repository in HOLDFAST_REPOSITORY" }],
  exitStatuses: [],
  async run(context) {
    await using repository = await context.openRepository();
    const slots = await repository.keySlots();
    const { output } = context;
    if (output.mode.json) output.document({ keys: slots.map(keySlotDocument) });
    else {
      const rows = slots.map(({ id, label, createdAtMs, isCurrent }) => [
        id,
        formatTime(createdAtMs),
        label,
        isCurrent ? "*" : "",
      ]);
      output.lines(tableLines([{ title: "KEY" }, { title: "CREATED" }, { title: "LABEL" }, { title: "" }], rows));
    }
    return EXIT.done;
  },
});
