// The library as a program sees it: plain data in, plain data out. The command line uses nothing else.

import type { BackupStatistics, SourceProblem } from "../model/backup-report.ts";
import type { ImageHold } from "../model/hold.ts";
import type { ImageRecord } from "../model/image.ts";
import type { RetentionRules } from "../model/retention.ts";
import type { OverwriteMode, RestoreOutcome, RestoreProblem, RestoreProgress } from "../restore/restore.ts";

export type { ImageHold } from "../model/hold.ts";
export type { RetentionRules } from "../model/retention.ts";
export type { OverwriteMode, RestoreOutcome, RestorePlan, RestoreProblem, RestoreProgress } from "../restore/restore.ts";

export type Compression = "off" | "fast" | "default" | "best";

/** Where the passphrase comes from; called only when a repository really has to be unlocked. */
export type PassphraseSource = () => Promise<string> | string;

export interface OpenOptions {
  /** A directory; later also `s3://…` and `https://…`. */
  readonly repository: string;
  readonly passphrase: PassphraseSource;
  /** Where track logs are kept; the platform's cache directory unless given. */
  readonly cacheDirectory?: string;
  /** Worker threads; as many as there are processors unless given. */
  readonly threads?: number;
  /** Start them while the passphrase becomes a key: for who is going to back up, restore or verify. Without it they start when needed. */
  readonly startThreads?: boolean;
  /** Hears of damage that is passed by, such as an image record that cannot be read. */
  readonly onNotice?: (notice: string) => void;
}

export interface CreateOptions extends OpenOptions {
  /** Label of the first key slot. */
  readonly keyLabel?: string;
}

export interface BackupOptions {
  /** Absolute or relative paths of files and directories. Text, or bytes for names that are not UTF-8. */
  readonly paths?: readonly (string | Uint8Array)[];
  /** More paths, as the bytes of lists; a path of a list may be missing. */
  readonly filesFrom?: readonly { readonly bytes: Uint8Array; readonly separator: "newline" | "zero" }[];
  /** Instead of paths: the output of this command becomes the content of one file. */
  readonly command?: { readonly arguments: readonly string[]; readonly fileName: string };
  /** What is protected; the host's name and the paths unless given. */
  readonly source?: string;
  readonly host?: string;
  readonly tags?: readonly string[];
  /** gitignore-style patterns, in order. */
  readonly exclude?: readonly string[];
  readonly excludeFiles?: readonly string[];
  readonly excludeCaches?: boolean;
  /** Directories that hold an entry of one of these names are skipped. */
  readonly excludeIfPresent?: readonly string[];
  readonly oneFileSystem?: boolean;
  readonly compression?: Compression;
  /**
   * Open every sealed block again and compare it with what was read before its container is written: what a fault of memory, processor or
   * library would spoil is noticed while the original is there. True unless given; docs/design/engine.md says what it costs.
   */
  readonly verifyBlocks?: boolean;
  /** Read every file whatever its attributes say. */
  readonly forceRescan?: boolean;
  /** The share of unchanged files to read all the same, 0 to 1. */
  readonly rescanFraction?: number;
  readonly ignoreInode?: boolean;
  readonly ignoreChangeTime?: boolean;
  /** Globs of files to be cut into segments of fixed size. */
  readonly fixedSegments?: readonly string[];
  /** How often to note how far it has come: after so many bytes read; 60 seconds do it too. 1 GiB unless given. */
  readonly checkpointBytes?: number;
  /** Walk and compare, store nothing. */
  readonly dryRun?: boolean;
  /** Shell commands run before and after; a failing `before` fails the backup, a failing `after` is reported. */
  readonly before?: string;
  readonly after?: string;
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly onProblem?: (problem: SourceProblem) => void;
  readonly onNotice?: (notice: string) => void;
  readonly signal?: AbortSignal;
}

export interface BackupProgress {
  readonly filesDone: number;
  readonly bytesDone: number;
  /** From the base image; undefined for a first backup. */
  readonly filesExpected: number | undefined;
  readonly bytesExpected: number | undefined;
  readonly currentPath: string;
}

export interface BackupReport {
  /** Undefined after a dry run. */
  readonly imageId: string | undefined;
  readonly source: string;
  readonly baseImageId: string | undefined;
  readonly statistics: BackupStatistics;
  /** New in the repository: before compression, and as stored including metadata. */
  readonly addedPlainBytes: number;
  readonly addedStoredBytes: number;
  readonly problems: readonly SourceProblem[];
  readonly problemCount: number;
  /** Paths of sockets, which are not stored; the first ones, all are counted in the statistics. */
  readonly skippedSockets: readonly string[];
  readonly notices: readonly string[];
  readonly durationMs: number;
  /** What went wrong with the command after the backup, if it did. */
  readonly afterFailure: string | undefined;
}

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

export interface RestoreOptions {
  readonly image: string;
  readonly filter?: ImageFilter;
  /** Absolute paths in the image; everything unless given. */
  readonly paths?: readonly (string | Uint8Array)[];
  /** Created when missing. Entries get their full paths below it; "/" restores in place. */
  readonly target: string;
  readonly overwrite?: OverwriteMode;
  /**
   * Remove what the image does not have from the directories that are restored, and directories with all that is in them where the
   * image has something else.
   */
  readonly delete?: boolean;
  /** With `delete`: also for an image that left things out on purpose or could not read some; else that is refused. */
  readonly deleteExcluded?: boolean;
  /** Read what was written and compare fingerprints. */
  readonly verify?: boolean;
  /** Look at the target and tell what would be done there, with the same rules, and change nothing. */
  readonly dryRun?: boolean;
  /** How owners are found: by number as stored (for root, unless given), by name on this machine, or not at all (for others). */
  readonly owners?: "number" | "name" | "none";
  readonly onProgress?: (progress: RestoreProgress) => void;
  readonly onProblem?: (problem: RestoreProblem) => void;
  readonly signal?: AbortSignal;
}

/** What was done; with `dryRun` what would be done, as far as a look at the target tells. */
export interface RestoreReport extends RestoreOutcome {
  readonly imageId: string;
  readonly durationMs: number;
}

/** Rules, or images by name; one of them must be given. */
export interface ForgetOptions {
  /** What to keep of each source; everything else goes. */
  readonly rules?: RetentionRules;
  /** The retention floor in milliseconds: no younger image is removed, by rules or by name. Counts as a rule. 0 unless given. */
  readonly keepWithinMs?: number;
  /** These images, each by id, unique beginning, or "latest". */
  readonly images?: readonly string[];
  /** Only these images are judged, and may go; with `images` it says among which "latest" is the latest. */
  readonly filter?: ImageFilter;
  /** IANA name of the time zone whose days, weeks and months count; that of this machine unless given. */
  readonly timeZone?: string;
  /** Decide, remove nothing. */
  readonly dryRun?: boolean;
}

export interface ForgetReport {
  readonly dryRun: boolean;
  /** By name. Without images that were not judged. */
  readonly sources: readonly ForgottenSource[];
  readonly kept: number;
  /** After a dry run: as many as would be. */
  readonly removed: number;
}

export interface ForgottenSource {
  readonly source: string;
  /** Oldest first. */
  readonly images: readonly ForgetDecision[];
}

export interface ForgetDecision {
  readonly id: string;
  /** When the image was committed: what rules count by. */
  readonly finishedAtMs: number;
  readonly keeps: boolean;
  /** Why, for people: "daily 2026-11-20", "held: audit", "no rule keeps it". */
  readonly reasons: readonly string[];
}

export interface VerifyOptions {
  /** Read this share of the data as well, 0 to 1; structure only when not given. */
  readonly readData?: number;
  readonly onProgress?: (progress: {
    readonly phase: "images" | "containers";
    readonly done: number;
    readonly total: number;
  }) => void;
  readonly signal?: AbortSignal;
}

export interface CompareOptions {
  /** Of the source, as they are now. */
  readonly paths: readonly (string | Uint8Array)[];
  /** The newest image that was made of all these paths, unless given. */
  readonly image?: string;
  readonly filter?: ImageFilter;
  /** Hears of every difference; the report holds the first thousand. */
  readonly onDifference?: (difference: SourceDifference) => void;
  readonly onProgress?: (progress: {
    readonly entriesDone: number;
    readonly bytesDone: number;
    readonly currentPath: string;
  }) => void;
  readonly signal?: AbortSignal;
}

export interface SourceDifference {
  /** At the source and not in the image, in the image and not at the source, different, or not to be read at the source. */
  readonly kind: "new" | "missing" | "changed" | "unreadable";
  readonly path: string;
  /** What differs; empty unless changed. */
  readonly changes: Extract<Difference, { kind: "changed" }>["changes"];
  /** The platform's code, of what is unreadable. */
  readonly code?: string;
}

export interface CompareReport {
  readonly imageId: string;
  readonly entries: number;
  readonly bytesRead: number;
  readonly newEntries: number;
  readonly missing: number;
  readonly changed: number;
  readonly unreadable: number;
  readonly differences: readonly SourceDifference[];
  readonly differenceCount: number;
  readonly durationMs: number;
}

/** One thing found wrong. */
export interface Damage {
  /** What is damaged: the name of a file of the repository, or an image. */
  readonly what: string;
  readonly problem: string;
  readonly code: string;
}

export interface VerifyReport {
  readonly images: number;
  readonly entries: number;
  readonly segments: number;
  readonly containersChecked: number;
  readonly containers: number;
  readonly bytesRead: number;
  readonly damages: readonly Damage[];
  /** What a first reading found and a second did not: no damage, but a sign of a faulty disk, cable or network. */
  readonly transients: readonly Damage[];
  readonly durationMs: number;
}

export interface PruneOptions {
  /** Say what would be done, and do nothing. */
  readonly dryRun?: boolean;
  /** The share of what is stored that may stay unused, 0 to 1; 0.05 unless given. 0 writes everything anew that is not needed as a whole. */
  readonly maxUnused?: number;
  /** Machines that are gone for good: their writers are not waited for, and could not commit any more. */
  readonly assumeDead?: readonly string[];
  /** So many segments are held in memory at a time, about 40 bytes each; more are looked at in several passes. 4 million unless given. */
  readonly segmentsInMemory?: number;
  readonly onProgress?: (progress: {
    readonly phase: "mark" | "count" | "rewrite" | "rescue" | "remove";
    readonly done: number;
    readonly total: number;
  }) => void;
  readonly onNotice?: (notice: string) => void;
  readonly signal?: AbortSignal;
}

export interface PruneReport {
  /**
   * "done": containers were removed. "nothing": there was nothing to remove. "planned": a dry run. "waiting": containers are condemned, and
   * are removed by the next run after the writers in `waitingFor` have ended.
   */
  readonly outcome: "done" | "nothing" | "planned" | "waiting";
  /** In containers, as counted before: all, what images need, and what stays unused. Zero when only an earlier collection was looked at. */
  readonly storedBytes: number;
  readonly liveBytes: number;
  readonly unusedBytes: number;
  /** Containers of which nothing was needed. */
  readonly deadContainers: number;
  readonly deadBytes: number;
  /** Containers whose needed part was written anew. */
  readonly rewrittenContainers: number;
  readonly rewrittenBytes: number;
  readonly writtenContainers: number;
  readonly writtenBytes: number;
  /** Segments that a backup had begun to use after they were condemned. */
  readonly rescuedSegments: number;
  /** What is really gone, an earlier collection that was finished now included; in a dry run, what would be. */
  readonly removedContainers: number;
  readonly removedBytes: number;
  /** An earlier collection was brought to its end. */
  readonly finishedEarlier: boolean;
  readonly waitingFor: readonly {
    readonly session: string;
    /** Undefined where the session cannot be read. */
    readonly host: string | undefined;
    readonly processId: number | undefined;
    readonly startedAtMs: number | undefined;
  }[];
  readonly durationMs: number;
}

export interface RebuildReport {
  readonly containers: number;
  readonly segments: number;
  readonly images: number;
  /** Containers whose directory cannot be read; what they hold is missing from the index. */
  readonly damaged: readonly { readonly container: string; readonly problem: string }[];
}

export interface RepairOptions {
  /** Look and report; change nothing. */
  readonly dryRun?: boolean;
  /** Another repository from which lost content is taken. It is only read. */
  readonly from?: Pick<OpenOptions, "repository" | "passphrase">;
  readonly onProgress?: (progress: {
    readonly phase: "containers" | "salvage" | "images";
    readonly done: number;
    readonly total: number;
  }) => void;
  /** Hears of every loss; the report holds the first thousand. */
  readonly onLoss?: (loss: ImageLoss) => void;
  readonly signal?: AbortSignal;
}

/** Something of an image that cannot be given back. */
export interface ImageLoss {
  readonly image: string;
  readonly source: string;
  readonly startedAtMs: number;
  /** "entries": the list of so many entries, the first of them at `path`, cannot be read. */
  readonly kind: "file" | "entries";
  readonly path: string;
  readonly entries: number;
  /** Of the file's content, stored nowhere; undefined when that is not known. */
  readonly bytes: number | undefined;
}

export interface RepairedContainer {
  readonly container: string;
  readonly volume: string;
  readonly problem: string;
  /** Segments that were stored again, those of which another whole copy existed, and those that cannot be read. */
  readonly savedSegments: number;
  readonly safeSegments: number;
  readonly lostSegments: number;
  /** False when not even what it held is known: neither its directory nor the index says it. */
  readonly isKnown: boolean;
  /** Where its file lies now; undefined in a dry run. */
  readonly setAside: string | undefined;
}

export interface RepairedRecord {
  /** The name of the file in the repository. */
  readonly what: string;
  readonly problem: string;
  readonly code: string;
  /** Where its file lies now; undefined in a dry run, and for what is left where it is. */
  readonly setAside: string | undefined;
}

export interface RepairReport {
  readonly isDryRun: boolean;
  /** All that were looked at, the damaged ones included. */
  readonly containers: number;
  readonly bytesRead: number;
  readonly damagedContainers: readonly RepairedContainer[];
  /** Containers that the index names and no volume has. */
  readonly missingContainers: readonly string[];
  /** Image records, annotations, checkpoints, trail records and key slots. */
  readonly damagedRecords: readonly RepairedRecord[];
  /** What was wrong with the index; undefined when nothing was. */
  readonly indexProblem: string | undefined;
  readonly savedSegments: number;
  readonly savedBytes: number;
  /** Taken from the other repository. */
  readonly takenSegments: number;
  readonly takenBytes: number;
  readonly images: number;
  /** Those of which everything is stored, after the repair. */
  readonly wholeImages: number;
  /** What is lost, image by image: the first thousand. Empty and unknown when `lossesKnown` is false. */
  readonly losses: readonly ImageLoss[];
  readonly lossCount: number;
  /** False in a dry run with an index that cannot be read: only a repair would tell. */
  readonly lossesKnown: boolean;
  readonly transients: readonly Damage[];
  readonly durationMs: number;
}

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
