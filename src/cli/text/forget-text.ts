// What was, or would be, forgotten, for people and programs.

import type { ForgetReport } from "../library.ts";
import { shortIdsOf, sourceText } from "./image-text.ts";
import { tableLines } from "./table.ts";
import { counted, formatCount, formatTime, isoTime } from "./units.ts";

const COLUMNS = [{ title: "IMAGE" }, { title: "FINISHED" }, { title: "" }, { title: "WHY" }];

/** One table for each source, an empty line below it. */
export function forgetTables({ sources }: ForgetReport): string[] {
  const short = shortIdsOf(sources.flatMap(({ images }) => images.map(({ id }) => id)));
  return sources.flatMap(({ source, images }) => {
    const rows = images.map(({ id, finishedAtMs, keeps, reasons }) => {
      return [short(id), formatTime(finishedAtMs), keeps ? "keep" : "remove", reasons.join(", ")];
    });
    return [sourceText(source), ...tableLines(COLUMNS, rows).map((line) => `  ${line}`), ""];
  });
}

/** With `isPruned` the space is about to be freed. */
export function forgetSummary({ dryRun, kept, removed }: ForgetReport, isPruned: boolean): string[] {
  const total = kept + removed;
  if (total === 0) return ["No image matches."];
  if (removed === 0) return ["No image is to be removed."];
  const share = `${formatCount(removed)} of ${counted(total, "image")}`;
  if (dryRun) return [`Dry run: ${share} would be removed. Nothing was.`];
  if (isPruned) return [`Removed ${share}.`];
  return [`Removed ${share}.`, "The space that they alone took is still in use; `holdfast prune` frees it."];
}

/** What `--json` says (docs/scripting.md). */
export function forgetDocument({ dryRun, sources, kept, removed }: ForgetReport) {
  return {
    sources: sources.map(({ source, images }) => ({
      source,
      images: images.map(({ id, finishedAtMs, keeps, reasons }) => ({
        id,
        finishedAt: isoTime(finishedAtMs),
        decision: keeps ? "keep" : "remove",
        reasons,
      })),
    })),
    kept,
    removed,
    dryRun,
  };
}
