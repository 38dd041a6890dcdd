import { IMAGE_REFERENCE } from "../arguments/image-options.ts";
import { list } from "../arguments/options.ts";
import { usageError } from "../arguments/parse-arguments.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { shortId } from "../text/image-text.ts";

export const tagCommand = defineCommand({
  name: "tag",
  summary: "Change the tags of an image",
  description: [`Adds and removes tags, or sets them anew. ${IMAGE_REFERENCE}`],
  positionals: [{ name: "IMAGE", completes: "image" }],
  options: {
    add: list({ valueName: "TAG", help: "add this tag" }),
    remove: list({ valueName: "TAG", help: "remove this tag" }),
    set: list({ valueName: "TAG", help: "forget all tags but this one" }),
  },
  writes: "document",
  usesRepository: true,
  examples: [
    { command: "holdfast tag latest --add before-upgrade", explanation: "one more tag" },
    { command: "holdfast tag 3f2a9c81 --set weekly --set keep", explanation: "exactly these two" },
  ],
  exitStatuses: [],
  async run(context, { add, remove, set }) {
    const [reference = ""] = context.positionals;
    if (add.length + remove.length + set.length === 0) {
      throw usageError("holdfast tag needs --add, --remove or --set", "holdfast tag");
    }
    if (set.length > 0 && add.length + remove.length > 0) {
      throw usageError("--set goes with neither --add nor --remove", "holdfast tag");
    }
    await using repository = await context.openRepository();
    const { id } = await repository.image(reference);
    const tags = await repository.tag(id, set.length > 0 ? { set } : { add, remove });
    const { output } = context;
    if (output.mode.json) output.document({ imageId: id, tags });
    else if (!output.mode.quiet)
      output.line(`Image ${shortId(id)} has ${tags.length === 0 ? "no tags" : `the tags ${tags.join(", ")}`}.`);
    return EXIT.done;
  },
});
