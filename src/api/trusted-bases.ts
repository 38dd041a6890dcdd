// After something was lost, an earlier image is a base only as far as it is whole: files of which a segment is stored nowhere
// are read again although they have not changed, and an image that lacks pages is no base at all. So what was lost and still exists at
// the source is stored again by the next backup, and no new image leans on what is gone.

import { HoldfastError } from "../base/errors.ts";
import type { ImageId } from "../model/image.ts";
import { addWholeImage, readImageRecord, readLosses } from "../repository/repository.ts";
import type { Losses, Session } from "../repository/repository.ts";
import { treeRootOf } from "../server/server.ts";
import type { BaseCandidate, BaseChoice } from "./choose-bases.ts";
import type { Opened } from "./opened.ts";
import { lossSurvey, lossesPlace } from "./repair-losses.ts";

export interface TrustedBases {
  readonly choice: BaseChoice;
  /** Which files of the bases must be read whatever their attributes say; undefined when none. */
  readonly mustRead: ((path: Uint8Array, pathLength: number) => boolean) | undefined;
  readonly pathsToRead: readonly Uint8Array[];
  /** Of the new image it is known without looking that it will be whole. */
  readonly areWhole: boolean;
}

export async function trustedBases(
  opened: Opened,
  choice: BaseChoice,
  losses: Losses | undefined,
  signal: AbortSignal | undefined,
): Promise<TrustedBases> {
  const candidates = [...(choice.checkpoint === undefined ? [] : [choice.checkpoint]), ...choice.images];
  const asTheyAre = { choice, mustRead: undefined, pathsToRead: [], areWhole: true };
  if (losses === undefined) return asTheyAre;
  const suspects = candidates.filter(({ id }) => !losses.whole.has(id as ImageId));
  if (suspects.length === 0) return asTheyAre;
  const survey = lossSurvey(opened, (fingerprint) => opened.index.has(fingerprint), signal);
  const lost = new Set<string>();
  const refused = new Set<BaseCandidate>();
  for (const candidate of suspects) {
    try {
      for (const loss of await survey.lossesOf(treeRootOf(candidate.root))) {
        if (loss.kind === "file") lost.add(textKey(loss.path, loss.path.length));
        else refused.add(candidate);
      }
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === "INTERRUPTED") throw error;
      refused.add(candidate);
    }
  }
  const { checkpoint } = choice;
  return {
    choice: {
      checkpoint: checkpoint !== undefined && refused.has(checkpoint) ? undefined : checkpoint,
      images: choice.images.filter((candidate) => !refused.has(candidate)),
      checkpoints: choice.checkpoints,
    },
    mustRead: lost.size === 0 ? undefined : (path, pathLength) => lost.has(textKey(path, pathLength)),
    pathsToRead: Array.from(lost, (text) => new Uint8Array(Buffer.from(text, "latin1"))),
    areWhole: false,
  };
}

/**
 * After the commit: notes that the new image is whole, if it is, so that the next backup need not look. `losses` are as they were
 * before the index was opened. Returns what to tell the person.
 */
export async function noteNewImage(
  opened: Opened,
  session: Session,
  imageId: string,
  { losses, areWhole }: { readonly losses: Losses | undefined; readonly areWhole: boolean },
): Promise<string | undefined> {
  const place = lossesPlace(opened, session);
  const now = readLosses(place);
  if (now === undefined) return undefined;
  const id = imageId as ImageId;
  // What was lost or repaired meanwhile, this backup did not know.
  if (!(areWhole && losses?.epoch === now.epoch)) {
    opened.refreshIndex();
    const survey = lossSurvey(opened, (fingerprint) => opened.index.has(fingerprint), undefined);
    const { root } = await readImageRecord(opened.places, id);
    let count = 0;
    for (const _ of await survey.lossesOf(treeRootOf(root))) count++;
    if (count > 0)
      return `${count} entries of this image lean on content that was lost; run \`holdfast repair\`, then back up again.`;
  }
  await addWholeImage(place, now.epoch, id);
  return undefined;
}

function textKey(path: Uint8Array, pathLength: number): string {
  return Buffer.from(path.buffer, path.byteOffset, pathLength).toString("latin1");
}
