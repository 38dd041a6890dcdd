import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import { listLines } from "../text/table.ts";
import { counted, formatBytes, formatCount } from "../text/units.ts";

export const statsCommand = defineCommand({
  name: "stats",
  summary: "Show how much the repository holds",
  description: ["Counts images, containers and segments, and compares what all images would take with what is stored."],
  positionals: [],
  options: {},
  writes: "document",
  usesRepository: true,
  examples: [{ command: "holdfast stats", explanation: "the figures of the repository in HOLDFAST_REPOSITORY" }],
  exitStatuses: [],
  async run(context) {
    await using repository = await context.openRepository();
    const statistics = await repository.statistics();
    const { output } = context;
    if (output.mode.json) {
      output.document({ id: repository.id, location: repository.location, ...statistics });
      return EXIT.done;
    }
    const { containerBytes, indexBytes, logicalBytes } = statistics;
    const ratio = containerBytes === 0 ? "" : ` (${(logicalBytes / containerBytes).toFixed(1)} times as much)`;
    output.line(`Repository ${repository.id} in ${repository.location}`);
    output.lines(
      listLines([
        ["images", `${formatCount(statistics.images)}, of ${counted(statistics.sources, "source")}`],
        ["all images restored", `${formatBytes(logicalBytes)}${ratio}`],
        ["stored", `${formatBytes(containerBytes)} in ${counted(statistics.containers, "container")}`],
        ["segments", formatCount(statistics.segments)],
        ["index", `${formatBytes(indexBytes)} in ${counted(statistics.indexRuns, "run")}`],
      ]),
    );
    return EXIT.done;
  },
});
