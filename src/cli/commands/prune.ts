import { list, flag, parsePercent, parsed } from "../arguments/options.ts";
import { defineCommand } from "../command.ts";
import { EXIT } from "../exit-status.ts";
import type { PruneReport } from "../library.ts";
import { counted, formatBytes, formatDuration, formatTime, isoTime } from "../text/units.ts";
import { withoutUndefined } from "../text/without-undefined.ts";

export const pruneCommand = defineCommand({
  name: "prune",
  summary: "Remove what no image needs any more",
  description: [
    "Removes the content that only forgotten images needed. Containers of which nothing is needed are removed; of others the needed part is written anew, until no more than --max-unused of what is stored is unused.",
    "Backups may run meanwhile, and are neither harmed nor stopped. Containers that a running backup may count on stay until it has ended; run prune again then. Nothing is removed from a repository of which anything is missing or cannot be read.",
    "A backup on another machine that died is waited for until it is said that the machine is gone. Should it live all the same, it fails and does no harm.",
  ],
  positionals: [],
  options: {
    "dry-run": flag({ short: "n", help: "show what would be removed, and remove nothing" }),
    "max-unused": parsed(parsePercent, {
      valueName: "PERCENT",
      help: "how much of what is stored may stay unused (5% unless given); less takes longer",
    }),
    "assume-dead": list({ valueName: "HOST", help: "do not wait for backups of this machine, which is gone" }),
  },
  writes: "events",
  usesRepository: true,
  examples: [
    { command: "holdfast prune --dry-run", explanation: "what would be freed" },
    { command: "holdfast prune", explanation: "after `holdfast forget`" },
    { command: "holdfast prune --assume-dead old-laptop", explanation: "a backup died with its machine" },
  ],
  exitStatuses: [],
  exitMeanings: {
    [EXIT.done]: "done, nothing to do, or waiting for a backup to end",
    [EXIT.failed]: "failed, or something is missing or damaged; nothing was removed",
  },
  endsOnSignal: true,
  async run(context, values) {
    await using repository = await context.openRepository();
    const { output, world } = context;
    using progress = output.startProgress();
    const report = await repository.prune(
      withoutUndefined({
        dryRun: values["dry-run"] ? true : undefined,
        maxUnused: values["max-unused"],
        assumeDead: values["assume-dead"],
        signal: world.signal,
        onNotice: (notice: string) => output.notice(`Warning: ${notice}`),
        onProgress: ({ phase, done, total }: { phase: string; done: number; total: number }) => {
          progress.update({ phase, unit: phase === "mark" ? "images" : "containers", done, total });
        },
      }),
    );
    progress.stop();
    if (output.mode.json) output.event("summary", { ...fieldsOf(report), exitStatus: EXIT.done });
    else if (!output.mode.quiet) output.lines(linesOf(report));
    return EXIT.done;
  },
});

function linesOf(report: PruneReport): string[] {
  switch (report.outcome) {
    case "planned":
      return [...plannedLines(report), ...unusedLines(report)];
    case "nothing":
      return [`There is nothing to remove. Images need ${formatBytes(report.liveBytes)}.`, ...unusedLines(report)];
    case "done":
      return [...doneLines(report), ...unusedLines(report), `It took ${formatDuration(report.durationMs)}.`];
    case "waiting":
      return [...(report.removedContainers > 0 ? doneLines(report) : []), ...waitingLines(report)];
  }
}

function plannedLines({
  removedContainers,
  removedBytes,
  writtenBytes,
  deadContainers,
  rewrittenContainers,
}: PruneReport): string[] {
  if (removedContainers === 0) return ["Nothing would be removed."];
  const lines = [`Would free ${formatBytes(removedBytes - writtenBytes)}:`];
  if (deadContainers > 0) lines.push(`  remove ${counted(deadContainers, "container")} of which nothing is needed`);
  if (rewrittenContainers > 0) {
    const containers = counted(rewrittenContainers, "container");
    lines.push(`  write anew the ${formatBytes(writtenBytes)} that are needed of ${containers}`);
  }
  return lines;
}

function doneLines(report: PruneReport): string[] {
  const { removedContainers, removedBytes, writtenContainers, writtenBytes, rescuedSegments, finishedEarlier } = report;
  const lines = [`Freed ${formatBytes(Math.max(0, removedBytes - writtenBytes))}.`];
  lines.push(`  removed ${counted(removedContainers, "container")} (${formatBytes(removedBytes)})`);
  if (writtenBytes > 0) lines.push(`  wrote ${formatBytes(writtenBytes)} anew in ${counted(writtenContainers, "container")}`);
  if (rescuedSegments > 0) lines.push(`  kept ${counted(rescuedSegments, "segment")} that a backup had begun to use meanwhile`);
  if (finishedEarlier) lines.push("  finished what an earlier prune had begun");
  return lines;
}

function unusedLines({ unusedBytes, liveBytes }: PruneReport): string[] {
  if (unusedBytes === 0) return [];
  const share = (100 * unusedBytes) / Math.max(1, unusedBytes + liveBytes);
  return [`${formatBytes(unusedBytes)} (${share.toFixed(1)}%) stay unused in containers that hold needed content too.`];
}

function waitingLines({ waitingFor, deadBytes, rewrittenBytes }: PruneReport): string[] {
  const bytes = deadBytes + rewrittenBytes;
  const what = bytes > 0 ? formatBytes(bytes) : "What is not needed";
  return [
    `${what} can be removed when ${waitingFor.length === 1 ? "this writer has" : "these writers have"} ended, which may count on it:`,
    ...waitingFor.map(({ session, host, processId, startedAtMs }) =>
      host === undefined || startedAtMs === undefined
        ? `  session ${session}, whose file cannot be read`
        : `  process ${processId} on ${host}, since ${formatTime(startedAtMs)}`,
    ),
    "Run `holdfast prune` again then. For a machine that is gone: `holdfast prune --assume-dead HOST`.",
  ];
}

function fieldsOf({ durationMs, waitingFor, ...fields }: PruneReport): object {
  const writers = waitingFor.map(({ session, host, processId, startedAtMs }) => ({
    session,
    host: host ?? null,
    processId: processId ?? null,
    startedAt: startedAtMs === undefined ? null : isoTime(startedAtMs),
  }));
  return { ...fields, waitingFor: writers, durationMs: Math.round(durationMs) };
}
