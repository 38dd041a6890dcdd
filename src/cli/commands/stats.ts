import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import type { RepositoryStatistics, RequestCounts } from "../library.ts";
import { listLines } from "../text/table.ts";
import { counted, formatBytes, formatCount } from "../text/units.ts";

export const statsCommand = defineCommand({
  name: "stats",
  summary: "Show how much the repository holds",
  description: [
    "Counts images, containers and segments, and compares what all images would take with what is stored.",
    "How much of what is stored no image needs any more is not known without looking through all images. `holdfast prune --dry-run` does that, and changes nothing.",
  ],
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
    const { containerBytes, condemned, indexBytes, logicalBytes, requests } = statistics;
    if (output.mode.json) {
      output.document({
        id: repository.id,
        location: repository.location,
        ...statistics,
        condemned: condemned ?? null,
        requests: requests ?? null,
      });
      return EXIT.done;
    }
    const ratio = containerBytes === 0 ? "" : ` (${(logicalBytes / containerBytes).toFixed(1)} times as much)`;
    output.line(`Repository ${repository.id} in ${repository.location}`);
    output.lines(
      listLines([
        ["images", `${formatCount(statistics.images)}, of ${counted(statistics.sources, "source")}`],
        ["all images restored", `${formatBytes(logicalBytes)}${ratio}`],
        ["stored", `${formatBytes(containerBytes)} in ${counted(statistics.containers, "container")}`],
        ...condemnedRow(condemned),
        ["segments", formatCount(statistics.segments)],
        ["index", `${formatBytes(indexBytes)} in ${counted(statistics.indexRuns, "run")}`],
        ...(requests === undefined ? [["reserve", formatBytes(statistics.reserveBytes)] as const] : requestRow(requests)),
      ]),
    );
    if (containerBytes > 0) output.line("What prune could free: `holdfast prune --dry-run` counts it.");
    return EXIT.done;
  },
});

function condemnedRow(condemned: RepositoryStatistics["condemned"]): readonly (readonly [string, string])[] {
  if (condemned === undefined) return [["condemned", "not known: the records of the collection cannot be read"]];
  if (condemned.containers === 0) return [];
  const containers = counted(condemned.containers, "container");
  return [["condemned", `${formatBytes(condemned.bytes)} in ${containers}, which the next prune removes`]];
}

/** What showing these figures took. */
function requestRow({
  get,
  head,
  list,
  put,
  copy,
  delete: removed,
  retries,
}: RequestCounts): readonly (readonly [string, string])[] {
  const asked = counted(get + head + list + put + copy + removed, "request");
  return [
    ["asked the store", `${asked}, ${formatCount(list)} of them lists${retries > 0 ? `, ${formatCount(retries)} repeated` : ""}`],
  ];
}
