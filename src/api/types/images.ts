// Images, and what is in them, as lists show them.

import type { ImageHold } from "../../model/hold.ts";
import type { ImageRecord } from "../../model/image.ts";

export interface ImageFilter {
  readonly source?: string;
  readonly host?: string;
  readonly tag?: string;
}

export interface ImageSummary {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly record: ImageRecord;
  /** As they are now: the record's own, as changed later. */
  readonly tags: readonly string[];
  /** The hold that was set last, ended or not. */
  readonly hold?: ImageHold;
}

export type ListedKind = "directory" | "file" | "link" | "fifo" | "character-device" | "block-device";

/** One entry as listings show it. */
export interface ListedEntry {
  /** Absolute, for people. */
  readonly path: string;
  /** Absolute, exact. */
  readonly pathBytes: Uint8Array;
  readonly kind: ListedKind;
  readonly mode: number;
  readonly userId: number;
  readonly groupId: number;
  readonly userName: string | undefined;
  readonly groupName: string | undefined;
  readonly sizeBytes: number;
  readonly modifiedSeconds: number;
  readonly modifiedNanoseconds: number;
  readonly linkTarget: string | undefined;
  readonly hasHardLinks: boolean;
  readonly inode: string;
}

export type Difference =
  | { readonly kind: "added"; readonly entry: ListedEntry }
  | { readonly kind: "removed"; readonly entry: ListedEntry }
  | {
      readonly kind: "changed";
      readonly before: ListedEntry;
      readonly after: ListedEntry;
      /** What differs. */
      readonly changes: readonly ("kind" | "content" | "mode" | "owner" | "time" | "attributes" | "target")[];
    };
