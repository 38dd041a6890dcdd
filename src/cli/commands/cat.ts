import { usageError } from "../arguments/parse-arguments.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { jsonText } from "../text/json.ts";

const KINDS = ["repository", "key", "image", "page", "container"] as const;

export const catCommand = defineCommand({
  name: "cat",
  summary: "Show a stored thing as it is, for the curious",
  description: [
    `Shows what is stored as JSON: KIND is ${KINDS.slice(0, -1).join(", ")} or ${KINDS.at(-1) ?? ""}. An image is named like everywhere, a container or a key by its id or the beginning of it, a page by its whole fingerprint; without ID, key shows all.`,
  ],
  positionals: [{ name: "KIND" }, { name: "ID", isOptional: true }],
  options: {},
  writes: "document",
  usesRepository: true,
  examples: [
    { command: "holdfast cat repository", explanation: "what the repository says of itself" },
    { command: "holdfast cat image latest", explanation: "the record of the newest image" },
  ],
  exitStatuses: [],
  async run(context) {
    const [word, id] = context.positionals;
    const kind = KINDS.find((candidate) => candidate === word);
    const name = "holdfast cat";
    if (kind === undefined) throw usageError(`${name} knows no "${word ?? ""}"; it knows ${KINDS.join(", ")}`, name);
    if (kind !== "repository" && kind !== "key" && id === undefined) throw usageError(`${name} ${kind} needs an ID`, name);
    await using repository = await context.openRepository();
    const found = await repository.inspect(id === undefined ? { kind } : { kind, id });
    if (context.output.mode.json) context.output.document(found);
    else context.output.lines(jsonText(found, 2).split("\n"));
    return EXIT.done;
  },
});
