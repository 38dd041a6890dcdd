// When a collection refuses because something of the repository is missing or damaged, a person needs to know what to do: which
// images lack something, and how to get on without it.

import { HoldfastError, isDamage } from "../base/errors.ts";
import type { StoredImage } from "../model/image.ts";
import { containerKey, listImages, presentContainers } from "../repository/repository.ts";
import { treeRootOf } from "../server/server.ts";
import type { Opened } from "./opened.ts";
import { lossSurvey } from "./repair-losses.ts";

/** So many images are named in the hint. */
const IMAGES_NAMED = 10;
/** So many are named to programs. */
const IMAGES_TOLD = 100;
const DIGITS_SHOWN = 8;

/** The same failure with a hint that helps; anything else than missing or damaged data is given back as it is. */
export async function refusalOf(opened: Opened, error: unknown, signal?: AbortSignal): Promise<unknown> {
  // A record says itself what to do.
  if (!(error instanceof HoldfastError) || error.context["record"] !== undefined) return error;
  if (error.code === "SEGMENT_MISSING") return withHint(error, await affectedImages(opened, signal));
  if (!isDamage(error) || error.context["path"] !== undefined) return error;
  const hint =
    "Nothing was removed. Run `holdfast repair`: it saves what can be read and names the images that lack something. Back up again what they are of, or forget them; then run prune again.";
  return new HoldfastError(error.code, { ...detailsOf(error), hint });
}

/** Images of which a page or a segment is in no container that is there; undefined when that cannot be told. */
async function affectedImages(opened: Opened, signal: AbortSignal | undefined): Promise<readonly StoredImage[] | undefined> {
  try {
    opened.refreshIndex();
    const { index, repository, places } = opened;
    const present = await presentContainers(repository.volumes);
    const isStored = (fingerprint: Uint8Array): boolean =>
      index.findAll(fingerprint).some(({ volumeId, container }) => present.has(containerKey(volumeId, container)));
    const survey = lossSurvey(opened, isStored, signal);
    const affected: StoredImage[] = [];
    for (const image of (await listImages(places)).images) {
      if ([...(await survey.lossesOf(treeRootOf(image.record.root)))].length > 0) affected.push(image);
    }
    return affected;
  } catch (error) {
    if (error instanceof HoldfastError) return undefined;
    throw error;
  }
}

function withHint(error: HoldfastError, affected: readonly StoredImage[] | undefined): HoldfastError {
  const begin = "Nothing was removed. Bring what is missing back from a copy of the repository, or run `holdfast repair`";
  if (affected === undefined) {
    const hint = `${begin}, which names the images that lack something. Back up again what they are of, or forget them; then run prune again.`;
    return new HoldfastError(error.code, { ...detailsOf(error), hint });
  }
  if (affected.length === 0) {
    return new HoldfastError(error.code, { ...detailsOf(error), hint: `${begin}; no image needs it. Then run prune again.` });
  }
  const named = affected.slice(0, IMAGES_NAMED);
  const more = affected.length > named.length ? ` and ${affected.length - named.length} more` : "";
  const described = named.map(({ id, record }) => `${id.slice(0, DIGITS_SHOWN)} of ${record.source}`).join(", ");
  const ids = named.map(({ id }) => id.slice(0, DIGITS_SHOWN)).join(" ");
  const hint = `${begin}. These images lack something: ${described}${more}. Back up again what they are of, which makes them whole where it still exists; forget those that stay incomplete (\`holdfast forget ${ids}\`${more === "" ? "" : " …"}). Then run prune again.`;
  return new HoldfastError(error.code, {
    ...detailsOf(error),
    context: { ...error.context, affected: affected.length, images: idsOf(affected.slice(0, IMAGES_TOLD)) },
    hint,
  });
}

function idsOf(images: readonly StoredImage[]): string {
  return images.map(({ id }) => id).join(" ");
}

function detailsOf({ message, retry, context, cause }: HoldfastError) {
  return { message, retry, context, cause };
}
