// An image is one backup of one source, complete by itself. Its record is plain data: what was backed up, when, by
// whom, with which outcome, and where its entries begin. docs/formats/image-record.md says how it lies on a volume.

import type { Brand } from "../base/brand.ts";
import type { ImageHold } from "./hold.ts";

/** The name of the image's record: the SHA-256 of its bytes, 64 lower-case hexadecimal digits. */
export type ImageId = Brand<string, "ImageId">;

export const IMAGE_ID_PATTERN = /^[0-9a-f]{64}$/;

/** Where the entries of an image begin: the topmost page of its entry tree. */
export interface ImageRoot {
  /** 64 lower-case hexadecimal digits. */
  readonly fingerprint: string;
  /** 0 when the root is itself a page of entries. */
  readonly level: number;
  readonly entryCount: number;
  /** Plain size of the root page. */
  readonly pageBytes: number;
}

/** Counts are entries, sizes are bytes. Zero where it was not measured. */
export interface ImageStatistics {
  readonly files: number;
  readonly directories: number;
  readonly symbolicLinks: number;
  /** FIFOs and devices. */
  readonly otherEntries: number;
  readonly newEntries: number;
  readonly changedEntries: number;
  readonly unchangedEntries: number;
  /** Entries of the base image that are gone. */
  readonly removedEntries: number;
  /** Sum of the sizes of all files, holes included. */
  readonly contentBytes: number;
  /** Content that was read from the source. */
  readonly readBytes: number;
  /** Content that the repository did not hold before. */
  readonly newBytes: number;
  /** What the repository grew by: compressed, sealed, pages and directories included. */
  readonly addedBytes: number;
  readonly newSegments: number;
  readonly newContainers: number;
}

export const NO_STATISTICS: ImageStatistics = {
  files: 0,
  directories: 0,
  symbolicLinks: 0,
  otherEntries: 0,
  newEntries: 0,
  changedEntries: 0,
  unchangedEntries: 0,
  removedEntries: 0,
  contentBytes: 0,
  readBytes: 0,
  newBytes: 0,
  addedBytes: 0,
  newSegments: 0,
  newContainers: 0,
};

export interface NotedItem {
  /** The path for people to read: bytes that are not UTF-8 are U+FFFD. */
  readonly path: string;
  /** What happened, such as "EACCES"; empty when the list itself says it. */
  readonly reason: string;
}

/** Items that deserve mention. The record keeps the first of them and counts them all. */
export interface NotedItems {
  readonly count: number;
  readonly items: readonly NotedItem[];
}

export const NO_ITEMS: NotedItems = { count: 0, items: [] };

/** As many items as a record lists by name; a record stays small however bad the run was. */
export const NOTED_ITEMS_LIMIT = 1_000;

export type ImageOptionValue = string | number | boolean | readonly string[];

export interface ImageRecord {
  /** Names what is protected. Backups with the same source build on each other. */
  readonly source: string;
  readonly host: string;
  readonly user: string;
  /** Absolute, for people to read. */
  readonly paths: readonly string[];
  /** As given when the backup was made; an annotation may have changed them since. */
  readonly tags: readonly string[];
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  /** Given by a server that puts the images of one source in order. */
  readonly sequence?: number;
  /** The image this one was built on; it is not needed for reading. */
  readonly base: ImageId | null;
  readonly root: ImageRoot;
  readonly statistics: ImageStatistics;
  /** Names of the numeric user identifiers that occur, keyed by the decimal number. */
  readonly owners: Readonly<Record<string, string>>;
  readonly groups: Readonly<Record<string, string>>;
  readonly unreadable: NotedItems;
  readonly skippedSockets: NotedItems;
  readonly changedWhileRead: NotedItems;
  /** The settings that shaped the image: excludes, compression and the like. */
  readonly options: Readonly<Record<string, ImageOptionValue>>;
  /** The version of the program that wrote it. */
  readonly holdfastVersion: string;
}

/** What the sending half of a backup says of an image when it commits. The rest the receiving half knows, or does not take its word for. */
export type SentPart = Pick<
  ImageRecord,
  "base" | "statistics" | "owners" | "groups" | "unreadable" | "skippedSockets" | "changedWhileRead"
>;

/** What is known of an image before anything is read. */
export type ImageDescription = Pick<
  ImageRecord,
  "source" | "host" | "user" | "paths" | "tags" | "startedAtMs" | "options" | "holdfastVersion"
>;

/** Tags and hold of an image, changed after it was made. The highest generation of an image's annotations holds. */
export interface ImageAnnotation {
  readonly image: ImageId;
  readonly generation: number;
  readonly tags: readonly string[];
  /** The hold on the image, ended or not; none unless given. */
  readonly hold?: ImageHold;
  readonly madeAtMs: number;
}

/** An image as the repository holds it. */
export interface StoredImage {
  readonly id: ImageId;
  readonly record: ImageRecord;
  /** The tags that hold now: those of the record, or of the latest annotation. */
  readonly tags: readonly string[];
  /** Set by the latest annotation; it may have ended. */
  readonly hold?: ImageHold;
}

/** Oldest first; equal starts by identifier, so that every reader sees one order. */
export function compareImages(a: StoredImage, b: StoredImage): number {
  return a.record.startedAtMs - b.record.startedAtMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

export interface ImageFilter {
  readonly source?: string;
  readonly host?: string;
  /** The image carries this tag now. */
  readonly tag?: string;
}

export function matchesFilter(image: StoredImage, filter: ImageFilter): boolean {
  return (
    (filter.source === undefined || image.record.source === filter.source) &&
    (filter.host === undefined || image.record.host === filter.host) &&
    (filter.tag === undefined || image.tags.includes(filter.tag))
  );
}
