// What a client and a server say to each other about images and backups, beside the backup stream itself
// (docs/formats/exchange.md). JSON, bounded in both directions: neither side trusts the other with its memory.

import { HOLD_REASON_LIMIT } from "../model/hold.ts";
import type { ImageHold } from "../model/hold.ts";
import { IMAGE_ID_PATTERN } from "../model/image.ts";
import type { ImageDescription, ImageId, ImageRoot, ImageStatistics, StoredImage } from "../model/image.ts";
import { PATH_LIMIT } from "./entry-page.ts";
import {
  TAGS_LIMIT,
  TAG_TEXT_LIMIT,
  descriptionFields,
  readDescription,
  readImageFields,
  readRoot,
  imageFields,
} from "./image-record.ts";
import { JsonFields, encodeJson } from "./json-fields.ts";

const KEY_PATTERN = /^[0-9a-f]{64}$/;
const REPOSITORY_PATTERN = /^[0-9a-f]{32}$/;
const GRANT_PATTERN = /^[0-9a-f]{32}$/;
const NUMBER_PATTERN = /^[0-9a-f]{32}$/;
const NAME_LIMIT = 1_024;
const IMAGES_LIMIT = 200_000;
const BASES_LIMIT = 16;
const NOTICES_LIMIT = 1_000;
const NOTICE_LIMIT = 16_384;
/** Files that a client is told to read again; when there are more, the image is no base. */
export const MUST_READ_LIMIT = 10_000;
/** The longest request for a backup: many paths, many patterns. */
export const BACKUP_REQUEST_LIMIT: number = 64 * 1024 * 1024;
/** The longest answer of this kind. */
export const EXCHANGE_BYTES_LIMIT: number = 256 * 1024 * 1024;

/** What a client needs to know of the repository it backs up to. */
export interface ServedRepositoryDescription {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** The client as the server knows it: its images carry this name as their host. */
  readonly client: string;
  /** 64 hexadecimal digits each. */
  readonly keys: Readonly<Record<(typeof KEYS)[number], string>>;
}

const KEYS = ["cut", "trackLog", "data", "page", "list"] as const;

export function encodeServedRepository({ id, client, keys }: ServedRepositoryDescription): Uint8Array {
  return encodeJson({ id, client, keys });
}

export function decodeServedRepository(bytes: Uint8Array): ServedRepositoryDescription {
  const fields = JsonFields.decode(bytes, "the description of a repository", ["id", "client", "keys"]);
  const keys = fields.object("keys");
  return {
    id: fields.pattern("id", REPOSITORY_PATTERN),
    client: fields.text("client", NAME_LIMIT),
    keys: {
      cut: keys.pattern("cut", KEY_PATTERN),
      trackLog: keys.pattern("trackLog", KEY_PATTERN),
      data: keys.pattern("data", KEY_PATTERN),
      page: keys.pattern("page", KEY_PATTERN),
      list: keys.pattern("list", KEY_PATTERN),
    },
  };
}

/** An image, and the grant that lets its root page be read. */
export interface ServedImage extends StoredImage {
  readonly grant: string;
}

export function encodeServedImages(images: readonly ServedImage[]): Uint8Array {
  return encodeJson({
    images: images.map(({ id, record, tags, hold, grant }) => ({
      id,
      record: imageFields(record),
      tags,
      ...(hold === undefined ? {} : { hold }),
      grant,
    })),
  });
}

export function decodeServedImages(bytes: Uint8Array): readonly ServedImage[] {
  const fields = JsonFields.decode(bytes, "a list of images", ["images"]);
  return fields.objects("images", IMAGES_LIMIT).map((image) => ({
    id: image.pattern("id", IMAGE_ID_PATTERN) as ImageId,
    record: readImageFields(image.object("record")),
    tags: image.texts("tags", { most: TAGS_LIMIT, textLimit: TAG_TEXT_LIMIT }),
    ...(image.has("hold") ? { hold: readHold(image.object("hold")) } : {}),
    grant: image.pattern("grant", GRANT_PATTERN),
  }));
}

function readHold(fields: JsonFields): ImageHold {
  return {
    reason: fields.text("reason", HOLD_REASON_LIMIT),
    ...(fields.has("untilMs") ? { untilMs: fields.integer("untilMs") } : {}),
  };
}

/** What a client wants to back up. Host and times are the server's to say. */
export interface BackupRequest {
  /** Drawn by the client, 32 hexadecimal digits: a request that comes twice, because its answer was lost, begins one backup. */
  readonly backup: string;
  readonly description: Omit<ImageDescription, "host" | "startedAtMs">;
  readonly withBases: boolean;
}

export function encodeBackupRequest({ backup, description, withBases }: BackupRequest): Uint8Array {
  return encodeJson({ backup, description: descriptionFields(description), withBases });
}

export function decodeBackupRequest(bytes: Uint8Array): BackupRequest {
  const fields = JsonFields.decode(bytes, "the request for a backup", ["backup", "description", "withBases"]);
  const withBases = fields.raw("withBases");
  if (typeof withBases !== "boolean") fields.refuse("withBases", "is neither true nor false");
  const backup = fields.pattern("backup", NUMBER_PATTERN);
  return { backup, description: readDescription(fields.object("description")), withBases: withBases === true };
}

export interface ServedBase {
  readonly id: string;
  readonly root: ImageRoot;
  readonly statistics: Pick<ImageStatistics, "files" | "contentBytes">;
  readonly grant: string;
}

/** A backup that the server has begun for a client. */
export interface BegunBackup {
  /** Its number: 32 hexadecimal digits. */
  readonly backup: string;
  /** 64 hexadecimal digits; possession of segments is proved with it. */
  readonly challenge: string;
  /** As the server knows it. */
  readonly source: string;
  readonly checkpoint: ServedBase | undefined;
  readonly images: readonly ServedBase[];
  /** Paths of files to be read whatever their attributes say. */
  readonly mustRead: readonly Uint8Array[];
}

export function encodeBegunBackup({ backup, challenge, source, checkpoint, images, mustRead }: BegunBackup): Uint8Array {
  return encodeJson({
    backup,
    challenge,
    source,
    ...(checkpoint === undefined ? {} : { checkpoint }),
    images,
    mustRead: mustRead.map((path) => Buffer.from(path).toString("base64")),
  });
}

export function decodeBegunBackup(bytes: Uint8Array): BegunBackup {
  const fields = JsonFields.decode(bytes, "the answer to a request for a backup", [
    "backup",
    "challenge",
    "source",
    "checkpoint",
    "images",
    "mustRead",
  ]);
  return {
    backup: fields.pattern("backup", NUMBER_PATTERN),
    challenge: fields.pattern("challenge", KEY_PATTERN),
    source: fields.text("source", NAME_LIMIT),
    checkpoint: fields.has("checkpoint") ? readBase(fields.object("checkpoint")) : undefined,
    images: fields.objects("images", BASES_LIMIT).map(readBase),
    mustRead: fields
      .texts("mustRead", { most: MUST_READ_LIMIT, textLimit: Math.ceil(PATH_LIMIT / 3) * 4 })
      .map((text, position) => bytesOfBase64(text) ?? fields.refuse(`mustRead[${position}]`, "is not base64")),
  };
}

/** Buffer reads on over what is none: only what it would have written is taken. */
function bytesOfBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? new Uint8Array(bytes) : undefined;
}

function readBase(fields: JsonFields): ServedBase {
  const statistics = fields.object("statistics");
  return {
    id: fields.pattern("id", IMAGE_ID_PATTERN),
    root: readRoot(fields.object("root")),
    statistics: { files: statistics.integer("files"), contentBytes: statistics.integer("contentBytes") },
    grant: fields.pattern("grant", GRANT_PATTERN),
  };
}

/** What the repository grew by, and what the server has to say about the backup. */
export interface EndedBackup {
  readonly plainBytes: number;
  readonly storedBytes: number;
  readonly notices: readonly string[];
}

export function encodeEndedBackup({ plainBytes, storedBytes, notices }: EndedBackup): Uint8Array {
  // The image is safe: what is too long to be told must not look like a failure of the backup.
  return encodeJson({
    plainBytes,
    storedBytes,
    notices: notices.slice(0, NOTICES_LIMIT).map((notice) => notice.slice(0, NOTICE_LIMIT)),
  });
}

export function decodeEndedBackup(bytes: Uint8Array): EndedBackup {
  const fields = JsonFields.decode(bytes, "the end of a backup", ["plainBytes", "storedBytes", "notices"]);
  return {
    plainBytes: fields.integer("plainBytes"),
    storedBytes: fields.integer("storedBytes"),
    notices: fields.texts("notices", { most: NOTICES_LIMIT, textLimit: NOTICE_LIMIT }),
  };
}
