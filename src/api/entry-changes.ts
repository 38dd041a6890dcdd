// What differs between two entries of one path. ctime, inode and birth time cannot be restored and are no differences;
// neither is what a backup notes for its successor.

import { equalBytes } from "../base/bytes.ts";
import { ENTRY_FILE } from "../formats/entry.ts";
import type { EntryAttribute, EntryBody } from "../formats/entry.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import type { Difference } from "./types.ts";

export type Change = Extract<Difference, { kind: "changed" }>["changes"][number];

/** In a fixed order; empty when the two are the same for whoever restores them. */
export function changesBetween(before: EntryBody, after: EntryBody): readonly Change[] {
  const changes: Change[] = [];
  const isSameKind = before.kind === after.kind;
  if (!isSameKind) changes.push("kind");
  // Something of another kind has other content anyhow; saying so adds nothing.
  if (isSameKind && before.kind === ENTRY_FILE && !isSameContent(before, after)) changes.push("content");
  if (isSameKind && !isSameTarget(before, after)) changes.push("target");
  if (before.mode !== after.mode) changes.push("mode");
  if (before.userId !== after.userId || before.groupId !== after.groupId) changes.push("owner");
  const [a, b] = [before.modified, after.modified];
  if (a.seconds !== b.seconds || a.nanoseconds !== b.nanoseconds) changes.push("time");
  if (!isSameAttributes(before, after)) changes.push("attributes");
  return changes;
}

/**
 * By references alone: the same bytes are cut the same way, so equal content has equal references, unless the file was
 * cut by another rule or its holes lie elsewhere; that counts as changed.
 */
export function isSameContent(before: EntryBody, after: EntryBody): boolean {
  if (before.sizeBytes !== after.sizeBytes) return false;
  const [a, b] = [before.segmentList, after.segmentList];
  if (a !== undefined || b !== undefined) {
    return a !== undefined && b !== undefined && a.level === b.level && equalBytes(a.fingerprint, b.fingerprint);
  }
  const [some, others] = [before.segments ?? [], after.segments ?? []];
  return some.length === others.length && some.every((reference, at) => isSameReference(reference, others[at]));
}

function isSameReference(a: SegmentReference | undefined, b: SegmentReference | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.length !== b.length) return false;
  if (a.kind === "hole" || b.kind === "hole") return a.kind === b.kind;
  return equalBytes(a.fingerprint, b.fingerprint);
}

/** Where a link leads to, which device a node stands for. */
function isSameTarget(before: EntryBody, after: EntryBody): boolean {
  const [a, b] = [before.linkTarget, after.linkTarget];
  if (a !== undefined && b !== undefined ? !equalBytes(a, b) : a !== b) return false;
  return before.node?.major === after.node?.major && before.node?.minor === after.node?.minor;
}

function isSameAttributes(before: EntryBody, after: EntryBody): boolean {
  if ((before.fileFlags ?? 0) !== (after.fileFlags ?? 0)) return false;
  if (!isSameReference(before.storedAttributes, after.storedAttributes)) return false;
  const [some, others] = [before.attributes ?? [], after.attributes ?? []];
  return some.length === others.length && some.every((attribute, at) => isSameAttribute(attribute, others[at]));
}

function isSameAttribute(a: EntryAttribute, b: EntryAttribute | undefined): boolean {
  return b !== undefined && equalBytes(a.name, b.name) && equalBytes(a.value, b.value);
}
