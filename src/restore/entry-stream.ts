// The wanted entries of an image, one after the other. What an image may not say is refused here, once for all who
// come after: paths that lead elsewhere, entries out of order or twice, entries inside of something that is no directory.
// So whatever is delivered comes in strictly ascending order, and every entry's neighbours can be relied on.

import { HoldfastError, messageOf } from "../base/errors.ts";
import { ENTRY_DIRECTORY } from "../formats/entry.ts";
import { EntryPageCursor, PATH_LIMIT } from "../formats/entry-page.ts";
import { comparePaths, isWithin, nameStartOf, sharedLength } from "../model/path-order.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";
import { isEntryPath } from "./entry-path.ts";
import type { WantedPath } from "./image-selection.ts";
import { readablePages } from "./readable-pages.ts";
import type { DamageListener, ReadablePage } from "./readable-pages.ts";

export interface EntryStreamOptions {
  readonly source: PageSource;
  readonly root: EntryTreeRoot;
  readonly wanted: readonly WantedPath[];
  /** Hears of pages that could not be read and of entries that are not believed. */
  readonly onDamage: DamageListener;
}

export class EntryStream {
  readonly #options: EntryStreamOptions;
  readonly #cursor = new EntryPageCursor();
  readonly #previous = new Uint8Array(PATH_LIMIT);
  #previousLength = -1;
  #previousIsDirectory = true;
  #pages: AsyncGenerator<ReadablePage> | undefined;
  #wanted = -1;
  #hasPage = false;
  #isPast = false;
  #firstPosition = 0;

  constructor(options: EntryStreamOptions) {
    this.#options = options;
  }

  // --- the present entry; its bytes are used again ---------------------------------------------

  get path(): Uint8Array {
    return this.#cursor.path;
  }
  get pathLength(): number {
    return this.#cursor.pathLength;
  }
  get nameStart(): number {
    return nameStartOf(this.#cursor.path, this.#cursor.pathLength);
  }
  get pathCopy(): Uint8Array {
    return this.#cursor.pathCopy();
  }
  /** A view. */
  get body(): Uint8Array {
    return this.#cursor.body();
  }
  /** Code of its kind, as entries have it. */
  get kind(): number {
    return this.#cursor.bytes[this.#cursor.bodyOffset] as number;
  }
  /** Where the entry stands in the image: the same in every stream over it. */
  get position(): number {
    return this.#firstPosition + this.#cursor.position;
  }
  /** False for a directory that is only on the way to what was selected. */
  get isSelected(): boolean {
    return this.#options.wanted[this.#wanted]?.isSubtree === true;
  }

  // --- going on --------------------------------------------------------------------------------

  /** Goes to the next entry of the page at hand; false when a page must be loaded first. */
  next(): boolean {
    const cursor = this.#cursor;
    const wanted = this.#options.wanted[this.#wanted];
    if (!this.#hasPage || wanted === undefined) return false;
    while (this.#step()) {
      const order = comparePaths(cursor.path, cursor.pathLength, wanted.path, wanted.path.length);
      if (order < 0) continue;
      if (order > 0 && (!wanted.isSubtree || !isWithin(cursor.path, cursor.pathLength, wanted.path, wanted.path.length))) {
        this.#isPast = true;
        break;
      }
      if (this.#isBelieved()) return true;
    }
    this.#hasPage = false;
    return false;
  }

  /** Loads the next page that may hold a wanted entry; false at the end of it all. */
  async nextPage(): Promise<boolean> {
    const { source, root, wanted, onDamage } = this.#options;
    for (;;) {
      if (this.#pages === undefined || this.#isPast) {
        await this.#pages?.return(undefined);
        this.#isPast = false;
        this.#previousLength = -1;
        const path = wanted[++this.#wanted]?.path;
        if (path === undefined) return false;
        this.#pages = readablePages(source, root, path, onDamage);
      }
      const page = await this.#pages.next();
      if (page.done === true) this.#isPast = true;
      else if (this.#open(page.value)) return true;
    }
  }

  #open(page: ReadablePage): boolean {
    this.#firstPosition = page.firstPosition;
    this.#hasPage = this.#guarded(() => {
      this.#cursor.open(page.bytes);
      return true;
    });
    return this.#hasPage;
  }

  /** The rest of a page that turns out to be damaged is passed by. */
  #step(): boolean {
    return this.#guarded(() => this.#cursor.next());
  }

  #guarded(act: () => boolean): boolean {
    try {
      return act();
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#options.onDamage(this.#cursor.pathCopy(), error);
      return false;
    }
  }

  #isBelieved(): boolean {
    const { path, pathLength } = this.#cursor;
    const length = this.#previousLength;
    const isDirectory = this.kind === ENTRY_DIRECTORY;
    const order = length < 0 ? -1 : comparePaths(this.#previous, length, path, pathLength);
    let problem: string | undefined;
    if (order >= 0) problem = "it does not come after the entry before it";
    else if (!isEntryPath(path, pathLength)) problem = "its path is not one that an image may hold";
    else if (pathLength === 0 && !isDirectory) problem = "the root is not a directory";
    else if (!this.#previousIsDirectory && length >= 0 && isWithin(path, pathLength, this.#previous, length)) {
      problem = "it lies in something that is not a directory";
    }
    if (problem !== undefined) {
      const error = new HoldfastError("FORMAT_INVALID", { message: `Not restoring an entry: ${problem}` });
      this.#options.onDamage(this.#cursor.pathCopy(), error);
      return false;
    }
    const shared = length < 0 ? 0 : sharedLength(order, length);
    for (let at = shared; at < pathLength; at++) this.#previous[at] = path[at] as number;
    this.#previousLength = pathLength;
    this.#previousIsDirectory = isDirectory;
    return true;
  }
}

/** Whether the image holds `path` or something below it. */
export async function isInImage(source: PageSource, root: EntryTreeRoot, path: Uint8Array): Promise<boolean> {
  let failure: HoldfastError | undefined;
  const onDamage = (_: Uint8Array, error: HoldfastError): void => {
    failure ??= error;
  };
  const stream = new EntryStream({ source, root, wanted: [{ path, isSubtree: true }], onDamage });
  while (await stream.nextPage()) {
    if (stream.next()) return true;
  }
  if (failure === undefined) return false;
  throw new HoldfastError(failure.code, {
    message: `Cannot tell whether the image holds a selected path: ${messageOf(failure)}`,
    cause: failure,
    ...(failure.hint === undefined ? {} : { hint: failure.hint }),
  });
}
