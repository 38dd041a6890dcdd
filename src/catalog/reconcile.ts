// Keeps the catalog equal to the repository. The repository's listing decides: an image that is listed and not in the
// catalog is read and added, one that is in the catalog and no longer listed is removed.

import { HoldfastError, hasCode } from "../base/errors.ts";
import type { ImageAnnotation, ImageId, ImageRecord } from "../model/image.ts";
import type { Catalog } from "./catalog.ts";

/** The repository, as far as the catalog must know it. Listings are complete or throw. */
export interface CatalogSource {
  imageIds(): Promise<readonly ImageId[]>;
  /** Undefined, or IMAGE_UNKNOWN, when it has been removed since it was listed. */
  readImage(id: ImageId): Promise<ImageRecord | undefined>;
  annotationNames(): Promise<readonly string[]>;
  readAnnotation(name: string): Promise<ImageAnnotation | undefined>;
}

export interface CatalogChanges {
  readonly added: readonly ImageId[];
  readonly removed: readonly ImageId[];
  /** Records that could not be read. They are tried again every time. */
  readonly damaged: readonly { readonly name: string; readonly problem: HoldfastError }[];
}

/** Rows are written in portions, so that a first opening of a large repository holds little. */
const PORTION = 500;

/** Adds what is missing and removes what is gone. Repeating it changes nothing. */
export async function bringUpToDate(catalog: Catalog, source: CatalogSource): Promise<CatalogChanges> {
  const damaged: { name: string; problem: HoldfastError }[] = [];
  const images = await reconcile({
    // The catalog's own state is taken first: an image that another process publishes and records meanwhile is in the
    // listing and must not count as gone.
    known: catalog.imageIds(),
    listed: await source.imageIds(),
    read: (id) => attempt(id, damaged, () => source.readImage(id)),
    add: (found) => catalog.putImages(found.map(({ key, value }) => ({ id: key, record: value }))),
    remove: (gone) => catalog.removeImages(gone),
  });
  await reconcile({
    known: catalog.annotationNames(),
    listed: await source.annotationNames(),
    read: (name) => attempt(name, damaged, () => source.readAnnotation(name)),
    add: (found) => catalog.putAnnotations(found.map(({ key, value }) => ({ name: key, annotation: value }))),
    remove: (gone) => catalog.removeAnnotations(gone),
  });
  return { ...images, damaged };
}

/** Throws away what is derived and derives it again. Verification ages and jobs stay. */
export async function rebuildCatalog(catalog: Catalog, source: CatalogSource): Promise<CatalogChanges> {
  catalog.removeImages(catalog.imageIds());
  catalog.removeAnnotations(catalog.annotationNames());
  return bringUpToDate(catalog, source);
}

interface Reconciliation<Key extends string, T> {
  readonly known: readonly Key[];
  readonly listed: readonly Key[];
  readonly read: (key: Key) => Promise<T | undefined>;
  readonly add: (found: readonly { readonly key: Key; readonly value: T }[]) => void;
  readonly remove: (gone: readonly Key[]) => void;
}

async function reconcile<Key extends string, T>(
  work: Reconciliation<Key, T>,
): Promise<{ readonly added: readonly Key[]; readonly removed: readonly Key[] }> {
  const known = new Set(work.known);
  const listed = new Set(work.listed);
  const removed = work.known.filter((key) => !listed.has(key));
  work.remove(removed);
  const missing = work.listed.filter((key) => !known.has(key));
  const added: Key[] = [];
  for (let start = 0; start < missing.length; start += PORTION) {
    const found: { key: Key; value: T }[] = [];
    for (const key of missing.slice(start, start + PORTION)) {
      const value = await work.read(key);
      if (value !== undefined) found.push({ key, value });
    }
    work.add(found);
    added.push(...found.map(({ key }) => key));
  }
  return { added, removed };
}

/** One damaged record must not hide the others, nor go unmentioned. */
async function attempt<T>(
  name: string,
  damaged: { name: string; problem: HoldfastError }[],
  read: () => Promise<T | undefined>,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    if (hasCode(error, "IMAGE_UNKNOWN")) return undefined;
    damaged.push({ name, problem: error });
    return undefined;
  }
}
