import type { PruneReport } from "../library.ts";
import { counted, formatBytes, formatDuration, formatTime, isoTime } from "./units.ts";

/** What a person is told of a collection. */
export function pruneLines(report: PruneReport): string[] {
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
  const where = writtenContainers > 0 ? ` in ${counted(writtenContainers, "container")}` : "";
  if (writtenBytes > 0) lines.push(`  wrote ${formatBytes(writtenBytes)} anew${where}`);
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
        ? `  session ${session}, whose file cannot be read (if nobody has it any more: --assume-dead ${session})`
        : `  process ${processId} on ${host}, since ${formatTime(startedAtMs)}`,
    ),
    "Run `holdfast prune` again then. For a machine that is gone: `holdfast prune --assume-dead HOST`.",
  ];
}

/** The fields of the last event with `--json` (docs/scripting.md). */
export function pruneFields({ durationMs, waitingFor, ...fields }: PruneReport): object {
  const writers = waitingFor.map(({ session, host, processId, startedAtMs }) => ({
    session,
    host: host ?? null,
    processId: processId ?? null,
    startedAt: startedAtMs === undefined ? null : isoTime(startedAtMs),
  }));
  return { ...fields, waitingFor: writers, durationMs: Math.round(durationMs) };
}
