// Annotation, version 1 (docs/formats/image-record.md): the tags of an image, changed after it was made. JSON in a
// sealed record of type 4. The image's own record never changes.

import { IMAGE_ID_PATTERN } from "../model/image.ts";
import type { ImageAnnotation, ImageId } from "../model/image.ts";
import { TAGS_LIMIT, TAG_TEXT_LIMIT } from "./image-record.ts";
import { JsonFields, encodeJson } from "./json-fields.ts";

const WHAT = "an annotation";
const KNOWN = ["image", "generation", "tags", "madeAtMs", "mustUnderstand"] as const;

export function encodeAnnotation(annotation: ImageAnnotation): Uint8Array {
  const { image, generation, tags, madeAtMs } = annotation;
  return encodeJson({ image, generation, tags, madeAtMs });
}

export function decodeAnnotation(bytes: Uint8Array): ImageAnnotation {
  const fields = JsonFields.decode(bytes, WHAT, KNOWN);
  return {
    image: fields.pattern("image", IMAGE_ID_PATTERN) as ImageId,
    generation: fields.integer("generation", { least: 1 }),
    tags: fields.texts("tags", { most: TAGS_LIMIT, textLimit: TAG_TEXT_LIMIT }),
    madeAtMs: fields.integer("madeAtMs"),
  };
}
