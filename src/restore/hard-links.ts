// Which entries are names of one file. The first in the order of entries becomes the file, the others links to it. Only
// files are remembered of which further names may come.

import type { EntryBody } from "../formats/entry.ts";

interface Group {
  readonly firstPath: Uint8Array;
  /** How many names may still come. */
  remaining: number;
}

const NO_PATH = new Uint8Array(0);

export class LinkGroups {
  readonly #groups = new Map<string, Group>();
  readonly #keepsPaths: boolean;

  /** Without paths it only tells first names from others, in less memory. */
  constructor(keepsPaths: boolean) {
    this.#keepsPaths = keepsPaths;
  }

  /** For an entry, in the order of the image: the path of the first name of the same file; undefined when this is the first. */
  firstNameOf(body: EntryBody, path: () => Uint8Array): Uint8Array | undefined {
    const { hardLink, inode } = body;
    if (hardLink === undefined || hardLink.linkCount < 2) return undefined;
    const key = `${inode} ${hardLink.deviceMajor} ${hardLink.deviceMinor}`;
    const group = this.#groups.get(key);
    if (group === undefined) {
      this.#groups.set(key, { firstPath: this.#keepsPaths ? path() : NO_PATH, remaining: hardLink.linkCount - 1 });
      return undefined;
    }
    if (--group.remaining === 0) this.#groups.delete(key);
    return group.firstPath;
  }
}
