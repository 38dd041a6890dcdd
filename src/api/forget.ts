// Forgetting: image records are removed, nothing else. What the images referred to stays where it is until the space is
// reclaimed, so forgetting is quick, and harms no backup that builds on an image at the same time.
//
// Order: the image record (from then on it is no image), then its annotations. The catalog follows: every job begins by
// comparing it with the directories. Cut off in between there are annotations of no image, which the next run removes.

import { HoldfastError } from "../base/errors.ts";
import { calendarIn } from "../model/calendar.ts";
import { isInForce } from "../model/hold.ts";
import { matchesFilter } from "../model/image.ts";
import type { ImageId, StoredImage } from "../model/image.ts";
import { describeHold } from "../model/retention.ts";
import type { RetentionDecision, RetentionLimits } from "../model/retention.ts";
import {
  findImage,
  listAnnotationNames,
  listImageIds,
  listImages,
  readAnnotation,
  readAnnotations,
  removeAnnotation,
  removeImage,
  resolveImageId,
} from "../repository/repository.ts";
import { checkForgetOptions, decide } from "./forget-plan.ts";
import type { SourcePlan } from "./forget-plan.ts";
import { asJob } from "./job-history.ts";
import type { Opened } from "./opened.ts";
import type { DamageListener } from "./select-image.ts";
import { inSessionOnFullDisk } from "./session.ts";
import type { ForgetOptions, ForgetReport } from "./types.ts";

/** What `forget` would do. Writes nothing. */
export async function planForget(opened: Opened, options: ForgetOptions, onDamage: DamageListener): Promise<ForgetReport> {
  checkForgetOptions(options);
  const { plans } = await planFor(opened, options, onDamage);
  return reportOf(plans, true);
}

/** Forgets, as a registered writer and with a line in the history of jobs. */
export async function forgetJob(opened: Opened, options: ForgetOptions, onDamage: DamageListener): Promise<ForgetReport> {
  checkForgetOptions(options);
  return asJob(
    opened,
    "forget",
    () => inSessionOnFullDisk(opened, () => forget(opened, options, onDamage)),
    ({ kept, removed }) => ({ outcome: "done", detail: `${removed} removed, ${kept} kept` }),
  );
}

async function forget(opened: Opened, options: ForgetOptions, onDamage: DamageListener): Promise<ForgetReport> {
  const planned = await planFor(opened, options, onDamage);
  const gone = new Set<ImageId>();
  const carriedOut: SourcePlan[] = [];
  for (const { source, decisions } of planned.plans) {
    const done: RetentionDecision[] = [];
    for (const decision of decisions) {
      const hold = decision.keeps ? undefined : await holdSetSince(opened, decision.image.id, planned);
      done.push(hold === undefined ? decision : { ...decision, keeps: true, reasons: [hold] });
      if (decision.keeps || hold !== undefined) continue;
      if (options.images === undefined) await requireKept(opened, source, decisions);
      await removeImage(opened.places.volumes, decision.image.id);
      gone.add(decision.image.id);
    }
    carriedOut.push({ source, decisions: done });
  }
  await removeAnnotationsOf(opened, gone);
  return reportOf(carriedOut, false);
}

interface Planned {
  readonly plans: readonly SourcePlan[];
  /** What is known of holds comes from these. */
  readonly annotationNames: ReadonlySet<string>;
  readonly limits: RetentionLimits;
}

async function planFor(opened: Opened, options: ForgetOptions, onDamage: DamageListener): Promise<Planned> {
  const { places, services } = opened;
  // Listed first: an annotation that comes later is noticed before an image goes.
  const annotationNames = new Set(await listAnnotationNames(places.volumes));
  const ids = await listImageIds(places.volumes);
  const { images, damaged } = await listImages(places);
  for (const { area, name } of damaged) if (area === "annotations") await requireReadable(opened, name);
  if (damaged.length > 0) onDamage(damaged);
  const named = options.images === undefined ? undefined : await namedImages(opened, options, options.images, { ids, images });
  const limits: RetentionLimits = {
    keepWithinMs: options.keepWithinMs ?? 0,
    nowMs: services.clock.now(),
    calendar: calendarIn(options.timeZone ?? services.host.timeZone),
  };
  return { plans: decide(images, named, options, limits), annotationNames, limits };
}

/** Damage in one copy is made up for by another. Where none is whole there may have been a hold, on any of the images. */
async function requireReadable({ places }: Opened, name: string): Promise<void> {
  try {
    await readAnnotation(places, name);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    throw new HoldfastError(error.code, {
      message: `Nothing is forgotten while an annotation cannot be read, for it may hold an image: ${error.message}`,
      retry: error.retry,
      context: error.context,
      hint: error.hint ?? "Copy the file from another copy of the volume, or repair the repository.",
      cause: error,
    });
  }
}

/** `ids` were listed before the images: one that is not among these is damaged, or was removed since. */
async function namedImages(
  { places }: Opened,
  { filter = {} }: ForgetOptions,
  references: readonly string[],
  { ids, images }: { readonly ids: readonly ImageId[]; readonly images: readonly StoredImage[] },
): Promise<ReadonlySet<ImageId>> {
  const known = new Set(images.map(({ id }) => id));
  const named = new Set<ImageId>();
  for (const reference of references) {
    const latest = reference === "latest" ? images.findLast((image) => matchesFilter(image, filter)) : undefined;
    const id = latest?.id ?? (reference === "latest" ? undefined : resolveImageId(reference, ids));
    // Says what is wrong.
    if (id === undefined || !known.has(id)) await findImage(places, reference, filter);
    else named.add(id);
  }
  return named;
}

/** The reason of a hold that somebody has put on the image since the plan was made; undefined when there is none. */
async function holdSetSince(opened: Opened, id: ImageId, { annotationNames, limits }: Planned): Promise<string | undefined> {
  const names = await listAnnotationNames(opened.places.volumes);
  if (names.every((name) => annotationNames.has(name))) return undefined;
  const { latest, damaged } = await readAnnotations(opened.places);
  for (const { name } of damaged) await requireReadable(opened, name);
  const hold = latest.get(id)?.annotation.hold;
  return isInForce(hold, limits.nowMs) ? `held: ${describeHold(hold, limits.calendar)}` : undefined;
}

/** Two runs at once, with rules that keep different images, must not remove what each other keeps until nothing is left. */
async function requireKept({ places }: Opened, source: string, decisions: readonly RetentionDecision[]): Promise<void> {
  const present = new Set(await listImageIds(places.volumes));
  // A filter may leave nothing of those that were judged, and others of the source.
  const kept = decisions.filter(({ keeps }) => keeps);
  if (kept.length === 0 || kept.some(({ image }) => present.has(image.id))) return;
  throw new HoldfastError("RETENTION_REFUSED", {
    message: `The images of ${source} that were to stay were removed by somebody else meanwhile; no more of it is removed`,
    retry: "now",
    context: { source },
    hint: "`holdfast images` shows what is left.",
  });
}

/**
 * Of the images that are gone now, and of those that an interrupted run removed. Annotations are made for images that are there:
 * one that is listed before the images, and names none of them, belongs to an image that was removed.
 */
async function removeAnnotationsOf({ places, repository }: Opened, gone: ReadonlySet<ImageId>): Promise<void> {
  const { all } = await readAnnotations(places);
  const present = new Set(await listImageIds(places.volumes));
  // With a volume missing, its images are not gone, and the others may hold what was said about them.
  const isWhole = repository.problems.length === 0;
  for (const [name, { image }] of all) {
    if (gone.has(image) || (isWhole && !present.has(image))) await removeAnnotation(places.volumes, name);
  }
}

function reportOf(plans: readonly SourcePlan[], dryRun: boolean): ForgetReport {
  const sources = plans.map(({ source, decisions }) => ({
    source,
    images: decisions.map(({ image, keeps, reasons }) => ({ id: image.id, finishedAtMs: image.finishedAtMs, keeps, reasons })),
  }));
  const all = sources.flatMap(({ images }) => images);
  const kept = all.filter(({ keeps }) => keeps).length;
  return { dryRun, sources, kept, removed: all.length - kept };
}
