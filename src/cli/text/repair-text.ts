// What a repair says of itself.

import type { ImageLoss, RepairReport, RepairedContainer } from "../library.ts";
import { safeText } from "./safe-text.ts";
import { counted, formatBytes, formatDuration, formatTime, isoTime } from "./units.ts";

const ID_SHOWN = 16;

export function lossText({ image, startedAtMs, kind, path, entries, bytes }: ImageLoss): string {
  const where = `${safeText(path)} of image ${image.slice(0, 8)} (${formatTime(startedAtMs)})`;
  if (kind === "entries") return `Lost: ${counted(entries, "entry", "entries")} from ${where} on`;
  return bytes === undefined ? `Lost: ${where}` : `Lost: ${where}: ${formatBytes(bytes)} of it`;
}

export function lossFields({ image, source, startedAtMs, kind, path, entries, bytes }: ImageLoss) {
  return { image, source, startedAt: isoTime(startedAtMs), kind, path, entries, bytes: bytes ?? null };
}

export function repairLines(
  report: RepairReport,
  { isDryRun, shown }: { readonly isDryRun: boolean; readonly shown: number },
): string[] {
  const lines: string[] = [];
  if (report.lossCount > shown)
    lines.push(`Lost: ${counted(report.lossCount - shown, "more entry", "more entries")} (--json lists all)`);
  for (const container of report.damagedContainers) lines.push(containerText(container));
  for (const container of report.missingContainers) lines.push(`Missing: container ${container.slice(0, ID_SHOWN)}`);
  for (const { what, problem, setAside } of report.damagedRecords) {
    lines.push(`Damaged: ${what}: ${problem}${setAside === undefined ? "" : `; now at ${setAside}`}`);
  }
  if (report.indexProblem !== undefined) lines.push(`Damaged: the index: ${report.indexProblem}`);
  for (const { what, problem } of report.transients) lines.push(`Read only the second time: ${what}: ${problem}`);
  lines.push(`Read ${counted(report.containers, "container")} in ${formatDuration(report.durationMs)}.`);
  if (report.savedSegments > 0) {
    lines.push(
      `${isDryRun ? "Would save" : "Saved"} ${counted(report.savedSegments, "segment")} (${formatBytes(report.savedBytes)}) of damaged containers.`,
    );
  }
  if (report.takenSegments > 0) {
    lines.push(`Took ${counted(report.takenSegments, "segment")} (${formatBytes(report.takenBytes)}) from the other repository.`);
  }
  return [...lines, outcomeText(report)];
}

function containerText({
  container,
  problem,
  savedSegments,
  safeSegments,
  lostSegments,
  isKnown,
  setAside,
}: RepairedContainer): string {
  const what = `Damaged: container ${container.slice(0, ID_SHOWN)}: ${problem}`;
  const fate = isKnown
    ? `${counted(savedSegments, "segment")} saved, ${safeSegments} stored elsewhere, ${lostSegments} cannot be read`
    : "nobody knows what it held";
  return `${what}; ${fate}${setAside === undefined ? "" : `; now at ${setAside}`}`;
}

function outcomeText({ lossCount, lossesKnown, images, wholeImages }: RepairReport): string {
  if (!lossesKnown) return "What is lost can be told only after the index was made anew.";
  if (lossCount === 0 && images === 0) return "There is no image that can be read.";
  if (lossCount === 0) return `Nothing is lost: ${counted(images, "image")} can be restored as stored.`;
  const whole = `${counted(lossCount, "entry", "entries")} lost; ${wholeImages} of ${counted(images, "image")} can be restored as stored.`;
  return `${whole} The next backup stores again what still exists.`;
}

export function repairFields(report: RepairReport) {
  const { isDryRun, containers, bytesRead, savedSegments, savedBytes, takenSegments, takenBytes } = report;
  const { images, wholeImages, lossCount, lossesKnown, damagedContainers, missingContainers, damagedRecords } = report;
  return {
    dryRun: isDryRun,
    containers,
    bytesRead,
    damagedContainers: damagedContainers.length,
    missingContainers: missingContainers.length,
    damagedRecords: damagedRecords.length,
    indexDamaged: report.indexProblem !== undefined,
    savedSegments,
    savedBytes,
    takenSegments,
    takenBytes,
    images,
    wholeImages,
    lossCount,
    lossesKnown,
    transientCount: report.transients.length,
    durationMs: Math.round(report.durationMs),
  };
}
