// What to do about an entry that is at the target already.

import { equalBytes } from "../base/bytes.ts";
import { ENTRY_BLOCK_DEVICE, ENTRY_CHARACTER_DEVICE, ENTRY_FILE, ENTRY_SYMBOLIC_LINK } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { FileTreeError, KIND_DIRECTORY } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import { isSameTime } from "./attributes.ts";
import type { AttributeSetter } from "./attributes.ts";
import type { DirectoryPath } from "./directory-path.ts";
import { removeTree } from "./remove-tree.ts";
import { isTemporaryName } from "./run-settings.ts";
import type { RunSettings } from "./run-settings.ts";

/**
 * absent: nothing is there, or not any more. same: content is as it should be. keep: it stays whatever it is. replace: by
 * a new entry under a temporary name that is then renamed.
 */
export type Verdict = "absent" | "same" | "keep" | "replace";

export interface WayParts {
  readonly tree: FileTree;
  readonly settings: RunSettings;
  /** Hears of each entry that had to give way; the path is that below the directory worked in. */
  readonly onRemoved: (path: Uint8Array) => void;
}

/**
 * Judges what has the place of a restored entry that is no directory; removes a directory from it when that is allowed.
 * Throws TARGET_CONFLICT (as a FileTreeError) when it is not. `stat` holds what was found.
 */
export function judge(
  parts: WayParts & { readonly setter: AttributeSetter },
  directory: DirectoryHandle,
  name: Uint8Array,
  body: EntryBody,
  stat: StatBuffer,
): Verdict {
  const { tree, settings } = parts;
  if (!tree.statAt(directory, name, stat)) return "absent";
  if (settings.overwrite === "never") return "keep";
  if (stat.kind === KIND_DIRECTORY) {
    replaceDirectory(parts, directory, name);
    return "absent";
  }
  if (settings.overwrite === "always") return "replace";
  return isSame(parts, directory, name, body, stat) ? "same" : "replace";
}

function isSame(
  { tree, setter }: { readonly tree: FileTree; readonly setter: AttributeSetter },
  directory: DirectoryHandle,
  name: Uint8Array,
  body: EntryBody,
  stat: StatBuffer,
): boolean {
  // Kinds of entries and of the file tree have equal numbers.
  if (stat.kind !== body.kind || !isSameTime(stat, body.modified, tree.capabilities.nanosecondTimes)) return false;
  if (body.kind === ENTRY_FILE) return stat.sizeBytes === body.sizeBytes;
  if (setter.changesOwner(body, stat)) return false;
  if (body.kind === ENTRY_SYMBOLIC_LINK)
    return equalBytes(tree.readLinkAt(directory, name), body.linkTarget ?? new Uint8Array(0));
  if (stat.mode !== body.mode) return false;
  if (body.kind !== ENTRY_CHARACTER_DEVICE && body.kind !== ENTRY_BLOCK_DEVICE) return true;
  return stat.nodeMajor === body.node?.major && stat.nodeMinor === body.node.minor;
}

/**
 * Removes a directory where something else belongs: an empty one gives way as any entry does, others only when whole trees may
 * go. Throws TARGET_CONFLICT (as a FileTreeError) when they may not. Not for runs that never overwrite.
 */
export function replaceDirectory(parts: WayParts, directory: DirectoryHandle, name: Uint8Array): void {
  if (!parts.settings.removesTrees && !isEmpty(parts.tree, directory, name))
    throw new FileTreeError("TARGET_CONFLICT", "replace directory");
  clearTheWay(parts, directory, name);
}

/**
 * Removes what is no directory from where one belongs. A link may be there on purpose and lead to what was there, so
 * the size and time that decide about files say nothing here. Throws TARGET_CONFLICT (as a FileTreeError) when it stays.
 */
export function replaceByDirectory(parts: WayParts, directory: DirectoryHandle, name: Uint8Array): void {
  if (!givesWayToDirectory(parts.settings)) throw new FileTreeError("TARGET_CONFLICT", "make directory");
  clearTheWay(parts, directory, name);
}

function givesWayToDirectory({ overwrite, removesTrees }: RunSettings): boolean {
  return overwrite === "always" || removesTrees;
}

/** The directory at the target; in a dry run undefined where the restore would have made it by now. Throws as `ways.open` does. */
export function openUnlessPlanned(
  ways: DirectoryPath<unknown>,
  settings: RunSettings,
  path: Uint8Array,
  length: number,
): DirectoryHandle | undefined {
  try {
    return ways.open(path, length);
  } catch (error) {
    if (!settings.isDryRun || !(error instanceof FileTreeError)) throw error;
    const isReplaced = (error.code === "ENOTDIR" || error.code === "ELOOP") && givesWayToDirectory(settings);
    if (error.code === "ENOENT" || isReplaced) return undefined;
    throw error;
  }
}

function isEmpty(tree: FileTree, directory: DirectoryHandle, name: Uint8Array): boolean {
  const handle = tree.openDirectoryAt(directory, name);
  try {
    return tree.listDirectory(handle).count === 0;
  } finally {
    tree.close(handle);
  }
}

/** Throws what stops it. */
function clearTheWay({ tree, settings, onRemoved }: WayParts, directory: DirectoryHandle, name: Uint8Array): void {
  let failure: string | undefined;
  const onProblem = (_: Uint8Array, code: string): void => {
    failure ??= code;
  };
  removeTree({ tree, isDryRun: settings.isDryRun, onRemoved, onProblem }, directory, name);
  if (failure !== undefined) throw new FileTreeError(failure, "remove what is in the way");
}

/** What restores that were killed have left behind in a directory that was there before this one. */
export function removeLeftovers(
  tree: FileTree,
  directory: DirectoryHandle,
  onProblem: (name: Uint8Array, code: string) => void,
): void {
  // Of the program's own, so nobody misses it.
  const onRemoved = (): void => undefined;
  const listing = tree.listDirectory(directory);
  for (let position = 0; position < listing.count; position++) {
    const name = listing.name(position);
    if (isTemporaryName(name)) removeTree({ tree, isDryRun: false, onRemoved, onProblem }, directory, name);
  }
}
