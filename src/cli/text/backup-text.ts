// What a backup did, for people and for programs.

import type { BackupReport } from "../library.ts";
import { shortId, sourceText } from "./image-text.ts";
import { describeCode } from "./platform-codes.ts";
import { listLines } from "./table.ts";
import { counted, formatBytes, formatCount, formatDuration } from "./units.ts";

export function problemText({ path, action, code }: BackupReport["problems"][number]): string {
  return `Cannot ${action} ${path}: ${describeCode(code)}`;
}

export function backupLines(report: BackupReport, isVerbose: boolean): string[] {
  const { statistics, imageId, baseImageId, source, durationMs } = report;
  const origin = baseImageId === undefined ? "the first of its source" : `built on ${shortId(baseImageId)}`;
  const time = formatDuration(durationMs);
  const title =
    imageId === undefined
      ? `Dry run for ${sourceText(source)} in ${time}: nothing was stored.`
      : `Made image ${shortId(imageId)} of ${sourceText(source)} in ${time} (${origin})`;
  const { filesNew, filesChanged, filesUnchanged } = statistics;
  const files = filesNew + filesChanged + filesUnchanged;
  const parts = [
    `${formatCount(filesNew)} new`,
    `${formatCount(filesChanged)} changed`,
    `${formatCount(filesUnchanged)} unchanged`,
  ];
  if (report.problemCount > 0) parts.push(`${formatCount(report.problemCount)} unreadable`);
  const rows: [string, string][] = [
    ["files", parts.join(", ")],
    ["source", contentText(report, files)],
    ...(imageId === undefined ? rehearsalRows(report) : storedRows(report)),
  ];
  if (statistics.removed > 0) rows.push(["gone", `${counted(statistics.removed, "entry", "entries")} of the last image`]);
  if (statistics.changedWhileRead > 0)
    rows.push(["in motion", `${counted(statistics.changedWhileRead, "file")} changed while being read`]);
  if (statistics.silentChanges > 0) {
    rows.push(["silent", `${counted(statistics.silentChanges, "file")} had changed without a sign of it`]);
  }
  if (isVerbose) rows.push(...verboseRows(report));
  return [title, ...listLines(rows)];
}

function contentText({ statistics }: BackupReport, files: number): string {
  const { directories, symbolicLinks } = statistics;
  const others = symbolicLinks + statistics.others;
  const more = others === 0 ? "" : `, ${counted(others, "link or other entry", "links and other entries")}`;
  return `${formatBytes(statistics.sourceBytes)} in ${counted(files, "file")}, ${counted(directories, "directory", "directories")}${more}`;
}

function storedRows({ statistics, durationMs, addedStoredBytes, addedPlainBytes }: BackupReport): [string, string][] {
  const { bytesRead } = statistics;
  // Of a moment nobody can tell a rate.
  const rate = bytesRead === 0 || durationMs < 1000 ? "" : ` (${formatBytes((bytesRead * 1000) / durationMs)}/s)`;
  const content = addedPlainBytes === 0 ? "" : `, for ${formatBytes(addedPlainBytes)} of new content`;
  return [
    ["read", `${formatBytes(bytesRead)}${rate}`],
    ["added", `${formatBytes(addedStoredBytes)} to the repository${content}`],
  ];
}

function rehearsalRows({ statistics }: BackupReport): [string, string][] {
  return [["to read", formatBytes(statistics.bytesToRead)]];
}

function verboseRows({ statistics, imageId, skippedSockets }: BackupReport): [string, string][] {
  const more = statistics.socketsSkipped - skippedSockets.length;
  return [
    ["image", imageId ?? "none"],
    ["vanished", formatCount(statistics.vanished)],
    ["sockets", `${formatCount(statistics.socketsSkipped)} skipped`],
    ...skippedSockets.map((path): [string, string] => ["", path]),
    ...(more > 0 ? [["", `and ${formatCount(more)} more`] as [string, string]] : []),
    ["read again", `${formatCount(statistics.rescanned)} that looked unchanged`],
    ["taken over", `${counted(statistics.entriesClaimed, "entry", "entries")} from the last image`],
    ["sent again", `${counted(statistics.claimsRefused, "claim")} refused`],
  ];
}

/** The fields of the last event with `--json` (docs/scripting.md). */
export function backupFields(report: BackupReport) {
  const { imageId, source, baseImageId, statistics, addedPlainBytes, addedStoredBytes } = report;
  const { problemCount, skippedSockets, notices, durationMs, afterFailure } = report;
  return {
    imageId,
    source,
    baseImageId,
    statistics,
    addedPlainBytes,
    addedStoredBytes,
    problemCount,
    skippedSockets,
    notices,
    durationMs: Math.round(durationMs),
    afterFailure,
  };
}
