// Which earlier images a backup may be built on: how far an interrupted run had come, then the last images of the same
// source, then one of another source of this host that shares a path with it.

import type { ImageRecord, ImageRoot } from "../model/image.ts";
import { listImages, readCheckpoints } from "../repository/repository.ts";
import type { SourceName } from "./backup-source.ts";
import type { Opened } from "./opened.ts";

export interface BaseCandidate {
  readonly id: string;
  readonly root: ImageRoot;
  readonly record: ImageRecord;
}

export interface BaseChoice {
  readonly checkpoint: BaseCandidate | undefined;
  /** To be offered one after another until one is accepted. */
  readonly images: readonly BaseCandidate[];
  /** Checkpoints of this source, all of them superfluous once an image is committed. */
  readonly checkpoints: readonly string[];
}

const IMAGES_OFFERED = 3;

export async function chooseBases(opened: Opened, name: SourceName, onNotice: (notice: string) => void): Promise<BaseChoice> {
  const listing = await listImages(opened.places);
  for (const { name: record, problem } of listing.damaged) onNotice(`Record ${record.slice(0, 16)} is damaged: ${problem.message}`);
  const newestFirst = listing.images.toReversed().map(({ id, record }) => ({ id, root: record.root, record }));
  const own = newestFirst.filter(({ record }) => record.source === name.source).slice(0, IMAGES_OFFERED);
  const images = own.length > 0 ? own : newestFirst.filter(({ record }) => overlaps(record, name)).slice(0, 1);

  const { records } = await readCheckpoints(opened.places);
  const checkpoints = [...records].filter(([, record]) => record.source === name.source);
  const lastImageAtMs = own[0]?.record.startedAtMs ?? 0;
  let checkpoint: BaseCandidate | undefined;
  for (const [id, record] of checkpoints) {
    if (record.startedAtMs <= lastImageAtMs || record.startedAtMs <= (checkpoint?.record.startedAtMs ?? 0)) continue;
    checkpoint = { id, root: record.root, record };
  }
  return { checkpoint, images, checkpoints: checkpoints.map(([id]) => id) };
}

/** Whether an image of this host holds something of what is to be backed up. */
function overlaps(record: ImageRecord, name: SourceName): boolean {
  if (record.host !== name.host) return false;
  return record.paths.some((a) => name.paths.some((b) => isWithin(a, b) || isWithin(b, a)));
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || directory === "/" || path.startsWith(`${directory}/`);
}
