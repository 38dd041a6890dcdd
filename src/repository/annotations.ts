// What was changed after an image was made: its tags, and the hold on it. Each change is a record of its own with all of
// both; of an image's annotations the highest generation holds. Of equal ones (two changes at once) the one with the higher
// name holds, so that every reader decides alike, but a hold that any of them sets: tagging must not end it.

import { HoldfastError } from "../base/errors.ts";
import { decodeAnnotation, encodeAnnotation } from "../formats/annotation-record.ts";
import { TAGS_LIMIT, TAG_TEXT_LIMIT } from "../formats/image-record.ts";
import { RECORD_ANNOTATION } from "../formats/sealed-record.ts";
import type { Volume } from "../media/media.ts";
import { strongerHold } from "../model/hold.ts";
import type { ImageAnnotation, ImageId } from "../model/image.ts";
import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import { sealRecordFile } from "./record-sealer.ts";
import { readOneRecord, readRecords, recordNames, removeRecordEverywhere } from "./stored-records.ts";
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
  /** What holds, for each image that has any annotation. */
  readonly latest: ReadonlyMap<ImageId, NamedAnnotation>;
  /** All that can be read, superseded ones too, by name. */
  readonly all: ReadonlyMap<string, ImageAnnotation>;
  readonly damaged: readonly DamagedRecord[];
}

export async function readAnnotations(places: RecordPlaces): Promise<AnnotationsRead> {
  const { records, damaged } = await readRecords(places, ANNOTATIONS);
  const latest = new Map<ImageId, NamedAnnotation>();
  for (const [name, annotation] of records) {
    const candidate = { name, annotation };
    const other = latest.get(annotation.image);
    latest.set(annotation.image, other === undefined ? candidate : resolved(candidate, other));
  }
  return { latest, all: records, damaged };
}

function resolved(a: NamedAnnotation, b: NamedAnnotation): NamedAnnotation {
  const difference = a.annotation.generation - b.annotation.generation;
  if (difference !== 0) return difference > 0 ? a : b;
  const winner = a.name > b.name ? a : b;
  const hold = strongerHold(a.annotation.hold, b.annotation.hold);
  return hold === undefined ? winner : { name: winner.name, annotation: { ...winner.annotation, hold } };
}

/** The names of all annotations, sorted; no record is read. */
export function listAnnotationNames(volumes: readonly Volume[]): Promise<readonly string[]> {
  return recordNames(volumes, "annotations");
}

/** Undefined when there is none such. */
export function readAnnotation(places: RecordPlaces, name: string): Promise<ImageAnnotation | undefined> {
  return readOneRecord(places, ANNOTATIONS, name);
}

export type AnnotationPlaces = RecordPlaces & { readonly volume: Volume; readonly random: Random; readonly clock: Clock };

/** Gives an image these tags instead of those it has; a hold stays. `volume` must be writable. */
export async function publishTags(places: AnnotationPlaces, image: ImageId, tags: readonly string[]): Promise<NamedAnnotation> {
  const current = (await readAnnotations(places)).latest.get(image);
  const hold = current?.annotation.hold;
  return publishNext(places, current, { image, tags: checkedTags(tags), ...(hold === undefined ? {} : { hold }) });
}

/** The next generation after `current`. */
export async function publishNext(
  places: AnnotationPlaces,
  current: NamedAnnotation | undefined,
  content: Pick<ImageAnnotation, "image" | "tags" | "hold">,
): Promise<NamedAnnotation> {
  const annotation: ImageAnnotation = {
    ...content,
    generation: (current?.annotation.generation ?? 0) + 1,
    madeAtMs: places.clock.now(),
  };
  const plain = encodeAnnotation(annotation);
  decodeAnnotation(plain);
  const bytes = sealRecordFile(places.keyRing, places.random, RECORD_ANNOTATION, plain);
  const name = await places.volume.publishRecord("annotations", bytes);
  return { name, annotation };
}

/** Removes it from every volume. False when it was on none. */
export function removeAnnotation(volumes: readonly Volume[], name: string): Promise<boolean> {
  return removeRecordEverywhere(volumes, "annotations", name);
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
