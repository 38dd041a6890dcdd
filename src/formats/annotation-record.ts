// Annotation, version 1 (docs/formats/image-record.md): the tags of an image and the hold on it, changed after it was
// made. JSON in a sealed record of type 4. The image's own record never changes.

import { HOLD_REASON_LIMIT } from "../model/hold.ts";
import type { ImageHold } from "../model/hold.ts";
import { IMAGE_ID_PATTERN } from "../model/image.ts";
import type { ImageAnnotation, ImageId } from "../model/image.ts";
import { TAGS_LIMIT, TAG_TEXT_LIMIT } from "./image-record.ts";
import { JsonFields, encodeJson } from "./json-fields.ts";

const WHAT = "an annotation";
const KNOWN = ["image", "generation", "tags", "hold", "madeAtMs", "mustUnderstand"] as const;

export function encodeAnnotation({ image, generation, tags, hold, madeAtMs }: ImageAnnotation): Uint8Array {
  const fields = { image, generation, tags, madeAtMs };
  if (hold === undefined) return encodeJson(fields);
  const { reason, untilMs } = hold;
  // Whoever does not know what a hold is must not take the image for one that may go.
  return encodeJson({ ...fields, hold: untilMs === undefined ? { reason } : { reason, untilMs }, mustUnderstand: ["hold"] });
}

export function decodeAnnotation(bytes: Uint8Array): ImageAnnotation {
  const fields = JsonFields.decode(bytes, WHAT, KNOWN);
  return {
    image: fields.pattern("image", IMAGE_ID_PATTERN) as ImageId,
    generation: fields.integer("generation", { least: 1 }),
    tags: fields.texts("tags", { most: TAGS_LIMIT, textLimit: TAG_TEXT_LIMIT }),
    ...(fields.has("hold") ? { hold: readHold(fields.object("hold")) } : {}),
    madeAtMs: fields.integer("madeAtMs"),
  };
}

function readHold(fields: JsonFields): ImageHold {
  return {
    reason: fields.text("reason", HOLD_REASON_LIMIT),
    ...(fields.has("untilMs") ? { untilMs: fields.integer("untilMs") } : {}),
  };
}
