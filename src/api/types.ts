// The library as a program sees it: plain data in, plain data out. The command line uses nothing else.

import type { RequestCounts } from "../platform/object-store/object-store.ts";
import type { ImageHold } from "../model/hold.ts";
import type { BackupOptions, BackupReport } from "./types/backup.ts";
import type { ForgetOptions, ForgetReport } from "./types/forget.ts";
import type { Difference, ImageFilter, ImageSummary, ListedEntry } from "./types/images.ts";
import type { PruneOptions, PruneReport } from "./types/prune.ts";
import type { RebuildReport, RepairOptions, RepairReport } from "./types/repair.ts";
import type { RestoreOptions, RestoreReport } from "./types/restore.ts";
import type { CompareOptions, CompareReport, VerifyOptions, VerifyReport } from "./types/verify.ts";

export type { ImageHold } from "../model/hold.ts";
export type { RequestCounts } from "../platform/object-store/object-store.ts";
export type { RetentionRules } from "../model/retention.ts";
export type { OverwriteMode, RestoreOutcome, RestorePlan, RestoreProblem, RestoreProgress } from "../restore/restore.ts";
export type * from "./types/opening.ts";
export type * from "./types/backup.ts";
export type * from "./types/images.ts";
export type * from "./types/restore.ts";
export type * from "./types/forget.ts";
export type * from "./types/prune.ts";
export type * from "./types/verify.ts";
export type * from "./types/repair.ts";
export type * from "./types/serving.ts";

export interface RepositoryStatistics {
  readonly images: number;
  readonly sources: number;
  readonly containers: number;
  readonly containerBytes: number;
  /** Of those, what a collection has condemned and could not remove yet. Undefined when nobody can tell: its records cannot be read. */
  readonly condemned: { readonly containers: number; readonly bytes: number } | undefined;
  readonly segments: number;
  readonly indexRuns: number;
  readonly indexBytes: number;
  /** The file that is given up when the disk is full; 0 when there is none. */
  readonly reserveBytes: number;
  /** What this run has asked an object store so far, in its main thread. Undefined for a repository in a directory. */
  readonly requests: RequestCounts | undefined;
  /** Sum over images of the bytes of their files: what restoring every image would write. */
  readonly logicalBytes: number;
}

export interface KeySlotSummary {
  readonly id: string;
  readonly label: string;
  readonly createdAtMs: number;
  /** Whether this slot opened the repository now. */
  readonly isCurrent: boolean;
}

export interface Repository extends AsyncDisposable {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly location: string;
  /** Damage that did not prevent opening: key slots, trails, other volumes. */
  readonly problems: readonly Error[];

  backup(options: BackupOptions): Promise<BackupReport>;
  /** Oldest first. */
  images(filter?: ImageFilter): Promise<readonly ImageSummary[]>;
  /** By id, unique prefix, or "latest". IMAGE_UNKNOWN, IMAGE_AMBIGUOUS. */
  image(reference: string, filter?: ImageFilter): Promise<ImageSummary>;
  /** In path order; from a directory its whole subtree unless `recursive` is false. PATH_NOT_IN_IMAGE. */
  entries(
    image: string,
    options?: { readonly path?: string | Uint8Array; readonly recursive?: boolean; readonly filter?: ImageFilter },
  ): AsyncIterable<ListedEntry>;
  /** Entries of all images whose name or path matches the glob; each distinct page is read once. */
  find(
    pattern: string,
    options?: { readonly filter?: ImageFilter; readonly ignoreCase?: boolean },
  ): AsyncIterable<{ readonly imageIds: readonly string[]; readonly entry: ListedEntry }>;
  diff(before: string, after: string, options?: { readonly path?: string | Uint8Array }): AsyncIterable<Difference>;
  /** A file's bytes, or a directory as a pax tar stream. */
  dump(image: string, path: string | Uint8Array, options?: { readonly filter?: ImageFilter }): AsyncIterable<Uint8Array>;
  restore(options: RestoreOptions): Promise<RestoreReport>;
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  /** Compares an image with the tree it was made of, as that is now: attributes, links, and content by reading it. */
  compareWithSource(options: CompareOptions): Promise<CompareReport>;
  statistics(): Promise<RepositoryStatistics>;
  /** Changes tags of an image; returns those it has then. */
  tag(
    image: string,
    change: { readonly add?: readonly string[]; readonly remove?: readonly string[]; readonly set?: readonly string[] },
  ): Promise<readonly string[]>;
  /** Removes what no image needs, while backups go on. Throws, and removes nothing, when anything is missing or cannot be read. */
  prune(options?: PruneOptions): Promise<PruneReport>;
  /** Protects an image from `forget` in place of any earlier hold; with undefined it is protected no more. */
  hold(image: string, hold: ImageHold | undefined): Promise<void>;
  /**
   * Removes images: only their records, which is quick. What they alone refer to stays until the space is reclaimed. IMAGE_HELD,
   * RETENTION_REFUSED when it would remove what is protected, or every image of a source by rules; then nothing is removed.
   */
  forget(options: ForgetOptions): Promise<ForgetReport>;
  /**
   * Saves what can be read of damaged containers, sets those aside, makes index and catalog anew and tells what is lost. Nothing is
   * deleted. May be interrupted and repeated.
   */
  repair(options?: RepairOptions): Promise<RepairReport>;
  rebuildIndex(onProgress?: (done: number, total: number) => void): Promise<RebuildReport>;
  /** For the curious: a stored thing as JSON-ready data. */
  inspect(what: { readonly kind: "image" | "container" | "page" | "repository" | "key"; readonly id?: string }): Promise<unknown>;

  keySlots(): Promise<readonly KeySlotSummary[]>;
  addKeySlot(passphrase: string, label: string): Promise<KeySlotSummary>;
  removeKeySlot(id: string): Promise<void>;
  /** Replaces the slot that opened the repository; the old one goes only after the new one has been proved. */
  changePassphrase(passphrase: string): Promise<KeySlotSummary>;

  close(): Promise<void>;
}
