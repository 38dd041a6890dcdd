// A tree of pages built from below, one reference after another: entry pages and segment lists are two of
// the kind. Pages end by content, so what did not change keeps its pages on every level.

import type { Fingerprint } from "../base/fingerprint.ts";

/** What the builder must know of the pages it stacks. */
export interface LevelledShape<Reference> {
  /** Encodes and stores an index page of `level` (1 and above) and tells how its parent will refer to it. */
  storeIndex(level: number, children: readonly Reference[]): Reference;
  /** Whether a page ends after `child`, which is its record number `recordCount`. */
  ends(child: Reference, recordCount: number, sizeBytes: number): boolean;
  sizeOf(child: Reference): number;
}

export interface LevelledRoot<Reference> {
  readonly level: number;
  readonly page: Reference;
}

interface Level<Reference> {
  children: Reference[];
  sizeBytes: number;
}

export class LevelledTree<Reference extends { readonly fingerprint: Fingerprint }> {
  readonly #shape: LevelledShape<Reference>;
  /** Position 0 gathers leaves for pages of level 1, and so on. */
  readonly #levels: Level<Reference>[] = [];

  constructor(shape: LevelledShape<Reference>) {
    this.#shape = shape;
  }

  /** Adds the next leaf. */
  add(leaf: Reference): void {
    this.#addAt(0, leaf);
  }

  #addAt(position: number, child: Reference): void {
    const level = (this.#levels[position] ??= { children: [], sizeBytes: 0 });
    level.children.push(child);
    level.sizeBytes += this.#shape.sizeOf(child);
    if (!this.#shape.ends(child, level.children.length, level.sizeBytes)) return;
    const page = this.#shape.storeIndex(position + 1, level.children);
    level.children = [];
    level.sizeBytes = 0;
    this.#addAt(position + 1, page);
  }

  /**
   * The root over all leaves so far and `lastLeaf`, when there is one that `add` has not seen. Changes nothing: building goes on
   * afterwards, which is how a checkpoint gets its root. Undefined for a tree of no leaves.
   */
  root(lastLeaf?: Reference): LevelledRoot<Reference> | undefined {
    let carried = lastLeaf;
    for (let position = 0; ; position++) {
      const children = this.#levels[position]?.children ?? [];
      const all = carried === undefined ? children : [...children, carried];
      const isTop = this.#levels.slice(position + 1).every((level) => level.children.length === 0);
      if (isTop && all.length <= 1) {
        const page = all[0];
        return page === undefined ? undefined : { level: position, page };
      }
      carried = all.length === 0 ? undefined : this.#shape.storeIndex(position + 1, all);
    }
  }
}
