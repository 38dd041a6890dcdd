// Tags changed after an image was made. Each change is a record of its own with the whole list of tags; of an image's
// annotations the highest generation holds, and of equal ones (two changes at once) the one with the higher name, so
// that every reader decides alike.

import { HoldfastError } from "../base/errors.ts";
import { decodeAnnotation, encodeAnnotation } from "../formats/annotation-record.ts";
import { TAGS_LIMIT, TAG_TEXT_LIMIT } from "../formats/image-record.ts";
import { RECORD_ANNOTATION } from "../formats/sealed-record.ts";
import type { Volume } from "../media/media.ts";
import type { ImageAnnotation, ImageId } from "../model/image.ts";
import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import { sealRecordFile } from "./record-sealer.ts";
import { readOneRecord, readRecords, recordNames } from "./stored-records.ts";
import type { DamagedRecord, RecordKind, RecordPlaces } from "./stored-records.ts";

const ANNOTATIONS: RecordKind<ImageAnnotation> = {
  area: "annotations",
  type: RECORD_ANNOTATION,
  decode: decodeAnnotation,
};

export interface NamedAnnotation {
  readonly name: string;
  readonly annotation: ImageAnnotation;
}

export interface AnnotationsRead {
  /** The one that holds, for each image that has any. */
  readonly latest: ReadonlyMap<ImageId, NamedAnnotation>;
  readonly damaged: readonly DamagedRecord[];
}

export async function readAnnotations(places: RecordPlaces): Promise<AnnotationsRead> {
  const { records, damaged } = await readRecords(places, ANNOTATIONS);
  const latest = new Map<ImageId, NamedAnnotation>();
  for (const [name, annotation] of records) {
    const candidate = { name, annotation };
    const other = latest.get(annotation.image);
    if (other === undefined || supersedes(candidate, other)) latest.set(annotation.image, candidate);
  }
  return { latest, damaged };
}

function supersedes(a: NamedAnnotation, b: NamedAnnotation): boolean {
  const difference = a.annotation.generation - b.annotation.generation;
  return difference > 0 || (difference === 0 && a.name > b.name);
}

/** The names of all annotations, sorted; no record is read. */
export function listAnnotationNames(volumes: readonly Volume[]): Promise<readonly string[]> {
  return recordNames(volumes, "annotations");
}

/** Undefined when there is none such. */
export function readAnnotation(places: RecordPlaces, name: string): Promise<ImageAnnotation | undefined> {
  return readOneRecord(places, ANNOTATIONS, name);
}

/** Gives an image these tags instead of those it has. `volume` must be writable. */
export async function publishTags(
  places: RecordPlaces & { readonly volume: Volume; readonly random: Random; readonly clock: Clock },
  image: ImageId,
  tags: readonly string[],
): Promise<NamedAnnotation> {
  const { latest } = await readAnnotations(places);
  const annotation: ImageAnnotation = {
    image,
    generation: (latest.get(image)?.annotation.generation ?? 0) + 1,
    tags: checkedTags(tags),
    madeAtMs: places.clock.now(),
  };
  const plain = encodeAnnotation(annotation);
  decodeAnnotation(plain);
  const bytes = sealRecordFile(places.keyRing, places.random, RECORD_ANNOTATION, plain);
  const name = await places.volume.publishRecord("annotations", bytes);
  return { name, annotation };
}

/** Each tag once, in the order given. USAGE for tags that are empty, too long, or would break lists of tags. */
export function checkedTags(tags: readonly string[]): readonly string[] {
  const unique = [...new Set(tags)];
  const problem =
    unique.length > TAGS_LIMIT
      ? `${unique.length} tags, the limit is ${TAGS_LIMIT}`
      : unique.map(tagProblem).find((found) => found !== undefined);
  if (problem === undefined) return unique;
  throw new HoldfastError("USAGE", { message: `Cannot use these tags: ${problem}` });
}

function tagProblem(tag: string): string | undefined {
  if (tag === "") return "one is empty";
  if (tag.length > TAG_TEXT_LIMIT) return `one has ${tag.length} characters, the limit is ${TAG_TEXT_LIMIT}`;
  // Tags are given and shown in lists separated by commas; control characters would reach terminals.
  if (/[\p{Cc},]/u.test(tag) || tag !== tag.trim())
    return `${JSON.stringify(tag)} has a comma, a control character, or white space at an end`;
  return undefined;
}
