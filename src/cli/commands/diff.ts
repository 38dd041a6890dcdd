import { IMAGE_REFERENCE } from "../arguments/image-options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import type { Difference } from "../library.ts";
import { entryDocument, entryName } from "../text/entry-text.ts";
import { formatCount } from "../text/units.ts";

const MARKS: Readonly<Record<Difference["kind"], string>> = { added: "+", removed: "-", changed: "M" };

export const diffCommand = defineCommand({
  name: "diff",
  summary: "Show what differs between two images",
  description: [
    `Shows what became of the first image on the way to the second: + is new, - is gone, M is changed, with what changed in parentheses. ${IMAGE_REFERENCE}`,
  ],
  positionals: [
    { name: "IMAGE", completes: "image" },
    { name: "IMAGE", completes: "image" },
    { name: "PATH", isOptional: true, completes: "file" },
  ],
  options: {},
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast diff 11aa22bb latest", explanation: "everything that changed since" },
    { command: "holdfast diff 11aa22bb latest /etc", explanation: "the same, below one directory" },
  ],
  exitStatuses: [],
  async run(context) {
    await using repository = await context.openRepository();
    const { output, positionals } = context;
    const [before = "", after = "", path] = positionals;
    const options = path === undefined ? {} : { path: context.absolute(path) };
    const counts = { added: 0, removed: 0, changed: 0 };
    for await (const difference of repository.diff(before, after, options)) {
      await output.ready();
      counts[difference.kind]++;
      if (output.mode.json) output.event("difference", differenceFields(difference), false);
      else output.line(differenceLine(difference));
    }
    const { added, removed, changed } = counts;
    if (output.mode.json) output.event("summary", counts);
    else if (added + removed + changed === 0) output.line("No differences.");
    else output.line(`${formatCount(added)} added, ${formatCount(removed)} removed, ${formatCount(changed)} changed`);
    return EXIT.done;
  },
});

function differenceLine(difference: Difference): string {
  const mark = MARKS[difference.kind];
  if (difference.kind !== "changed") return `${mark} ${entryName(difference.entry)}`;
  return `${mark} ${entryName(difference.after)} (${difference.changes.join(", ")})`;
}

function differenceFields(difference: Difference): object {
  if (difference.kind !== "changed") return { kind: difference.kind, entry: entryDocument(difference.entry) };
  const { kind, before, after, changes } = difference;
  return { kind, changes, before: entryDocument(before), after: entryDocument(after) };
}
