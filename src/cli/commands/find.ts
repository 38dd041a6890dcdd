import { filterOf, IMAGE_FILTER_OPTIONS } from "../arguments/image-options.ts";
import { flag } from "../arguments/options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { entryDocument, EntryLines } from "../text/entry-text.ts";
import { shortId } from "../text/image-text.ts";
import { counted } from "../text/units.ts";

const IMAGES_NAMED = 3;

export const findCommand = defineCommand({
  name: "find",
  summary: "Find files in all images",
  description: [
    "Lists the entries of all images whose name matches PATTERN, and the images that hold each of them in this form. A PATTERN with a slash is held against the end of the path, or against all of it when it begins with one; with a slash at its end it finds directories only.",
    "In a pattern * stands for any characters but a slash, ** for slashes too, ? for one character, [a-z] for one of several. Quote it, or the shell will fill it in.",
  ],
  positionals: [{ name: "PATTERN" }],
  options: {
    "ignore-case": flag({ short: "i", help: "capital and small letters are the same" }),
    ...IMAGE_FILTER_OPTIONS,
  },
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast find 'report*.odt'", explanation: "by name, in every image" },
    { command: "holdfast find --host hal '/etc/**/*.conf'", explanation: "by path, in the images from hal" },
  ],
  exitStatuses: [],
  async run(context, values) {
    await using repository = await context.openRepository();
    const { output, positionals } = context;
    const [pattern = ""] = positionals;
    const lines = new EntryLines();
    let found = 0;
    const options = { filter: filterOf(values), ignoreCase: values["ignore-case"] };
    for await (const { imageIds, entry } of repository.find(pattern, options)) {
      await output.ready();
      found++;
      if (output.mode.json) output.event("entry", { ...entryDocument(entry), imageIds }, false);
      else output.line(`${lines.lineOf(entry)}  (${imagesText(imageIds)})`);
    }
    if (found === 0 && !output.mode.json) output.message(`No entry of any image matches "${pattern}".`);
    return EXIT.done;
  },
});

function imagesText(imageIds: readonly string[]): string {
  const named = imageIds.slice(-IMAGES_NAMED).map(shortId).join(", ");
  const count = counted(imageIds.length, "image");
  return imageIds.length > IMAGES_NAMED ? `in ${count}: ..., ${named}` : `in ${count}: ${named}`;
}
