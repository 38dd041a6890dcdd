import { filterOf, IMAGE_FILTER_OPTIONS, IMAGE_REFERENCE } from "../arguments/image-options.ts";
import { flag } from "../arguments/options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { entryDocument, EntryLines } from "../text/entry-text.ts";

export const lsCommand = defineCommand({
  name: "ls",
  summary: "List what is in an image",
  description: [
    `Lists a directory of an image, or one entry, like ls -l. ${IMAGE_REFERENCE}`,
    "Without PATH the list begins at the root. A relative PATH starts in the current directory, as it does for backup.",
  ],
  positionals: [
    { name: "IMAGE", completes: "image" },
    { name: "PATH", isOptional: true, completes: "file" },
  ],
  options: {
    recursive: flag({ short: "R", help: "everything below, not only the directory itself" }),
    ...IMAGE_FILTER_OPTIONS,
  },
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast ls latest /home/anna", explanation: "one directory of the newest image" },
    { command: "holdfast ls 3f2a9c81 --recursive --json", explanation: "everything in an image, one JSON line for each entry" },
  ],
  exitStatuses: [],
  async run(context, values) {
    await using repository = await context.openRepository();
    const { output, positionals } = context;
    const [image = "", path = "/"] = positionals;
    const lines = new EntryLines();
    const options = { path: context.absolute(path), recursive: values.recursive, filter: filterOf(values) };
    for await (const entry of repository.entries(image, options)) {
      await output.ready();
      if (output.mode.json) output.event("entry", entryDocument(entry), false);
      else output.line(lines.lineOf(entry));
    }
    return EXIT.done;
  },
});
