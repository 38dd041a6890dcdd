// Which earlier images a backup may be built on: how far an interrupted run had come, then the last images of the same
// source, then one of another source of this host that shares a path with it.

import { HoldfastError } from "../base/errors.ts";
import type { CatalogImage } from "../catalog/catalog.ts";
import type { ImageDescription, ImageRecord, ImageRoot } from "../model/image.ts";
import { readCheckpoints, readImageRecord } from "../repository/repository.ts";
import type { Generation } from "../repository/repository.ts";
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

export interface BaseChoiceOptions {
  /** False when containers are missing: then every image may lean on what is lost, and none is a base. */
  readonly isWhole: boolean;
  /**
   * A collection on its way. An image that it did not know may lean on what it has condemned, and would be rescued, but not if it is
   * forgotten before: then what is taken over from it would be gone. So only images that it knew are bases.
   */
  readonly outstanding?: Generation | undefined;
  readonly onNotice: (notice: string) => void;
}

export async function chooseBases(
  opened: Opened,
  name: Pick<ImageDescription, "source" | "host" | "paths">,
  { isWhole, outstanding, onNotice }: BaseChoiceOptions,
): Promise<BaseChoice> {
  const { catalog, changes } = await opened.openedCatalog();
  for (const { name: record, problem } of changes.damaged)
    onNotice(`Record ${record.slice(0, 16)} is damaged: ${problem.message}`);
  if (!isWhole) return { checkpoint: undefined, images: [], checkpoints: [] };
  const known = outstanding === undefined ? undefined : new Set<string>(knownTo(outstanding));
  const isSafe = ({ id }: { readonly id: string }): boolean => known === undefined || known.has(id);
  const own = catalog.images({ source: name.source }).filter(isSafe).slice(-IMAGES_OFFERED).toReversed();
  const others =
    own.length > 0 ? [] : catalog.images({ host: name.host }).filter((image) => isSafe(image) && overlaps(image, name));
  const images: BaseCandidate[] = [];
  for (const image of own.length > 0 ? own : others.slice(-1)) {
    const candidate = await candidateOf(opened, image, onNotice);
    if (candidate !== undefined) images.push(candidate);
  }

  const { records } = await readCheckpoints(opened.places);
  const checkpoints = [...records].filter(([, record]) => record.source === name.source);
  const usable = checkpoints.filter(([id]) => isSafe({ id }));
  const lastImageAtMs = own[0]?.startedAtMs ?? 0;
  let checkpoint: BaseCandidate | undefined;
  for (const [id, record] of usable) {
    if (record.startedAtMs <= lastImageAtMs || record.startedAtMs <= (checkpoint?.record.startedAtMs ?? 0)) continue;
    checkpoint = { id, root: record.root, record };
  }
  return { checkpoint, images, checkpoints: checkpoints.map(([id]) => id) };
}

function knownTo({ condemned }: Generation): readonly string[] {
  return [...condemned.images, ...condemned.checkpoints];
}

/** A record that cannot be read costs a base, not the backup. */
async function candidateOf(
  opened: Opened,
  { id }: CatalogImage,
  onNotice: (notice: string) => void,
): Promise<BaseCandidate | undefined> {
  try {
    const record = await readImageRecord(opened.places, id);
    return { id, root: record.root, record };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    onNotice(`Image ${id.slice(0, 8)} cannot be the base: ${error.message}`);
    return undefined;
  }
}

/** Whether an image holds something of what is to be backed up. */
function overlaps(image: CatalogImage, name: Pick<ImageDescription, "paths">): boolean {
  return image.paths.some((a) => name.paths.some((b) => isWithin(a, b) || isWithin(b, a)));
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || directory === "/" || path.startsWith(`${directory}/`);
}
