// The entries of one image: all of them, those of a subtree, or a directory as a listing shows it.

import { concatBytes, textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { EntryPageCursor } from "../formats/entry-page.ts";
import { ENTRY_DIRECTORY, ENTRY_SYMBOLIC_LINK, readEntryBody } from "../formats/entry.ts";
import { PATH_SEPARATOR, comparePaths, isWithin } from "../model/path-order.ts";
import type { EntryTreeRoot, PageSource } from "../repository/repository.ts";
import { treeRootOf } from "../server/server.ts";
import { LISTED_KINDS, absolutePathOf, listedEntryOf } from "./listed-entry.ts";
import type { RawEntry } from "./listed-entry.ts";
import { PageWalk } from "./page-walk.ts";
import type { ImageSummary, ListedEntry } from "./types.ts";

export interface EntriesOptions {
  /** Absolute, with or without the leading "/"; the root unless given. */
  readonly path?: string | Uint8Array;
  /** False: of a directory itself and what lies directly in it. */
  readonly recursive?: boolean;
}

/** Where the pages of images can be read. */
export interface PageReading {
  readonly reader: PageSource;
}

/** In path order, beginning with `path` itself. PATH_NOT_IN_IMAGE when the image has neither it nor anything below it. */
export async function* entriesOf(
  { reader }: PageReading,
  image: ImageSummary,
  options: EntriesOptions = {},
): AsyncGenerator<ListedEntry> {
  const path = imagePathOf(options.path);
  const root = treeRootOf(image.record.root);
  let isEmpty = true;
  for await (const entry of rawEntries(reader, root, { path, recursive: options.recursive ?? true })) {
    isEmpty = false;
    yield listedEntryOf(entry, image.record);
  }
  if (isEmpty) throw await pathNotInImage(reader, image, path);
}

/**
 * The path of an entry for a path as a person gives it: separated by single slashes, without one at either end. Names
 * "." say nothing and are left out; ".." is looked for as it stands, and no image has it.
 */
export function imagePathOf(given: string | Uint8Array | undefined): Uint8Array {
  if (given === undefined) return new Uint8Array(0);
  const bytes = typeof given === "string" ? utf8(given) : given;
  const path = new Uint8Array(bytes.length);
  let length = 0;
  let start = 0;
  for (let end = 0; end <= bytes.length; end++) {
    if (end < bytes.length && bytes[end] !== PATH_SEPARATOR) continue;
    const name = bytes.subarray(start, end);
    start = end + 1;
    if (name.length === 0 || (name.length === 1 && name[0] === DOT)) continue;
    if (length > 0) path[length++] = PATH_SEPARATOR;
    path.set(name, length);
    length += name.length;
  }
  return path.slice(0, length);
}

const DOT = 0x2e;

export interface RawEntriesOptions {
  /** As images have it: without the leading "/". */
  readonly path: Uint8Array;
  readonly recursive: boolean;
}

/**
 * The entry at `path` and those below it, in order, reading no page that cannot hold one of them. Not recursive: those
 * directly in it; where an entry is missing between `path` and one below it, the outermost one that is there.
 */
export async function* rawEntries(
  source: PageSource,
  root: EntryTreeRoot,
  { path: directory, recursive }: RawEntriesOptions,
): AsyncGenerator<RawEntry> {
  const walk = new PageWalk(source, root);
  const cursor = new EntryPageCursor();
  let from = directory;
  await walk.seek(from);
  while (walk.page !== undefined && !isBehind(walk.page.firstPath, directory)) {
    cursor.open(await walk.load());
    while (cursor.next()) {
      if (comparePaths(cursor.path, cursor.pathLength, from, from.length) < 0) continue;
      if (!isWithin(cursor.path, cursor.pathLength, directory, directory.length)) return;
      const path = cursor.pathCopy();
      if (!recursive && path.length > directory.length) from = behindSubtree(path);
      yield { path, body: readEntryBody(cursor.body()) };
    }
    walk.next();
    await walk.seek(from);
  }
}

/** Whether `path` sorts behind the subtree of `directory`. */
export function isBehind(path: Uint8Array, directory: Uint8Array): boolean {
  return (
    comparePaths(path, path.length, directory, directory.length) > 0 && !isWithin(path, path.length, directory, directory.length)
  );
}

/** Sorts behind all that lies below `path` and before whatever follows it: names hold no zero byte, and only "/" sorts lower. */
function behindSubtree(path: Uint8Array): Uint8Array {
  return concatBytes(path, Uint8Array.of(0));
}

/** What stands at `path`: its entry; undefined with `isImplied` when there is none but something lies below it. */
export async function lookUp(
  source: PageSource,
  root: EntryTreeRoot,
  path: Uint8Array,
): Promise<{ readonly entry: RawEntry | undefined; readonly isImplied: boolean }> {
  for await (const entry of rawEntries(source, root, { path, recursive: true })) {
    return entry.path.length === path.length ? { entry, isImplied: false } : { entry: undefined, isImplied: true };
  }
  return { entry: undefined, isImplied: false };
}

/** PATH_NOT_IN_IMAGE, saying how far the path leads. */
export async function pathNotInImage(source: PageSource, image: ImageSummary, path: Uint8Array): Promise<HoldfastError> {
  const root = treeRootOf(image.record.root);
  const id = image.id.slice(0, 8);
  const shown = textOf(absolutePathOf(path));
  return new HoldfastError("PATH_NOT_IN_IMAGE", {
    message: `Image ${id} holds no "${shown}"`,
    context: { image: image.id, path: shown },
    hint: await nearestParentHint(source, root, path, id),
  });
}

async function nearestParentHint(source: PageSource, root: EntryTreeRoot, path: Uint8Array, id: string): Promise<string> {
  for (let parent = parentOf(path); parent !== undefined; parent = parentOf(parent)) {
    const { entry, isImplied } = await lookUp(source, root, parent);
    if (entry === undefined && !isImplied) continue;
    const shown = textOf(absolutePathOf(parent));
    if (entry === undefined || entry.body.kind === ENTRY_DIRECTORY) {
      return `The nearest directory that it holds is "${shown}"; \`holdfast ls ${id} ${shown}\` shows what is in it.`;
    }
    const { kind, linkTarget } = entry.body;
    return kind === ENTRY_SYMBOLIC_LINK && linkTarget !== undefined
      ? `It holds "${shown}", a symbolic link to "${textOf(linkTarget)}"; look there.`
      : `It holds "${shown}", which is not a directory (${LISTED_KINDS[kind]}).`;
  }
  return `\`holdfast ls ${id}\` shows what it holds.`;
}

/** Undefined for the root. */
function parentOf(path: Uint8Array): Uint8Array | undefined {
  return path.length === 0 ? undefined : path.subarray(0, Math.max(path.lastIndexOf(PATH_SEPARATOR), 0));
}
