// What to forget, decided before anything is removed: by rules for each source, or by name. Plans that take what must
// stay are refused as a whole.

import { HoldfastError } from "../base/errors.ts";
import { PERIODS, calendarIn } from "../model/calendar.ts";
import { matchesFilter } from "../model/image.ts";
import type { ImageId, StoredImage } from "../model/image.ts";
import { decideByName, decideByRules, keepAnything } from "../model/retention.ts";
import type { RetainedImage, RetentionDecision, RetentionLimits } from "../model/retention.ts";
import type { ForgetOptions } from "./types.ts";

export interface SourcePlan {
  readonly source: string;
  readonly decisions: readonly RetentionDecision[];
}

/** USAGE when the options are not of a kind that can be carried out on any repository. */
export function checkForgetOptions({ rules, keepWithinMs, images, timeZone }: ForgetOptions): void {
  for (const count of [rules?.last, ...PERIODS.map((period) => rules?.[period])]) {
    if (count !== Number.POSITIVE_INFINITY) requireWhole(count);
  }
  for (const spanMs of [keepWithinMs, ...Object.values(rules?.within ?? {})]) requireWhole(spanMs);
  if (timeZone !== undefined) calendarIn(timeZone);
  if (images !== undefined && rules !== undefined) {
    throw new HoldfastError("USAGE", { message: "Images are named or chosen by rules, not both" });
  }
  if (images !== undefined || keepAnything(rules ?? {}, { keepWithinMs: keepWithinMs ?? 0 })) return;
  throw new HoldfastError("USAGE", {
    message: "These rules keep nothing, so they would remove every image",
    hint: "Say what to keep, such as the last 7 images, or name the images that are to go.",
  });
}

function requireWhole(value: number | undefined): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return;
  throw new HoldfastError("USAGE", { message: `A rule of retention says ${value}; a whole number, 0 or more, is expected` });
}

/** `named` are the images that were asked for; undefined when rules decide. RETENTION_REFUSED, IMAGE_HELD. */
export function decide(
  images: readonly StoredImage[],
  named: ReadonlySet<ImageId> | undefined,
  { rules = {}, filter = {} }: Pick<ForgetOptions, "rules" | "filter">,
  limits: RetentionLimits,
): readonly SourcePlan[] {
  const sources = [...Map.groupBy(images, ({ record }) => record.source)].sort(([a], [b]) => (a < b ? -1 : 1));
  if (named !== undefined) return decideNamed(sources, named, limits);
  const plans = sources.map(([source, all]) => {
    const judged = all.filter((image) => matchesFilter(image, filter));
    const decisions = decideByRules(judged.map(retained), rules, limits);
    // Held images are kept by somebody who foresaw a mistake such as this.
    return { source, decisions, isEmptied: judged.length === all.length && !decisions.some(({ keepsUnheld }) => keepsUnheld) };
  });
  refuseEmptied(plans.filter(({ isEmptied }) => isEmptied));
  return plans.filter(({ decisions }) => decisions.length > 0).map(({ source, decisions }) => ({ source, decisions }));
}

function decideNamed(
  sources: readonly (readonly [string, readonly StoredImage[]])[],
  named: ReadonlySet<ImageId>,
  limits: RetentionLimits,
): readonly SourcePlan[] {
  const plans = sources.map(([source, all]) => ({ source, decisions: decideByName(all.map(retained), named, limits) }));
  const kept = plans.flatMap(({ decisions }) => decisions).filter(({ keeps }) => keeps);
  const [first] = kept;
  if (first === undefined) return plans.filter(({ decisions }) => decisions.length > 0);
  const others = kept.length === 1 ? "" : `, and ${kept.length - 1} more of the named images must stay`;
  const isHeld = !first.keepsUnheld;
  throw new HoldfastError(isHeld ? "IMAGE_HELD" : "RETENTION_REFUSED", {
    message: `Image ${first.image.id.slice(0, 16)} must stay (${first.reasons.join(", ")})${others}; nothing was removed`,
    context: { image: first.image.id, kept: kept.length },
    hint: isHeld
      ? `\`holdfast hold --remove ${first.image.id.slice(0, 16)}\` ends the hold.`
      : "Name older images, or make the time shorter within which all are kept.",
  });
}

function refuseEmptied(emptied: readonly SourcePlan[]): void {
  const [first] = emptied;
  if (first === undefined) return;
  const unheld = first.decisions.some(({ keeps }) => keeps) ? " that is not held" : "";
  const others =
    emptied.length === 1 ? "" : `, and of ${emptied.length - 1} other ${emptied.length === 2 ? "source" : "sources"}`;
  throw new HoldfastError("RETENTION_REFUSED", {
    message: `These rules would remove every image of ${first.source}${unheld}${others}; nothing was removed`,
    context: { source: first.source, sources: emptied.length },
    hint: "Keep some of every source, for example the last one, or choose sources. Who wants a source to be gone names its images.",
  });
}

/** What decides, and no more. */
function retained({ id, record, tags, hold }: StoredImage): RetainedImage {
  const { source, finishedAtMs, unreadable } = record;
  return { id, source, tags, finishedAtMs, isComplete: unreadable.count === 0, hold };
}
