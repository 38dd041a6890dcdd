// From what the file tree says of an entry to the body that an image keeps, and back to the question whether
// the two still agree.

import type { EpochMs } from "../platform/clock.ts";
import type { EntryAttribute, EntryBody, EntryKindCode } from "../formats/entry.ts";
import { PART_RECHECK } from "../formats/entry.ts";
import type { EntryPageCursor } from "../formats/entry-page.ts";
import { KIND_BLOCK_DEVICE, KIND_CHARACTER_DEVICE, KIND_DIRECTORY, KIND_FILE } from "../platform/file-tree.ts";
import type { StatBuffer } from "../platform/file-tree.ts";

/**
 * A change this soon before the reading may be followed by another with the same time stamp: kernels stamp with
 * the resolution of their timer, and old file systems keep whole or even pairs of seconds.
 */
const TIMESTAMP_GRAIN_MS = 2_000;

/** `now` is a time before anything of the entry was looked at. The body is without content, attributes and link target. The kinds of `StatBuffer` and of entries have equal numbers; sockets never get here. */
export function entryBodyOf(stat: StatBuffer, now: EpochMs): EntryBody {
  const body: { -readonly [K in keyof EntryBody]: EntryBody[K] } = {
    kind: stat.kind as EntryKindCode,
    mode: stat.mode,
    userId: stat.userId,
    groupId: stat.groupId,
    modified: { seconds: stat.modifiedSeconds, nanoseconds: stat.modifiedNanoseconds },
    changed: { seconds: stat.changedSeconds, nanoseconds: stat.changedNanoseconds },
    inode: (BigInt(stat.inodeHigh) << 32n) | BigInt(stat.inodeLow),
    sizeBytes: stat.kind === KIND_FILE ? stat.sizeBytes : 0,
    recheck: stat.kind === KIND_FILE && isTooRecent(stat, now),
    changedWhileRead: false,
  };
  if (stat.hasBirthTime) body.birth = { seconds: stat.birthSeconds, nanoseconds: stat.birthNanoseconds };
  if (stat.kind !== KIND_DIRECTORY && stat.linkCount > 1) {
    body.hardLink = { deviceMajor: stat.deviceMajor, deviceMinor: stat.deviceMinor, linkCount: stat.linkCount };
  }
  if (stat.fileFlags !== 0) body.fileFlags = stat.fileFlags;
  if (stat.kind === KIND_CHARACTER_DEVICE || stat.kind === KIND_BLOCK_DEVICE) {
    body.node = { major: stat.nodeMajor, minor: stat.nodeMinor };
  }
  return body;
}

/** A time in the future counts as too recent as well: the clocks disagree, so the stamp proves nothing. */
function isTooRecent(stat: StatBuffer, now: EpochMs): boolean {
  const horizon = now - TIMESTAMP_GRAIN_MS;
  return stat.changedSeconds * 1000 + stat.changedNanoseconds / 1e6 > horizon;
}

/** Which attributes of an unchanged file have to agree besides its size and modification time. */
export interface ChangeRules {
  readonly ignoreInode: boolean;
  readonly ignoreChangeTime: boolean;
}

/** "unsure": nothing differs, but the image's own times were too recent to rely on. */
export type Comparison = "unchanged" | "unsure" | "changed";

/**
 * Whether the entry under the cursor is still what `stat` describes. Reads bytes 0 to 55 of the body in place
 * (docs/formats/entry-page.md): this runs once for every entry of every backup.
 */
export function compareEntry(stat: StatBuffer, cursor: EntryPageCursor, view: DataView, rules: ChangeRules): Comparison {
  if (!isSame(stat, cursor.bodyOffset, view, rules)) return "changed";
  return (view.getUint32(cursor.bodyOffset + 4, true) & PART_RECHECK) === 0 ? "unchanged" : "unsure";
}

function isSame(stat: StatBuffer, at: number, view: DataView, rules: ChangeRules): boolean {
  if (view.getUint8(at) !== stat.kind) return false;
  if (view.getUint16(at + 2, true) !== stat.mode) return false;
  if (view.getUint32(at + 8, true) !== stat.userId || view.getUint32(at + 12, true) !== stat.groupId) return false;
  if (view.getUint32(at + 24, true) !== stat.modifiedNanoseconds) return false;
  if (signed64(view, at + 16) !== stat.modifiedSeconds) return false;
  if (!rules.ignoreChangeTime) {
    if (view.getUint32(at + 28, true) !== stat.changedNanoseconds) return false;
    if (signed64(view, at + 32) !== stat.changedSeconds) return false;
  }
  if (!rules.ignoreInode) {
    if (view.getUint32(at + 40, true) !== stat.inodeLow || view.getUint32(at + 44, true) !== stat.inodeHigh) return false;
  }
  const sizeBytes = stat.kind === KIND_FILE ? stat.sizeBytes : 0;
  return view.getUint32(at + 52, true) * 0x1_0000_0000 + view.getUint32(at + 48, true) === sizeBytes;
}

function signed64(view: DataView, offset: number): number {
  return view.getInt32(offset + 4, true) * 0x1_0000_0000 + view.getUint32(offset, true);
}

/** Bytes the attributes take in an entry. */
export function attributesSize(attributes: readonly EntryAttribute[]): number {
  let size = 2;
  for (const { name, value } of attributes) size += 6 + name.length + value.length;
  return size;
}
