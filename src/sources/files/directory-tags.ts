// Directories that say of themselves that they need no backup: by a cache directory tag
// (https://bford.info/cachedir/) or by holding an entry of a chosen name. The directory and the tag stay, so that a
// restored cache is marked again; the rest is left out.

import { compareBytes, utf8 } from "../../base/bytes.ts";
import type { DirectoryHandle, DirectoryListing, FileTree } from "../../platform/file-tree.ts";
import { KIND_FILE, KIND_UNKNOWN, type EntryKind } from "../../platform/file-tree.ts";
import { codeOfEntryFailure } from "./walk-report.ts";

const CACHE_TAG = utf8("CACHEDIR.TAG");
const CACHE_SIGNATURE = utf8("Signature: 8a477f597d28d172789f06886806bc55");

export interface TagRules {
  readonly excludeCaches: boolean;
  readonly excludeIfPresent: readonly Uint8Array[];
}

/** The listing, or only the tags in it when the directory carries any. */
export function withoutTagged(
  tree: FileTree,
  directory: DirectoryHandle,
  listing: DirectoryListing,
  rules: TagRules,
): DirectoryListing {
  const tags: number[] = [];
  if (rules.excludeCaches) {
    const position = positionOf(listing, CACHE_TAG);
    if (position >= 0 && isCacheTag(tree, directory, listing.kind(position))) tags.push(position);
  }
  for (const name of rules.excludeIfPresent) {
    const position = positionOf(listing, name);
    if (position >= 0 && !tags.includes(position)) tags.push(position);
  }
  return tags.length === 0
    ? listing
    : new PartialListing(
        listing,
        tags.sort((a, b) => a - b),
      );
}

class PartialListing implements DirectoryListing {
  readonly #whole: DirectoryListing;
  readonly #positions: readonly number[];

  constructor(whole: DirectoryListing, positions: readonly number[]) {
    this.#whole = whole;
    this.#positions = positions;
  }
  get count(): number {
    return this.#positions.length;
  }
  name(position: number): Uint8Array {
    return this.#whole.name(this.#positions[position]!);
  }
  kind(position: number): EntryKind {
    return this.#whole.kind(this.#positions[position]!);
  }
}

/** Where `name` stands in a sorted listing, or -1. */
function positionOf(listing: DirectoryListing, name: Uint8Array): number {
  let low = 0;
  let high = listing.count - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const order = compareBytes(listing.name(middle), name);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** A tag counts only with its signature, and only as a regular file: anybody may call a file by that name. */
function isCacheTag(tree: FileTree, directory: DirectoryHandle, kind: EntryKind): boolean {
  if (kind !== KIND_FILE && kind !== KIND_UNKNOWN) return false;
  try {
    const handle = tree.openFileAt(directory, CACHE_TAG);
    try {
      const start = new Uint8Array(CACHE_SIGNATURE.length);
      return tree.read(handle, start, 0) === start.length && compareBytes(start, CACHE_SIGNATURE) === 0;
    } finally {
      tree.close(handle);
    }
  } catch (error) {
    // A tag that cannot be read is no tag: the directory is backed up rather than left out.
    codeOfEntryFailure(error);
    return false;
  }
}
