import { filterOf, IMAGE_FILTER_OPTIONS } from "../arguments/image-options.ts";
import { isInForce } from "../../model/hold.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import type { ImageSummary } from "../library.ts";
import { holdText, imageDocument, shortIdsOf, sourceText } from "../text/image-text.ts";
import { tableLines } from "../text/table.ts";
import { counted, formatBytes, formatCount, formatTime } from "../text/units.ts";

export const imagesCommand = defineCommand({
  name: "images",
  summary: "List the images in the repository",
  description: [
    "Lists images, oldest first. SIZE is that of all files in an image, ADDED what the repository grew by. HELD says why `holdfast forget` spares an image; it is shown when there are such.",
  ],
  positionals: [],
  options: IMAGE_FILTER_OPTIONS,
  writes: "document",
  usesRepository: true,
  examples: [
    { command: "holdfast images", explanation: "all of them" },
    { command: "holdfast images --host hal --tag weekly", explanation: "those from hal with the tag weekly" },
  ],
  exitStatuses: [],
  async run(context, values) {
    await using repository = await context.openRepository();
    const filter = filterOf(values);
    const images = await repository.images(filter);
    const { output, world } = context;
    if (output.mode.json) output.document({ images: images.map(imageDocument) });
    else if (images.length > 0) output.lines([...imageTable(images, world.clock.now()), counted(images.length, "image")]);
    else output.line(Object.keys(filter).length === 0 ? "No images yet." : "No image matches.");
    return EXIT.done;
  },
});

export function imageTable(images: readonly ImageSummary[], nowMs: number): string[] {
  const short = shortIdsOf(images.map(({ id }) => id));
  // A hold that has ended protects nothing, and is in --json for those who care.
  const holds = images.map(({ hold }) => (isInForce(hold, nowMs) ? holdText(hold) : ""));
  const columns = [
    { title: "IMAGE" },
    { title: "TIME" },
    { title: "FILES", align: "right" as const },
    { title: "SIZE", align: "right" as const },
    { title: "ADDED", align: "right" as const },
    { title: "SOURCE" },
    { title: "TAGS" },
    ...(holds.some((hold) => hold !== "") ? [{ title: "HELD" }] : []),
  ];
  const rows = images.map(({ id, record, tags }, position) => [
    short(id),
    formatTime(record.startedAtMs),
    formatCount(record.statistics.files),
    formatBytes(record.statistics.contentBytes),
    formatBytes(record.statistics.addedBytes),
    record.unreadable.count === 0
      ? sourceText(record.source)
      : `${sourceText(record.source)} (${formatCount(record.unreadable.count)} unreadable)`,
    tags.join(", "),
    holds[position] ?? "",
  ]);
  return tableLines(columns, rows);
}
