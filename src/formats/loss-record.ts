// Loss record, version 1 (docs/formats/loss-record.md): which images are known to be whole since something was lost.
// JSON in a sealed record of type 7.

import { IMAGE_ID_PATTERN } from "../model/image.ts";
import type { ImageId } from "../model/image.ts";
import { JsonFields, encodeJson } from "./json-fields.ts";

export interface LossRecord {
  /** The highest that can be read holds. */
  readonly generation: number;
  /** Goes up when something was lost or repaired: what was found whole before that proves nothing any more. */
  readonly epoch: number;
  /** Images of which every page and every segment was found since. Any other image may lack some. */
  readonly whole: readonly ImageId[];
  readonly madeAtMs: number;
}

/** Images beyond that are looked at again when they are needed, which costs time and nothing else. */
export const WHOLE_IMAGES_LIMIT = 200_000;

const WHAT = "a loss record";
const KNOWN = ["generation", "epoch", "whole", "madeAtMs", "mustUnderstand"] as const;

export function encodeLossRecord(record: LossRecord): Uint8Array {
  const { generation, epoch, whole, madeAtMs } = record;
  return encodeJson({ generation, epoch, whole: whole.slice(-WHOLE_IMAGES_LIMIT), madeAtMs });
}

export function decodeLossRecord(bytes: Uint8Array): LossRecord {
  const fields = JsonFields.decode(bytes, WHAT, KNOWN);
  const whole = fields.texts("whole", { most: WHOLE_IMAGES_LIMIT, textLimit: 64 });
  const wrong = whole.find((id) => !IMAGE_ID_PATTERN.test(id));
  if (wrong !== undefined) return fields.refuse("whole", `names the image "${wrong}"`);
  return {
    generation: fields.integer("generation", { least: 1 }),
    epoch: fields.integer("epoch", { least: 1 }),
    whole: whole as readonly ImageId[],
    madeAtMs: fields.integer("madeAtMs"),
  };
}
