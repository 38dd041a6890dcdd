// What a restore did or would do, for people and for programs.

import type { RestoreProblem, RestoreReport } from "../library.ts";
import { shortId } from "./image-text.ts";
import { describeCode } from "./platform-codes.ts";
import { listLines } from "./table.ts";
import { counted, formatBytes, formatCount, formatDuration } from "./units.ts";

export function restoreProblemText({ path, action, code, detail }: RestoreProblem): string {
  if (code === "TARGET_CONFLICT") {
    return `${path}: not restored, because something of another kind is in its place; move that away, or restore with --delete, which removes it with all that is in it`;
  }
  return `${path}: cannot ${action}: ${describeCode(code)}${detail === undefined ? "" : `: ${detail}`}`;
}

export function restoreLines(
  report: RestoreReport,
  { isDryRun, target }: { readonly isDryRun: boolean; readonly target: string },
): string[] {
  const { imageId, plan, durationMs } = report;
  if (isDryRun) {
    const rows: [string, string][] = [["would restore", plannedText(report)], ...existingRows(report, "are", "exist")];
    if (report.deleted > 0) rows.push(["would delete", counted(report.deleted, "entry", "entries")]);
    if (plan.storedBytes > 0)
      rows.push(["would read", `${formatBytes(plan.storedBytes)} from ${counted(plan.containers, "container")}`]);
    if (report.problemCount > 0) rows.push(["problems", formatCount(report.problemCount)]);
    return [`Dry run for image ${shortId(imageId)} to ${target}: nothing was written.`, ...listLines(rows)];
  }
  const rate = durationMs < 1000 ? "" : ` (${formatBytes((report.restoredBytes * 1000) / durationMs)}/s)`;
  const rows: [string, string][] = [
    ["restored", `${counted(report.restoredFiles, "file")}, ${formatBytes(report.restoredBytes)}${rate}`],
    ...existingRows(report, "were", "existed"),
  ];
  if (report.deleted > 0) rows.push(["deleted", counted(report.deleted, "entry", "entries")]);
  if (report.verifiedFiles > 0) rows.push(["verified", `${counted(report.verifiedFiles, "file")} read back and compared`]);
  if (report.problemCount > 0) rows.push(["problems", formatCount(report.problemCount)]);
  return [`Restored image ${shortId(imageId)} to ${target} in ${formatDuration(durationMs)}`, ...listLines(rows)];
}

/** Paths of what was removed or would be, and how many more there are. */
export function removedLines({ removed, deleted }: RestoreReport, isDryRun: boolean): string[] {
  const lines = removed.map((path) => `${isDryRun ? "would remove" : "removed"} ${path}`);
  if (deleted > removed.length) lines.push(`and ${formatCount(deleted - removed.length)} more`);
  return lines;
}

function existingRows({ skippedUnchanged, skippedExisting }: RestoreReport, are: string, exist: string): [string, string][] {
  const rows: [string, string][] = [];
  if (skippedUnchanged > 0) rows.push(["left alone", `${formatCount(skippedUnchanged)} that ${are} as stored`]);
  if (skippedExisting > 0) rows.push(["not touched", `${formatCount(skippedExisting)} that ${exist} (see --overwrite)`]);
  return rows;
}

function plannedText(report: RestoreReport): string {
  const { restoredFiles, replacedFiles, restoredBytes, restoredOthers, madeDirectories } = report;
  const share =
    replacedFiles === 0 ? "" : ` (${formatCount(restoredFiles - replacedFiles)} new, ${formatCount(replacedFiles)} replaced)`;
  const parts = [`${formatBytes(restoredBytes)} in ${counted(restoredFiles, "file")}${share}`];
  if (madeDirectories > 0) parts.push(counted(madeDirectories, "new directory", "new directories"));
  if (restoredOthers > 0) parts.push(counted(restoredOthers, "link or other entry", "links and other entries"));
  return parts.join(", ");
}

/** The fields of the last event with `--json` (docs/scripting.md). */
export function restoreFields(report: RestoreReport) {
  const { imageId, plan, restoredFiles, restoredBytes, skippedUnchanged, skippedExisting, deleted, verifiedFiles } = report;
  const { replacedFiles, restoredOthers, madeDirectories, removed } = report;
  return {
    imageId,
    plan,
    restoredFiles,
    restoredBytes,
    replacedFiles,
    restoredOthers,
    madeDirectories,
    skippedUnchanged,
    skippedExisting,
    deleted,
    removed,
    verifiedFiles,
    problemCount: report.problemCount,
    durationMs: Math.round(report.durationMs),
  };
}
