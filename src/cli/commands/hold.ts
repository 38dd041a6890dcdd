import { IMAGE_REFERENCE } from "../arguments/image-options.ts";
import { parseEnd, parsed, text } from "../arguments/options.ts";
import { usageError } from "../arguments/parse-arguments.ts";
import { defineCommand } from "../command.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-status.ts";
import type { ImageHold } from "../library.ts";
import { holdDocument, holdText, shortId } from "../text/image-text.ts";

const NAME = "holdfast hold";

export const holdCommand = defineCommand({
  name: "hold",
  summary: "Protect an image from being removed",
  description: [
    `Whatever its rules say, holdfast forget spares an image that is held, until the hold ends or is removed. A second hold takes the place of the first. ${IMAGE_REFERENCE}`,
  ],
  positionals: [{ name: "IMAGE", isOptional: true, completes: "image" }],
  options: {
    reason: text({ valueName: "TEXT", help: "why; must be given" }),
    until: parsed(parseEnd, {
      valueName: "DATE",
      help: "protect to the end of this day, such as 2027-01-31; for ever unless given",
    }),
    remove: text({ valueName: "IMAGE", completes: "image", help: "end the hold on this image" }),
  },
  moreUsage: ["IMAGE --reason TEXT [--until DATE]", "--remove IMAGE"],
  writes: "document",
  usesRepository: true,
  examples: [
    { command: 'holdfast hold 3f2a9c81 --reason "audit" --until 2027-01-31', explanation: "keep it to the end of January" },
    { command: "holdfast hold --remove 3f2a9c81", explanation: "protect it no more" },
  ],
  exitStatuses: [],
  async run(context, { reason, until, remove }) {
    const [reference] = context.positionals;
    if (remove !== undefined) {
      if (reference === undefined && reason === undefined && until === undefined) return endHold(context, remove);
      throw usageError("--remove goes with nothing else", NAME);
    }
    if (reference === undefined) throw usageError(`${NAME} needs an IMAGE`, NAME);
    if (reason === undefined) throw usageError(`${NAME} needs the option --reason TEXT`, NAME);
    const hold: ImageHold = until === undefined ? { reason } : { reason, untilMs: until };
    await using repository = await context.openRepository();
    const { id } = await repository.image(reference);
    await repository.hold(id, hold);
    report(context, id, hold, `is held: ${holdText(hold)}`);
    return EXIT.done;
  },
});

async function endHold(context: CommandContext, reference: string): Promise<typeof EXIT.done> {
  await using repository = await context.openRepository();
  const { id, hold } = await repository.image(reference);
  if (hold !== undefined) await repository.hold(id, undefined);
  report(context, id, undefined, hold === undefined ? "was not held" : `is held no more: ${holdText(hold)}`);
  return EXIT.done;
}

function report({ output }: CommandContext, id: string, hold: ImageHold | undefined, says: string): void {
  if (output.mode.json) output.document({ imageId: id, hold: holdDocument(hold) });
  else if (!output.mode.quiet) output.line(`Image ${shortId(id)} ${says}.`);
}
