// Which image is meant, and which there are.

import { findImage, listImages } from "../repository/repository.ts";
import type { DamagedRecord } from "../repository/repository.ts";
import { matchesFilter } from "../model/image.ts";
import type { StoredImage } from "../model/image.ts";
import type { Opened } from "./opened.ts";
import type { ImageFilter, ImageSummary } from "./types.ts";

/** Hears of image records and annotations that cannot be read: an image may be missing from the answer, or its tags be old. */
export type DamageListener = (damaged: readonly DamagedRecord[]) => void;

/** By identifier, unique beginning of one, or "latest" of those that pass the filter. IMAGE_UNKNOWN, IMAGE_AMBIGUOUS. */
export async function selectImage(
  opened: Opened,
  reference: string,
  filter: ImageFilter = {},
  onDamage?: DamageListener,
): Promise<ImageSummary> {
  const { image, damaged } = await findImage(opened.places, reference, filter);
  if (damaged.length > 0) onDamage?.(damaged);
  return summaryOf(image);
}

/** Oldest first. */
export async function listImageSummaries(
  opened: Opened,
  filter: ImageFilter = {},
  onDamage?: DamageListener,
): Promise<readonly ImageSummary[]> {
  const { images, damaged } = await listImages(opened.places);
  if (damaged.length > 0) onDamage?.(damaged);
  return images.filter((image) => matchesFilter(image, filter)).map(summaryOf);
}

function summaryOf({ id, record, tags, hold }: StoredImage): ImageSummary {
  return { id, record, tags, ...(hold === undefined ? {} : { hold }) };
}
