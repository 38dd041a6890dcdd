import { filterOf, IMAGE_FILTER_OPTIONS, IMAGE_REFERENCE } from "../arguments/image-options.ts";
import { KEEP_OPTIONS, keepOptionsOf } from "../arguments/keep-options.ts";
import { flag } from "../arguments/options.ts";
import { usageError } from "../arguments/parse-arguments.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { forgetDocument, forgetSummary, forgetTables } from "../text/forget-text.ts";
import { pruneFields, pruneLines } from "../text/prune-text.ts";

const NAME = "holdfast forget";

export const forgetCommand = defineCommand({
  name: "forget",
  summary: "Remove images that are no longer wanted",
  description: [
    `Removes the IMAGEs that are named, or of every source all images that no rule keeps. ${IMAGE_REFERENCE}`,
    "An image stays when any rule keeps it. Days, weeks and months are those of this machine's time zone, and the time of an image is that of its end. Images that are held (see holdfast hold) or younger than --keep-within always stay. Rules that would remove every image of a source are refused.",
    "The space is not free before holdfast prune has run, or with --prune.",
  ],
  positionals: [{ name: "IMAGE", isOptional: true, isRepeatable: true, completes: "image" }],
  options: {
    ...KEEP_OPTIONS,
    ...IMAGE_FILTER_OPTIONS,
    "dry-run": flag({ short: "n", help: "show what would be done, and do nothing" }),
    prune: flag({ help: "free the space at once, as holdfast prune does" }),
  },
  moreUsage: ["--keep-last N … [OPTIONS]"],
  writes: "document",
  usesRepository: true,
  examples: [
    {
      command: "holdfast forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run",
      explanation: "what would stay, and why",
    },
    { command: "holdfast forget --keep-last 3 --source mail", explanation: "all but the newest three images of one source" },
    { command: "holdfast forget --keep-within 30d --prune", explanation: "keep a month, and free the space of the rest" },
    { command: "holdfast forget 3f2a9c81", explanation: "this image, whatever rules would say" },
  ],
  exitStatuses: [],
  exitMeanings: { [EXIT.failed]: "failed, or what must stay would have been removed (then nothing was)" },
  async run(context, values) {
    const images = context.positionals;
    const { rules, keepWithinMs } = keepOptionsOf(values);
    if (images.length > 0 && rules !== undefined) throw usageError("Images are named or chosen by --keep rules, not both", NAME);
    if (images.length === 0 && rules === undefined && keepWithinMs === undefined) {
      throw usageError(`${NAME} needs to know what to keep, such as --keep-daily 7, or which images to remove`, NAME);
    }
    await using repository = await context.openRepository();
    const report = await repository.forget({
      ...(images.length > 0 ? { images } : {}),
      ...keepOptionsOf(values),
      filter: filterOf(values),
      dryRun: values["dry-run"],
    });
    const { output, world } = context;
    const tells = !output.mode.json && !output.mode.quiet;
    if (tells) output.lines([...forgetTables(report), ...forgetSummary(report, values.prune)]);
    const pruned = values.prune && !values["dry-run"] ? await repository.prune({ signal: world.signal }) : undefined;
    if (output.mode.json)
      output.document({ ...forgetDocument(report), ...(pruned === undefined ? {} : { prune: pruneFields(pruned) }) });
    else if (tells && pruned !== undefined) output.lines(pruneLines(pruned));
    return EXIT.done;
  },
});
