// Entries as listings show them: plain values, with the names that the image's record has for owners and groups.

import { concatBytes, textOf } from "../base/bytes.ts";
import {
  ENTRY_BLOCK_DEVICE,
  ENTRY_CHARACTER_DEVICE,
  ENTRY_DIRECTORY,
  ENTRY_FIFO,
  ENTRY_FILE,
  ENTRY_SYMBOLIC_LINK,
} from "../formats/entry.ts";
import type { EntryBody, EntryKindCode } from "../formats/entry.ts";
import type { ImageRecord } from "../model/image.ts";
import { PATH_SEPARATOR } from "../model/path-order.ts";
import type { ListedEntry, ListedKind } from "./types.ts";

/** An entry as an image holds it. The path is absolute, without the leading "/"; byte fields may be views into a page. */
export interface RawEntry {
  readonly path: Uint8Array;
  readonly body: EntryBody;
}

export type OwnerNames = Pick<ImageRecord, "owners" | "groups">;

export const LISTED_KINDS: Readonly<Record<EntryKindCode, ListedKind>> = {
  [ENTRY_DIRECTORY]: "directory",
  [ENTRY_FILE]: "file",
  [ENTRY_SYMBOLIC_LINK]: "link",
  [ENTRY_FIFO]: "fifo",
  [ENTRY_CHARACTER_DEVICE]: "character-device",
  [ENTRY_BLOCK_DEVICE]: "block-device",
};

/** Shares no memory with the page that the entry came from. */
export function listedEntryOf({ path, body }: RawEntry, names: OwnerNames): ListedEntry {
  const pathBytes = absolutePathOf(path);
  return {
    path: textOf(pathBytes),
    pathBytes,
    kind: LISTED_KINDS[body.kind],
    mode: body.mode,
    userId: body.userId,
    groupId: body.groupId,
    userName: names.owners[body.userId],
    groupName: names.groups[body.groupId],
    sizeBytes: body.sizeBytes,
    modifiedSeconds: body.modified.seconds,
    modifiedNanoseconds: body.modified.nanoseconds,
    linkTarget: body.linkTarget === undefined ? undefined : textOf(body.linkTarget),
    hasHardLinks: body.hardLink !== undefined,
    inode: body.inode.toString(),
  };
}

const LEADING_SEPARATOR = Uint8Array.of(PATH_SEPARATOR);

/** With the leading "/" that paths of images do without. */
export function absolutePathOf(path: Uint8Array): Uint8Array {
  return concatBytes(LEADING_SEPARATOR, path);
}
