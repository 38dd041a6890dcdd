// What to do about an entry that is at the target already.

import { equalBytes } from "../base/bytes.ts";
import { ENTRY_BLOCK_DEVICE, ENTRY_CHARACTER_DEVICE, ENTRY_FILE, ENTRY_SYMBOLIC_LINK } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { FileTreeError, KIND_DIRECTORY } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import { isSameTime } from "./attributes.ts";
import type { AttributeSetter } from "./attributes.ts";
import { removeTree } from "./remove-tree.ts";
import { isTemporaryName } from "./run-settings.ts";
import type { RunSettings } from "./run-settings.ts";

/**
 * absent: nothing is there, or not any more. same: content is as it should be. keep: it stays whatever it is. replace: by
 * a new entry under a temporary name that is then renamed.
 */
export type Verdict = "absent" | "same" | "keep" | "replace";

/**
 * Judges what has the place of a restored entry that is no directory; removes a directory from it when that is allowed.
 * Throws TARGET_CONFLICT (as a FileTreeError) when it is not. `stat` holds what was found.
 */
export function judge(
  parts: { readonly tree: FileTree; readonly settings: RunSettings; readonly setter: AttributeSetter },
  directory: DirectoryHandle,
  name: Uint8Array,
  body: EntryBody,
  stat: StatBuffer,
): Verdict {
  const { tree, settings } = parts;
  if (!tree.statAt(directory, name, stat)) return "absent";
  if (settings.overwrite === "never") return "keep";
  if (stat.kind === KIND_DIRECTORY) {
    if (!settings.clearsTheWay) throw new FileTreeError("TARGET_CONFLICT", "replace directory");
    clearTheWay(tree, directory, name);
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

/** Removes whatever has that name. Throws what stops it. */
export function clearTheWay(tree: FileTree, directory: DirectoryHandle, name: Uint8Array): void {
  let failure: string | undefined;
  const onProblem = (_: Uint8Array, code: string): void => {
    failure ??= code;
  };
  removeTree({ tree, onProblem }, directory, name);
  if (failure !== undefined) throw new FileTreeError(failure, "remove what is in the way");
}

/** What restores that were killed have left behind in a directory that was there before this one. */
export function removeLeftovers(
  tree: FileTree,
  directory: DirectoryHandle,
  onProblem: (name: Uint8Array, code: string) => void,
): void {
  const listing = tree.listDirectory(directory);
  for (let position = 0; position < listing.count; position++) {
    const name = listing.name(position);
    if (isTemporaryName(name)) removeTree({ tree, onProblem }, directory, name);
  }
}
