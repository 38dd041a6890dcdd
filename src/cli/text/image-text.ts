// Images as people and programs see them.

import type { ImageSummary } from "../library.ts";
import { isoTime } from "./units.ts";

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

/** What `--json` says of an image (docs/scripting.md). */
export function imageDocument({ id, record, tags }: ImageSummary) {
  return {
    id,
    source: record.source,
    host: record.host,
    user: record.user,
    paths: record.paths,
    tags,
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
