// Entries as people and programs see them.

import { isUtf8 } from "node:buffer";
import type { ListedEntry, ListedKind } from "../library.ts";
import { safePath, safeText } from "./safe-text.ts";
import { padEnd, padStart, widthOf } from "./text-width.ts";
import { formatBytes, formatTime, isoTimeNanoseconds } from "./units.ts";

const KIND_LETTERS: Readonly<Record<ListedKind, string>> = {
  directory: "d",
  file: "-",
  link: "l",
  fifo: "p",
  "character-device": "c",
  "block-device": "b",
};

/** drwxr-xr-x, as ls shows it. */
export function modeText(kind: ListedKind, mode: number): string {
  const bits = (shift: number, special: number, letter: string): string => {
    const part = (mode >> shift) & 7;
    const execute = (part & 1) !== 0;
    const last = (mode & special) === 0 ? (execute ? "x" : "-") : execute ? letter : letter.toUpperCase();
    return `${(part & 4) === 0 ? "-" : "r"}${(part & 2) === 0 ? "-" : "w"}${last}`;
  };
  return KIND_LETTERS[kind] + bits(6, 0o4000, "s") + bits(3, 0o2000, "s") + bits(0, 0o1000, "t");
}

/**
 * Lines like those of ls -l, made one after the other: columns become as wide as the widest so far, because waiting for the
 * widest of ten million entries would take all memory.
 */
export class EntryLines {
  #ownerColumns = 0;
  #groupColumns = 0;
  #sizeColumns = 9;

  lineOf(entry: ListedEntry): string {
    const owner = safeText(entry.userName ?? String(entry.userId));
    const group = safeText(entry.groupName ?? String(entry.groupId));
    const size = entry.kind === "file" ? formatBytes(entry.sizeBytes) : "";
    this.#ownerColumns = Math.max(this.#ownerColumns, widthOf(owner));
    this.#groupColumns = Math.max(this.#groupColumns, widthOf(group));
    this.#sizeColumns = Math.max(this.#sizeColumns, size.length);
    return [
      modeText(entry.kind, entry.mode),
      padEnd(owner, this.#ownerColumns),
      padEnd(group, this.#groupColumns),
      padStart(size, this.#sizeColumns),
      modifiedText(entry),
      entryName(entry),
    ].join("  ");
  }
}

/** The path, and for a link where it leads. */
export function entryName(entry: ListedEntry): string {
  const path = safePath(entry);
  return entry.linkTarget === undefined ? path : `${path} -> ${safeText(entry.linkTarget)}`;
}

function modifiedText({ modifiedSeconds }: ListedEntry): string {
  return formatTime(modifiedSeconds * 1000);
}

/** What `--json` says of an entry (docs/scripting.md). */
export function entryDocument(entry: ListedEntry) {
  return {
    path: entry.path,
    // The text alone would not lead back to such a name.
    pathBytes: isUtf8(entry.pathBytes) ? undefined : entry.pathBytes,
    kind: entry.kind,
    mode: entry.mode.toString(8).padStart(4, "0"),
    userId: entry.userId,
    groupId: entry.groupId,
    userName: entry.userName,
    groupName: entry.groupName,
    sizeBytes: entry.sizeBytes,
    modified: isoTimeNanoseconds(entry.modifiedSeconds, entry.modifiedNanoseconds),
    modifiedSeconds: entry.modifiedSeconds,
    linkTarget: entry.linkTarget,
    hasHardLinks: entry.hasHardLinks,
    inode: entry.inode,
  };
}
