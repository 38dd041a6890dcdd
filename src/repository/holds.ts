// Holds on images. A hold is part of an image's annotation; whoever sets or ends one makes sure that it took effect.

import { HoldfastError } from "../base/errors.ts";
import { HOLD_REASON_LIMIT } from "../model/hold.ts";
import type { ImageHold } from "../model/hold.ts";
import type { StoredImage } from "../model/image.ts";
import { publishNext, readAnnotations } from "./annotations.ts";
import type { AnnotationPlaces } from "./annotations.ts";
import { listImageIds } from "./images.ts";

/** More others than this change the annotations of one image at the same instant nowhere. */
const ATTEMPTS = 8;
/** The last instant that calendars know. */
const LAST_MS = 8_640_000_000_000_000;

/**
 * Puts this hold on an image in place of any other, or with undefined takes it off. Nothing is written when it is so already.
 * USAGE for a hold that is none; IMAGE_UNKNOWN when the image was removed meanwhile, so that whoever protects it does not trust in
 * nothing. `volume` must be writable.
 */
export async function publishHold(places: AnnotationPlaces, image: StoredImage, hold: ImageHold | undefined): Promise<void> {
  if (hold !== undefined) checkHold(hold, places.clock.now());
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // Read again after every attempt: of two changes at once only one holds, and a hold is not to be lost to a change of tags.
    const current = (await readAnnotations(places)).latest.get(image.id);
    if (areEqual(current?.annotation.hold, hold)) return requireImage(places, image);
    const { tags } = current?.annotation ?? image.record;
    await publishNext(places, current, { image: image.id, tags, ...(hold === undefined ? {} : { hold }) });
  }
  throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
    message: `Cannot change the hold on image ${image.id.slice(0, 16)}: others change it at the same time`,
    retry: "now",
    context: { image: image.id },
    hint: "Try again.",
  });
}

async function requireImage({ volumes }: AnnotationPlaces, { id }: StoredImage): Promise<void> {
  if ((await listImageIds(volumes)).includes(id)) return;
  throw new HoldfastError("IMAGE_UNKNOWN", {
    message: `The image ${id.slice(0, 16)} was removed while the hold on it was changed`,
    context: { image: id },
    hint: "`holdfast images` shows what there is.",
  });
}

function checkHold({ reason, untilMs }: ImageHold, nowMs: number): void {
  const problem = reasonProblem(reason) ?? (untilMs === undefined ? undefined : endProblem(untilMs, nowMs));
  if (problem !== undefined) throw new HoldfastError("USAGE", { message: `Cannot hold the image: ${problem}` });
}

function reasonProblem(reason: string): string | undefined {
  if (reason.trim() === "") return "it needs a reason, for whoever wonders later";
  if (reason.length > HOLD_REASON_LIMIT) return `the reason has ${reason.length} characters, the limit is ${HOLD_REASON_LIMIT}`;
  // It is shown in tables, and would reach terminals.
  return /\p{Cc}/u.test(reason) ? "the reason has a control character or a line break" : undefined;
}

function endProblem(untilMs: number, nowMs: number): string | undefined {
  if (!Number.isSafeInteger(untilMs) || untilMs > LAST_MS) return "its end is no time that a calendar knows";
  return untilMs <= nowMs ? "its end is already past" : undefined;
}

function areEqual(a: ImageHold | undefined, b: ImageHold | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.reason === b.reason && a.untilMs === b.untilMs);
}
