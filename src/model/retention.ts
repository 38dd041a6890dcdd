// Which images stay, and why. Every rule by itself names images that it keeps; an image goes when no rule keeps it, it is
// older than the floor and no hold is on it. So more rules, or higher numbers, never remove more.
// docs/design/retention.md says it for people.

import { DAY_MS, HOUR_MS, PERIODS } from "./calendar.ts";
import type { Calendar, Period } from "./calendar.ts";
import { isInForce } from "./hold.ts";
import type { ImageHold } from "./hold.ts";
import type { ImageId } from "./image.ts";

/** What retention must know of an image. */
export interface RetainedImage {
  readonly id: ImageId;
  readonly source: string;
  readonly tags: readonly string[];
  /** When the image was committed, by the clock of whoever made it. */
  readonly finishedAtMs: number;
  /** False when something of the source could not be read. */
  readonly isComplete: boolean;
  readonly hold?: ImageHold | undefined;
}

/** What to keep of every source. A number of 0 keeps nothing, Infinity everything. */
export interface RetentionRules extends Readonly<Partial<Record<Period, number>>> {
  /** The newest so many images. `hourly` to `yearly`: one image of each of the newest so many periods that have any. */
  readonly last?: number;
  /** One image of each period, as far back as so many milliseconds. */
  readonly within?: Readonly<Partial<Record<Period, number>>>;
  /** Images that carry one of these tags. */
  readonly tags?: readonly string[];
}

/** What stands above all rules. */
export interface RetentionLimits {
  /** The retention floor: images younger than this stay. 0 for none. */
  readonly keepWithinMs: number;
  readonly nowMs: number;
  readonly calendar: Calendar;
}

export interface RetentionDecision<Image extends RetainedImage = RetainedImage> {
  readonly image: Image;
  readonly keeps: boolean;
  /** Whether it would stay without any hold. */
  readonly keepsUnheld: boolean;
  /** Every reason for it, as phrases: "daily 2026-11-20", "held: audit", "no rule keeps it". */
  readonly reasons: readonly string[];
}

/** Whether these rules keep anything at all of a source. Rules that do not are no rules, but a way to lose everything. */
export function keepAnything(rules: RetentionRules, { keepWithinMs }: Pick<RetentionLimits, "keepWithinMs">): boolean {
  const counts = [rules.last, ...PERIODS.map((period) => rules[period]), ...Object.values(rules.within ?? {}), keepWithinMs];
  return counts.some((count) => count !== undefined && count > 0) || (rules.tags ?? []).length > 0;
}

/** Decides for the images of one source, in whatever order they come; oldest first. */
export function decideByRules<Image extends RetainedImage>(
  images: readonly Image[],
  rules: RetentionRules,
  limits: RetentionLimits,
): readonly RetentionDecision<Image>[] {
  const newestFirst = images.toSorted((a, b) => -compareByCommit(a, b));
  const reasons = youngOnes(newestFirst, limits);
  const keep = (image: Image, reason: string): void => void reasons.set(image.id, [...(reasons.get(image.id) ?? []), reason]);

  const { last = 0, tags = [], within = {} } = rules;
  for (const [position, image] of newestFirst.slice(0, last).entries()) {
    keep(image, last === Number.POSITIVE_INFINITY ? "last" : `last ${position + 1} of ${last}`);
  }
  const dated = newestFirst.map((image) => ({ image, periods: limits.calendar(image.finishedAtMs) }));
  for (const period of PERIODS) {
    const groups = groupsOf(dated, period);
    for (const { name, keepers } of groups.slice(0, rules[period] ?? 0)) {
      for (const image of keepers) keep(image, `${period} ${name}`);
    }
    const spanMs = within[period] ?? 0;
    const sinceMs = referenceOf(newestFirst, limits) - spanMs;
    for (const { name, keepers } of spanMs > 0 ? groups : []) {
      for (const image of keepers)
        if (image.finishedAtMs >= sinceMs) keep(image, `${period} ${name}, within ${describeSpan(spanMs)}`);
    }
  }
  for (const image of newestFirst) for (const tag of tags) if (image.tags.includes(tag)) keep(image, `tag ${tag}`);

  return newestFirst.toReversed().map((image) => decisionOn(image, reasons.get(image.id), limits, "no rule keeps it"));
}

/** Decides for images that were named, out of all those of one source: only holds and the floor keep them. */
export function decideByName<Image extends RetainedImage>(
  images: readonly Image[],
  named: ReadonlySet<ImageId>,
  limits: RetentionLimits,
): readonly RetentionDecision<Image>[] {
  const reasons = youngOnes(images, limits);
  return images
    .filter(({ id }) => named.has(id))
    .sort(compareByCommit)
    .map((image) => decisionOn(image, reasons.get(image.id), limits, "named"));
}

function decisionOn<Image extends RetainedImage>(
  image: Image,
  reasons: readonly string[] = [],
  { nowMs, calendar }: RetentionLimits,
  whyNot: string,
): RetentionDecision<Image> {
  const held = isInForce(image.hold, nowMs) ? [`held: ${describeHold(image.hold, calendar)}`] : [];
  const all = [...held, ...reasons];
  return { image, keeps: all.length > 0, keepsUnheld: reasons.length > 0, reasons: all.length > 0 ? all : [whyNot] };
}

/** In the order of their commits; equal times by identifier, so that every reader decides alike. */
function compareByCommit(a: RetainedImage, b: RetainedImage): number {
  return a.finishedAtMs - b.finishedAtMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** The images above the floor, with that as their reason. */
function youngOnes(images: readonly RetainedImage[], limits: RetentionLimits): Map<ImageId, readonly string[]> {
  const { nowMs, keepWithinMs } = limits;
  if (keepWithinMs === 0) return new Map();
  const sinceMs = referenceOf(images, limits) - keepWithinMs;
  const span = describeSpan(keepWithinMs);
  const young = images.filter(({ finishedAtMs }) => finishedAtMs >= sinceMs);
  return new Map(
    young.map(({ id, finishedAtMs }) => {
      return [id, [nowMs - finishedAtMs <= keepWithinMs ? `younger than ${span}` : `within ${span} of the newest`]];
    }),
  );
}

/**
 * What ages are counted from: now, or the newest image if that is older. A clock that runs ahead, or a source that is no longer
 * backed up, must not make everything old.
 */
function referenceOf(images: readonly RetainedImage[], { nowMs }: RetentionLimits): number {
  const newestMs = images.reduce((newest, { finishedAtMs }) => Math.max(newest, finishedAtMs), 0);
  return Math.min(nowMs, newestMs);
}

interface DatedImage<Image> {
  readonly image: Image;
  readonly periods: ReturnType<Calendar>;
}

interface PeriodGroup<Image> {
  readonly name: string;
  readonly keepers: readonly Image[];
}

/**
 * The periods that have images, newest first. The newest image of a period stands for it; when that one is incomplete, so does
 * the newest complete one: neither the latest state is lost, nor a whole one for the sake of one with gaps.
 */
function groupsOf<Image extends RetainedImage>(
  newestFirst: readonly DatedImage<Image>[],
  period: Period,
): readonly PeriodGroup<Image>[] {
  return [...Map.groupBy(newestFirst, ({ periods }) => periods[period])].map(([name, dated]) => {
    const [newest, ...older] = dated.map(({ image }) => image);
    const complete = newest?.isComplete === false ? older.find(({ isComplete }) => isComplete) : undefined;
    return { name, keepers: [newest, complete].filter((image) => image !== undefined) };
  });
}

/** "audit until 2027-01-31": the last day on which it protects. */
export function describeHold({ reason, untilMs }: ImageHold, calendar: Calendar): string {
  return untilMs === undefined ? reason : `${reason} until ${calendar(untilMs - 1).daily}`;
}

/** "30 days", "36 hours"; what is no whole number of hours is rounded up to one. */
export function describeSpan(spanMs: number): string {
  const isDays = spanMs % DAY_MS === 0;
  const count = isDays ? spanMs / DAY_MS : Math.ceil(spanMs / HOUR_MS);
  return `${count} ${isDays ? "day" : "hour"}${count === 1 ? "" : "s"}`;
}
