// Opened pages, kept within a fixed number of bytes by the clock algorithm: a page that was used since the hand last
// passed gets another round. One cache serves all runs of a thread.

import { assert } from "../../base/assert.ts";
import { RUN_PAGE_BYTES } from "../../formats/index-run.ts";

/** Whose pages are cached. */
export interface PageOwner {
  /** For each page 1 + its slot in the cache, or 0; written by the cache alone. */
  readonly cacheSlots: Int32Array;
  loadPage(page: number): Uint8Array;
}

export class PageCache {
  readonly #pages: Uint8Array[] = [];
  readonly #owners: (PageOwner | undefined)[] = [];
  readonly #numbers: Int32Array;
  readonly #used: Uint8Array;
  readonly #capacity: number;
  #hand = 0;

  constructor(capacityBytes: number) {
    this.#capacity = Math.max(2, Math.floor(capacityBytes / RUN_PAGE_BYTES));
    this.#numbers = new Int32Array(this.#capacity);
    this.#used = new Uint8Array(this.#capacity);
  }

  /** Bytes of page memory held, at most. */
  get memoryBytes(): number {
    return this.#pages.length * RUN_PAGE_BYTES;
  }

  /** The page, from memory or loaded. Its bytes never change, so they stay good after the cache has let them go. */
  get(owner: PageOwner, page: number): Uint8Array {
    const known = owner.cacheSlots[page]!;
    if (known !== 0) {
      this.#used[known - 1] = 1;
      return this.#pages[known - 1]!;
    }
    const bytes = owner.loadPage(page);
    const slot = this.#freeSlot();
    this.#pages[slot] = bytes;
    this.#owners[slot] = owner;
    this.#numbers[slot] = page;
    // Not marked as used: a page that is asked for once gives way to those that are asked for again.
    this.#used[slot] = 0;
    owner.cacheSlots[page] = slot + 1;
    return bytes;
  }

  /** Lets go of everything of an owner that is closed. */
  forget(owner: PageOwner): void {
    for (let slot = 0; slot < this.#pages.length; slot++) {
      if (this.#owners[slot] === owner) this.#evict(slot);
    }
  }

  #freeSlot(): number {
    if (this.#pages.length < this.#capacity) return this.#pages.length;
    for (let steps = 0; steps <= 2 * this.#capacity; steps++) {
      const slot = this.#hand;
      this.#hand = slot + 1 === this.#capacity ? 0 : slot + 1;
      if (this.#used[slot] === 0) {
        this.#evict(slot);
        return slot;
      }
      this.#used[slot] = 0;
    }
    assert(false, "the second round of the clock finds a page to evict");
  }

  #evict(slot: number): void {
    const owner = this.#owners[slot];
    if (owner !== undefined) owner.cacheSlots[this.#numbers[slot]!] = 0;
    this.#owners[slot] = undefined;
    this.#pages[slot] = NOTHING;
    this.#used[slot] = 0;
  }
}

const NOTHING = new Uint8Array(0);
