// The pages of an image's entries in order, as far as they can be read: one that cannot costs its own entries and no more.

import { HoldfastError } from "../base/errors.ts";
import { decodeIndexPage } from "../formats/entry-page.ts";
import type { PageReference } from "../formats/entry-page.ts";
import { comparePaths } from "../model/path-order.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";

export interface ReadablePage {
  readonly bytes: Uint8Array;
  /** Where its first entry stands in the image, from 0. */
  readonly firstPosition: number;
}

/** Hears of a page that could not be read; `firstPath` is the first path that it would have held. */
export type DamageListener = (firstPath: Uint8Array, error: HoldfastError) => void;

/**
 * Begins with the page that may hold the first path at or after `from`. Failures of the repository (HoldfastErrors) go
 * to `onDamage`; anything else is thrown.
 */
export async function* readablePages(
  source: PageSource,
  root: EntryTreeRoot,
  from: Uint8Array,
  onDamage: DamageListener,
): AsyncGenerator<ReadablePage> {
  const { fingerprint, pageBytes, entryCount } = root;
  const top = { fingerprint, pageBytes, entryCount, firstPath: new Uint8Array(0) };
  yield* below({ source, from, onDamage }, top, root.level, 0);
}

interface Walk {
  readonly source: PageSource;
  readonly from: Uint8Array;
  readonly onDamage: DamageListener;
}

async function* below(walk: Walk, reference: PageReference, level: number, firstPosition: number): AsyncGenerator<ReadablePage> {
  let bytes: Uint8Array;
  let children: readonly PageReference[] = [];
  try {
    bytes = await walk.source.loadPage("page", reference.fingerprint, reference.pageBytes);
    if (level > 0) children = decodeIndexPage(bytes, level);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    walk.onDamage(reference.firstPath, error);
    return;
  }
  if (level === 0) {
    yield { bytes, firstPosition };
    return;
  }
  const { from } = walk;
  let position = firstPosition;
  for (const [number, child] of children.entries()) {
    const next = children[number + 1]?.firstPath;
    const isBefore = next !== undefined && comparePaths(next, next.length, from, from.length) <= 0;
    if (!isBefore) yield* below(walk, child, level - 1, position);
    position += child.entryCount;
  }
}
