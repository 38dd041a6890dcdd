// Images as people and programs see them.

import type { ImageHold, ImageSummary } from "../library.ts";
import { endThatFits, widthOf } from "./text-width.ts";
import { formatCount, formatDay, isoTime } from "./units.ts";

const SHORT_ID = 8;

/** Long enough for a person and, in one repository, nearly always unique. */
export function shortId(id: string): string {
  return id.slice(0, SHORT_ID);
}

/** As many digits as it takes for every one of these ids to be told from the others. */
export function shortIdsOf(ids: readonly string[]): (id: string) => string {
  let length = SHORT_ID;
  while (length < 64 && new Set(ids.map((id) => id.slice(0, length))).size < new Set(ids).size) length++;
  return (id) => id.slice(0, length);
}

const SOURCE_COLUMNS = 72;

/** The name of a source in a line for people: of several paths the first, and how many more; cut where that is too long still. */
export function sourceText(source: string): string {
  if (widthOf(source) <= SOURCE_COLUMNS) return source;
  // Absolute paths, joined with commas.
  const [first = "", ...others] = source.split(",/");
  const more = others.length === 0 ? "" : ` and ${formatCount(others.length)} more`;
  const host = first.slice(0, first.indexOf(":") + 1);
  if (widthOf(host) * 2 > SOURCE_COLUMNS) return endThatFits(source, SOURCE_COLUMNS);
  return `${host}${endThatFits(first.slice(host.length), SOURCE_COLUMNS - widthOf(host) - more.length)}${more}`;
}

/** "audit until 2027-01-31": the last day on which it protects. */
export function holdText({ reason, untilMs }: ImageHold): string {
  return untilMs === undefined ? reason : `${reason} until ${formatDay(untilMs - 1)}`;
}

export function holdDocument(hold: ImageHold | undefined) {
  if (hold === undefined) return null;
  return { reason: hold.reason, until: hold.untilMs === undefined ? null : isoTime(hold.untilMs) };
}

/** What `--json` says of an image (docs/scripting.md). */
export function imageDocument({ id, record, tags, hold }: ImageSummary) {
  return {
    id,
    source: record.source,
    host: record.host,
    user: record.user,
    paths: record.paths,
    tags,
    hold: holdDocument(hold),
    startedAt: isoTime(record.startedAtMs),
    finishedAt: isoTime(record.finishedAtMs),
    baseImageId: record.base,
    entries: record.root.entryCount,
    statistics: record.statistics,
    unreadable: record.unreadable.count,
    skippedSockets: record.skippedSockets.count,
    changedWhileRead: record.changedWhileRead.count,
    options: record.options,
    holdfastVersion: record.holdfastVersion,
  };
}
