// The last part of a repair: looks at every image and says what is lost, and notes which images are whole, so that no later
// backup builds on what another lacks.

import { textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { ImageId, StoredImage } from "../model/image.ts";
import { beginLossEpoch, endLosses, listImages, listSessions, readCheckpoints, readLosses } from "../repository/repository.ts";
import type { Session, WritableLossesPlace } from "../repository/repository.ts";
import { LossSurvey } from "../restore/restore.ts";
import type { Loss, LossSurveyParts } from "../restore/restore.ts";
import { treeRootOf } from "../server/server.ts";
import type { Opened } from "./opened.ts";
import type { ImageLoss, RepairOptions, RepairReport } from "./types.ts";

/** More are told to the listener and counted, but not kept. */
const LOSSES_KEPT = 1_000;
const PAGES_PER_TURN = 32;

export function lossesPlace({ services, repository }: Opened, session: Session): WritableLossesPlace {
  const { files, clock, random } = services;
  const { layout, keyRing } = repository;
  return { files, layout, keyRing, clock, random, temporaryNames: session.temporaryNames };
}

type LossesFound = Pick<RepairReport, "images" | "wholeImages" | "losses" | "lossCount" | "lossesKnown">;

interface LossesQuestion {
  readonly session: Session | undefined;
  readonly isStored: LossTest | undefined;
  /** False when a record was set aside: it may be brought back, and nobody has looked at it then. */
  readonly hasAllRecords: boolean;
}

export async function findLosses(
  opened: Opened,
  options: RepairOptions,
  { session, isStored, hasAllRecords }: LossesQuestion,
): Promise<LossesFound> {
  const { images } = await listImages(opened.places);
  if (isStored === undefined) return { images: images.length, wholeImages: 0, losses: [], lossCount: 0, lossesKnown: false };
  const survey = lossSurvey(opened, isStored, options.signal);
  const losses: ImageLoss[] = [];
  const whole: ImageId[] = [];
  let lossCount = 0;
  for (const [done, image] of images.entries()) {
    options.onProgress?.({ phase: "images", done, total: images.length });
    const before = lossCount;
    for (const found of await survey.lossesOf(treeRootOf(image.record.root))) {
      const loss = lossOf(image, found);
      if (lossCount++ < LOSSES_KEPT) losses.push(loss);
      options.onLoss?.(loss);
    }
    if (lossCount === before) whole.push(image.id);
  }
  options.onProgress?.({ phase: "images", done: images.length, total: images.length });
  if (session !== undefined) {
    const checkpoints = await wholeCheckpoints(opened, survey);
    await noteWhole(opened, session, [...whole, ...checkpoints], lossCount === 0 && hasAllRecords);
  }
  return { images: images.length, wholeImages: whole.length, losses, lossCount, lossesKnown: true };
}

/** Checkpoints that lack something are set aside: they only save time, and no backup may build on them, nor a collection stop at them. */
async function wholeCheckpoints(opened: Opened, survey: LossSurvey): Promise<readonly ImageId[]> {
  const { records } = await readCheckpoints(opened.places);
  const whole: ImageId[] = [];
  for (const [name, record] of records) {
    const losses = await survey.lossesOf(treeRootOf(record.root));
    if ([...losses].length === 0) whole.push(name as ImageId);
    else for (const volume of opened.repository.volumes) await volume.setAside("checkpoints", name);
  }
  return whole;
}

async function noteWhole(opened: Opened, session: Session, whole: readonly ImageId[], isAllWhole: boolean): Promise<void> {
  const place = lossesPlace(opened, session);
  if (isAllWhole && readLosses(place) === undefined) return;
  const { host } = opened.services;
  const { sessions, unreadable } = listSessions(place, host);
  const isAlone = unreadable.length === 0 && sessions.every(({ id, alive }) => id === session.id || alive === false);
  // A backup that is at work may still believe in what is lost.
  if (isAllWhole && isAlone) endLosses(place);
  else await beginLossEpoch(place, whole);
}

export type LossTest = (fingerprint: Uint8Array) => boolean;

export function lossSurvey(
  opened: Opened,
  isStored: LossTest,
  signal: AbortSignal | undefined,
  changes: Partial<Pick<LossSurveyParts, "source" | "onLossy">> = {},
): LossSurvey {
  let untilTurn = PAGES_PER_TURN;
  return new LossSurvey({
    source: opened.reader,
    isStored,
    turn: async () => {
      if (--untilTurn > 0) return;
      untilTurn = PAGES_PER_TURN;
      // Pages of a local volume come without waiting: nobody else would ever get a turn, not even the signal to stop.
      await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted === true) {
        throw new HoldfastError("INTERRUPTED", { message: "The search for losses was interrupted", retry: "now" });
      }
    },
    ...changes,
  });
}

function lossOf({ id, record }: StoredImage, loss: Loss): ImageLoss {
  return {
    image: id,
    source: record.source,
    startedAtMs: record.startedAtMs,
    kind: loss.kind,
    path: `/${textOf(loss.path)}`,
    entries: loss.kind === "file" ? 1 : loss.entries,
    bytes: loss.kind === "file" ? loss.bytes : undefined,
  };
}
