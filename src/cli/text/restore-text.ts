// What a restore did or would do, for people and for programs.

import type { RestorePlan, RestoreProblem, RestoreReport } from "../library.ts";
import { shortId } from "./image-text.ts";
import { describeCode } from "./platform-codes.ts";
import { listLines } from "./table.ts";
import { counted, formatBytes, formatCount, formatDuration } from "./units.ts";

export function restoreProblemText({ path, action, code, detail }: RestoreProblem): string {
  return `${path}: cannot ${action}: ${describeCode(code)}${detail === undefined ? "" : `: ${detail}`}`;
}

export function restoreLines(
  report: RestoreReport,
  { isDryRun, target }: { readonly isDryRun: boolean; readonly target: string },
): string[] {
  const { imageId, plan, durationMs } = report;
  if (isDryRun) {
    const rows: [string, string][] = [["would restore", planText(plan)]];
    rows.push(["would read", `${formatBytes(plan.storedBytes)} from ${counted(plan.containers, "container")}`]);
    if (report.deleted > 0) rows.push(["would delete", counted(report.deleted, "entry", "entries")]);
    return [`Dry run for image ${shortId(imageId)} to ${target}: nothing was written.`, ...listLines(rows)];
  }
  const rate = durationMs < 1000 ? "" : ` (${formatBytes((report.restoredBytes * 1000) / durationMs)}/s)`;
  const rows: [string, string][] = [
    ["restored", `${counted(report.restoredFiles, "file")}, ${formatBytes(report.restoredBytes)}${rate}`],
  ];
  if (report.skippedUnchanged > 0) rows.push(["left alone", `${formatCount(report.skippedUnchanged)} that were as stored`]);
  if (report.skippedExisting > 0)
    rows.push(["not touched", `${formatCount(report.skippedExisting)} that existed (see --overwrite)`]);
  if (report.deleted > 0) rows.push(["deleted", counted(report.deleted, "entry", "entries")]);
  if (report.verifiedFiles > 0) rows.push(["verified", `${counted(report.verifiedFiles, "file")} read back and compared`]);
  if (report.problemCount > 0) rows.push(["problems", formatCount(report.problemCount)]);
  return [`Restored image ${shortId(imageId)} to ${target} in ${formatDuration(durationMs)}`, ...listLines(rows)];
}

function planText({ files, directories, others, bytes }: RestorePlan): string {
  const more = others === 0 ? "" : `, ${counted(others, "link or other entry", "links and other entries")}`;
  return `${formatBytes(bytes)} in ${counted(files, "file")}, ${counted(directories, "directory", "directories")}${more}`;
}

/** The fields of the last event with `--json` (docs/scripting.md). */
export function restoreFields(report: RestoreReport) {
  const { imageId, plan, restoredFiles, restoredBytes, skippedUnchanged, skippedExisting, deleted, verifiedFiles } = report;
  return {
    imageId,
    plan,
    restoredFiles,
    restoredBytes,
    skippedUnchanged,
    skippedExisting,
    deleted,
    verifiedFiles,
    problemCount: report.problemCount,
    durationMs: Math.round(report.durationMs),
  };
}
