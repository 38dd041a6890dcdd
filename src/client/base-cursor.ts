// Goes through the entries of the bases in path order, side by side with the walk. Usually there is one base,
// the last image. After an interrupted run there are two: the checkpoint as far as it came, the last image behind it.

import { viewOf } from "../base/bytes.ts";
import { EntryPageCursor } from "../formats/entry-page.ts";
import { comparePaths } from "../model/path-order.ts";
import type { BaseImage } from "../repository/repository.ts";

export class BaseCursor {
  readonly entry = new EntryPageCursor();
  /** Over the page of the present entry; for reading its body in place. */
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Number of the present base. */
  base = 0;
  hasEnded = false;
  readonly #bases: readonly BaseImage[];
  #pageNumber = -1;
  #firstPosition = 0;
  /** Entries up to here were covered by the base before. */
  #coveredUpTo: Uint8Array | undefined;

  constructor(bases: readonly BaseImage[]) {
    this.#bases = bases;
  }

  /** Position of the present entry in its base image. */
  get position(): number {
    return this.#firstPosition + this.entry.position;
  }

  /** Steps inside the page; false at its end, and then `nextPage` must follow. */
  step(): boolean {
    return this.entry.next();
  }

  /** Goes to the first entry of the next page, or of the next base; sets `hasEnded` behind the last one. */
  async nextPage(): Promise<void> {
    for (;;) {
      const base = this.#bases[this.base];
      if (base === undefined) {
        this.hasEnded = true;
        return;
      }
      const page = base.pages[++this.#pageNumber];
      if (page === undefined) {
        this.#coveredUpTo = this.#pageNumber > 0 ? this.entry.pathCopy() : this.#coveredUpTo;
        this.base++;
        this.#pageNumber = -1;
        continue;
      }
      const following = base.pages[this.#pageNumber + 1];
      if (following !== undefined && this.#isCovered(following.firstPath, following.firstPath.length)) continue;
      // What cannot be read any more is no base: its entries count as new.
      if (!(await base.isReadable(page))) continue;
      const bytes = await base.load(page);
      this.entry.open(bytes);
      this.view = viewOf(bytes);
      this.#firstPosition = page.firstPosition;
      while (this.entry.next()) {
        if (!this.#isCovered(this.entry.path, this.entry.pathLength)) return;
      }
    }
  }

  #isCovered(path: Uint8Array, pathLength: number): boolean {
    const covered = this.#coveredUpTo;
    return covered !== undefined && comparePaths(path, pathLength, covered, covered.length) <= 0;
  }
}
