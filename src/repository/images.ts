// The images of a repository. Publishing an image's record is the commit point of a backup: whatever the record refers
// to must be durable before, and when `publishImage` resolves the backup is made.

import { HoldfastError } from "../base/errors.ts";
import { decodeImageRecord, encodeImageRecord } from "../formats/image-record.ts";
import { RECORD_IMAGE } from "../formats/sealed-record.ts";
import type { Volume } from "../media/media.ts";
import { IMAGE_ID_PATTERN, compareImages, matchesFilter } from "../model/image.ts";
import type { ImageFilter, ImageId, ImageRecord, StoredImage } from "../model/image.ts";
import type { Random } from "../platform/random.ts";
import { readAnnotations } from "./annotations.ts";
import type { AnnotationsRead } from "./annotations.ts";
import { sealRecordFile } from "./record-sealer.ts";
import { readOneRecord, readRecords, recordNames, removeRecordEverywhere } from "./stored-records.ts";
import type { DamagedRecord, RecordKind, RecordPlaces, RecordsRead } from "./stored-records.ts";

const IMAGES: RecordKind<ImageRecord> = { area: "images", type: RECORD_IMAGE, decode: decodeImageRecord };

export interface ImageListing {
  /** Oldest first. */
  readonly images: readonly StoredImage[];
  /** Image records and annotations that could not be read. To be shown, not swallowed. */
  readonly damaged: readonly DamagedRecord[];
}

/** Every image, with the tags and the hold that it has now. */
export async function listImages(places: RecordPlaces): Promise<ImageListing> {
  const annotations = await readAnnotations(places);
  const { records, damaged } = await readRecords(places, IMAGES);
  const images = [...records].map(([name, record]) => storedImage(name as ImageId, record, annotations));
  return { images: images.sort(compareImages), damaged: [...damaged, ...annotations.damaged] };
}

/** The records of all images as they were published, and which of them cannot be read. */
export function readAllImages(places: RecordPlaces): Promise<RecordsRead<ImageRecord>> {
  return readRecords(places, IMAGES);
}

/** The identifiers of all images, sorted; no record is read. */
export async function listImageIds(volumes: readonly Volume[]): Promise<readonly ImageId[]> {
  return (await recordNames(volumes, "images")) as readonly ImageId[];
}

/** The record as it was published. IMAGE_UNKNOWN when there is none; its damage when no volume holds it whole. */
export async function readImageRecord(places: RecordPlaces, id: ImageId): Promise<ImageRecord> {
  const record = await readOneRecord(places, IMAGES, id);
  if (record !== undefined) return record;
  throw unknownImage(id);
}

export interface FoundImage {
  readonly image: StoredImage;
  /** What could not be read on the way: for "latest" a damaged record might have been the one. */
  readonly damaged: readonly DamagedRecord[];
}

/**
 * The image that `text` means: "latest" (the one that started last, of those that pass the filter), an identifier, or
 * a unique beginning of one. IMAGE_UNKNOWN or IMAGE_AMBIGUOUS otherwise.
 */
export async function findImage(places: RecordPlaces, text: string, filter: ImageFilter = {}): Promise<FoundImage> {
  if (text === "latest") return latestImage(places, filter);
  const id = resolveImageId(text, await listImageIds(places.volumes));
  const record = await readImageRecord(places, id);
  const annotations = await readAnnotations(places);
  return { image: storedImage(id, record, annotations), damaged: annotations.damaged };
}

async function latestImage(places: RecordPlaces, filter: ImageFilter): Promise<FoundImage> {
  const { images, damaged } = await listImages(places);
  return { image: latestOf(images, filter, damaged.length), damaged };
}

/** The last of these that passes the filter. IMAGE_UNKNOWN. `damaged`: how many records more could not be read. */
export function latestOf<Image extends StoredImage>(images: readonly Image[], filter: ImageFilter, damaged = 0): Image {
  const image = images.findLast((candidate) => matchesFilter(candidate, filter));
  if (image !== undefined) return image;
  const readable = images.length === 0 ? "the repository holds no image" : `none of the ${images.length} images matches`;
  throw new HoldfastError("IMAGE_UNKNOWN", {
    message:
      damaged === 0
        ? `There is no latest image: ${readable}`
        : `There is no latest image: ${readable}, ${damaged} records are damaged`,
    context: { images: images.length, damaged },
    hint: images.length === 0 ? "Make a backup with `holdfast backup`." : "`holdfast images` shows what there is.",
  });
}

/** The one identifier that begins with `text`. IMAGE_UNKNOWN or IMAGE_AMBIGUOUS. */
export function resolveImageId(text: string, ids: readonly ImageId[]): ImageId {
  const wanted = text.toLowerCase();
  const matches = wanted === "" ? [] : ids.filter((id) => id.startsWith(wanted));
  const [only] = matches;
  if (only === undefined) throw unknownImage(text);
  if (matches.length === 1) return only;
  const shown = matches.slice(0, 5).map((id) => id.slice(0, Math.max(16, wanted.length + 4)));
  throw new HoldfastError("IMAGE_AMBIGUOUS", {
    message: `"${text}" is the beginning of ${matches.length} images: ${shown.join(", ")}${matches.length > 5 ? " …" : ""}`,
    context: { matches: matches.length },
    hint: "Give more digits.",
  });
}

/**
 * Seals, publishes and returns the image. `volume` must be writable. `fence` throws when this writer may not commit any more
 * (`Session.requireNotEnded`).
 */
export async function publishImage(
  places: {
    readonly volume: Volume;
    readonly keyRing: RecordPlaces["keyRing"];
    readonly random: Random;
    readonly fence?: (() => void) | undefined;
  },
  record: ImageRecord,
): Promise<StoredImage> {
  const plain = encodeImageRecord(record);
  // Check before writing: what cannot be read again must not become an image. It is also what readers will see.
  const decoded = decodeImageRecord(plain);
  const bytes = sealRecordFile(places.keyRing, places.random, RECORD_IMAGE, plain);
  const id = (await places.volume.publishRecord("images", bytes, places.fence)) as ImageId;
  return { id, record: decoded, tags: decoded.tags };
}

/**
 * Removes the image's record from every volume; false when it was on none. Until the last one is gone it is an image, then it is none;
 * what it refers to stays where it is.
 */
export function removeImage(volumes: readonly Volume[], id: ImageId): Promise<boolean> {
  return removeRecordEverywhere(volumes, "images", id);
}

function storedImage(id: ImageId, record: ImageRecord, annotations: AnnotationsRead): StoredImage {
  const { annotation } = annotations.latest.get(id) ?? {};
  if (annotation === undefined) return { id, record, tags: record.tags };
  const { tags, hold } = annotation;
  return { id, record, tags, ...(hold === undefined ? {} : { hold }) };
}

function unknownImage(text: string): HoldfastError {
  const partial = IMAGE_ID_PATTERN.test(text) ? "" : ' (an identifier, the beginning of one, or "latest")';
  return new HoldfastError("IMAGE_UNKNOWN", {
    message: `There is no image "${text.slice(0, 80)}"${partial}`,
    hint: "`holdfast images` shows what there is.",
  });
}
