// Image record, version 1 (docs/formats/image-record.md): JSON in a sealed record of type 3. Its publication is the
// commit point of a backup: whatever it refers to is durable before.

import { NOTED_ITEMS_LIMIT, IMAGE_ID_PATTERN, NO_STATISTICS } from "../model/image.ts";
import type {
  ImageDescription,
  ImageId,
  ImageOptionValue,
  ImageRecord,
  ImageRoot,
  ImageStatistics,
  NotedItem,
  NotedItems,
  SentPart,
} from "../model/image.ts";
import { JsonFields, encodeJson } from "./json-fields.ts";

const WHAT = "an image record";

const KNOWN = [
  "source",
  "host",
  "user",
  "paths",
  "tags",
  "startedAtMs",
  "finishedAtMs",
  "sequence",
  "base",
  "root",
  "statistics",
  "owners",
  "groups",
  "unreadable",
  "skippedSockets",
  "changedWhileRead",
  "options",
  "holdfastVersion",
  "mustUnderstand",
] as const;

// Each bound keeps one damaged or hostile record from taking the reader's memory or time.
export const TAGS_LIMIT = 1_000;
export const TAG_TEXT_LIMIT = 256;
/** Of sources, hosts and users; in UTF-16 units. */
export const NAME_LIMIT = 1_024;
const PATHS_LIMIT = 100_000;
/** Paths may be longer than 4,096 bytes; beyond this a listed path is cut. */
const PATH_TEXT_LIMIT = 16_384;
const REASON_LIMIT = 1_024;
const NAMES_LIMIT = 200_000;
const OPTIONS_LIMIT = 1_000;
const OPTION_ITEMS_LIMIT = 100_000;
const OPTION_TEXT_LIMIT = 65_536;
const LEVEL_LIMIT = 32;
const PAGE_BYTES_LIMIT = 16 * 1024 * 1024;
/** All the listed items of one kind together, so that a record stays readable whatever the paths are. */
const NOTED_TEXT_LIMIT = 1024 * 1024;

const FINGERPRINT_PATTERN = /^[0-9a-f]{64}$/;
const NUMBER_PATTERN = /^(0|[1-9][0-9]{0,9})$/;
const OPTION_PATTERN = /^[a-z][A-Za-z0-9-]{0,63}$/;

const STATISTICS_FIELDS = Object.keys(NO_STATISTICS) as readonly (keyof ImageStatistics)[];

/** The part of a record that a commit message carries (docs/formats/stream.md). */
export function encodeSentPart(part: SentPart): Uint8Array {
  return encodeJson({ base: part.base, ...fieldsOfSentPart(part) });
}

export function decodeSentPart(bytes: Uint8Array): SentPart {
  return readSentPart(JsonFields.decode(bytes, "the record of a commit", SENT));
}

const SENT = [
  "base",
  "statistics",
  "owners",
  "groups",
  "unreadable",
  "skippedSockets",
  "changedWhileRead",
  "mustUnderstand",
] as const;

function fieldsOfSentPart(part: SentPart): object {
  return {
    statistics: pick(part.statistics, STATISTICS_FIELDS),
    owners: part.owners,
    groups: part.groups,
    unreadable: firstItems(part.unreadable),
    skippedSockets: firstItems(part.skippedSockets),
    changedWhileRead: firstItems(part.changedWhileRead),
  };
}

function readSentPart(fields: JsonFields): SentPart {
  return {
    base: fields.has("base") ? (fields.pattern("base", IMAGE_ID_PATTERN) as ImageId) : null,
    statistics: readStatistics(fields.object("statistics")),
    owners: readNames(fields, "owners"),
    groups: readNames(fields, "groups"),
    unreadable: readItems(fields.object("unreadable")),
    skippedSockets: readItems(fields.object("skippedSockets")),
    changedWhileRead: readItems(fields.object("changedWhileRead")),
  };
}

const DESCRIPTION = ["source", "host", "user", "paths", "tags", "startedAtMs", "options", "holdfastVersion"] as const;

/** Those fields of a description that are there. */
export function descriptionFields(description: Partial<ImageDescription>): object {
  return Object.fromEntries(DESCRIPTION.filter((name) => name in description).map((name) => [name, description[name]]));
}

/** What a client may say of an image before anything is read. */
export function readDescription(fields: JsonFields): Omit<ImageDescription, "host" | "startedAtMs"> {
  return {
    source: fields.text("source", NAME_LIMIT),
    user: fields.text("user", NAME_LIMIT),
    paths: fields.texts("paths", { most: PATHS_LIMIT, textLimit: PATH_TEXT_LIMIT }),
    tags: fields.texts("tags", { most: TAGS_LIMIT, textLimit: TAG_TEXT_LIMIT }),
    options: fields.table("options", { keys: OPTION_PATTERN, most: OPTIONS_LIMIT }, readOption),
    holdfastVersion: fields.text("holdfastVersion", NAME_LIMIT),
  };
}

export function encodeImageRecord(record: ImageRecord): Uint8Array {
  return encodeJson(imageFields(record));
}

/** In the order in which they stand in a record. */
export function imageFields(record: ImageRecord): object {
  return {
    source: record.source,
    host: record.host,
    user: record.user,
    paths: record.paths,
    tags: record.tags,
    startedAtMs: record.startedAtMs,
    finishedAtMs: record.finishedAtMs,
    ...(record.sequence === undefined ? {} : { sequence: record.sequence }),
    base: record.base,
    root: pick(record.root, ["fingerprint", "level", "entryCount", "pageBytes"]),
    ...fieldsOfSentPart(record),
    options: record.options,
    holdfastVersion: record.holdfastVersion,
  };
}

export function decodeImageRecord(bytes: Uint8Array): ImageRecord {
  return readImageFields(JsonFields.decode(bytes, WHAT, KNOWN));
}

export function readImageFields(fields: JsonFields): ImageRecord {
  return {
    ...readDescription(fields),
    host: fields.text("host", NAME_LIMIT),
    startedAtMs: fields.integer("startedAtMs"),
    finishedAtMs: fields.integer("finishedAtMs"),
    ...(fields.has("sequence") ? { sequence: fields.integer("sequence") } : {}),
    root: readRoot(fields.object("root")),
    ...readSentPart(fields),
  };
}

export function readRoot(fields: JsonFields): ImageRoot {
  return {
    fingerprint: fields.pattern("fingerprint", FINGERPRINT_PATTERN),
    level: fields.integer("level", { most: LEVEL_LIMIT }),
    entryCount: fields.integer("entryCount"),
    pageBytes: fields.integer("pageBytes", { most: PAGE_BYTES_LIMIT }),
  };
}

/** A figure that an older program did not measure is 0. */
function readStatistics(fields: JsonFields): ImageStatistics {
  const statistics: { -readonly [Name in keyof ImageStatistics]: number } = { ...NO_STATISTICS };
  for (const name of STATISTICS_FIELDS) {
    if (fields.has(name)) statistics[name] = fields.integer(name);
  }
  return statistics;
}

function readNames(fields: JsonFields, name: string): Readonly<Record<string, string>> {
  return fields.table(name, { keys: NUMBER_PATTERN, most: NAMES_LIMIT }, (values, key) => values.text(key, NAME_LIMIT));
}

function readItems(fields: JsonFields): NotedItems {
  const items = fields.objects("items", NOTED_ITEMS_LIMIT).map((item) => ({
    path: item.text("path", PATH_TEXT_LIMIT),
    reason: item.text("reason", REASON_LIMIT),
  }));
  return { count: fields.integer("count", { least: items.length }), items };
}

function readOption(values: JsonFields, name: string): ImageOptionValue {
  const value = values.raw(name);
  if (typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : values.refuse(name, "is not a finite number");
  if (Array.isArray(value)) return values.texts(name, { most: OPTION_ITEMS_LIMIT, textLimit: OPTION_TEXT_LIMIT });
  return values.text(name, OPTION_TEXT_LIMIT);
}

/** What fits of a list: its first items, long texts cut. The count stays. */
function firstItems(list: NotedItems): NotedItems {
  const items: NotedItem[] = [];
  let characters = 0;
  for (const item of list.items) {
    const path = item.path.slice(0, PATH_TEXT_LIMIT);
    const reason = item.reason.slice(0, REASON_LIMIT);
    characters += path.length + reason.length;
    if (items.length === NOTED_ITEMS_LIMIT || characters > NOTED_TEXT_LIMIT) break;
    items.push({ path, reason });
  }
  return { count: Math.max(list.count, items.length), items };
}

function pick<T extends object, Name extends keyof T>(value: T, names: readonly Name[]): Pick<T, Name> {
  const picked: Partial<Pick<T, Name>> = {};
  for (const name of names) picked[name] = value[name];
  return picked as Pick<T, Name>;
}
