// What the catalog room offers. The catalog answers quickly which images, volumes and trails exist, what was verified
// when, and what ran. Images, volumes and trails in it are derived from the repository and rebuilt from it whenever the
// file is missing, damaged or behind. Verification ages and the history of jobs live only here: losing them costs time
// (everything counts as never verified), never data.

import type { HoldfastError } from "../base/errors.ts";
import type { TrailRecord } from "../formats/trail-record.ts";
import type { ContainerName, VolumeId } from "../media/media.ts";
import type { ImageAnnotation, ImageFilter, ImageId, ImageRecord } from "../model/image.ts";

export { openCatalog } from "./open-catalog.ts";
export type { OpenCatalogOptions, OpenedCatalog } from "./open-catalog.ts";
export { bringUpToDate, rebuildCatalog } from "./reconcile.ts";
export type { CatalogChanges, CatalogSource } from "./reconcile.ts";

/** What a list of images shows. For everything else read the record. */
export interface CatalogImage {
  readonly id: ImageId;
  readonly source: string;
  readonly host: string;
  readonly user: string;
  readonly paths: readonly string[];
  /** Those that hold now. */
  readonly tags: readonly string[];
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly sequence?: number;
  readonly base: ImageId | null;
  readonly entryCount: number;
  readonly statistics: ImageRecord["statistics"];
  readonly unreadableCount: number;
  readonly skippedSocketCount: number;
  readonly changedWhileReadCount: number;
  readonly holdfastVersion: string;
}

export interface CatalogVolume {
  readonly id: VolumeId;
  readonly name: string;
  readonly mediaType: number;
  /** 0 when the medium alone decides. */
  readonly capacityBytes: number;
  readonly seenAtMs: number;
}

export type CheckResult = "intact" | "damaged" | "missing";

/** The latest verification of one container on one volume. */
export interface ContainerCheck {
  readonly volume: VolumeId;
  readonly container: ContainerName;
  readonly checkedAtMs: number;
  readonly result: CheckResult;
}

export interface NewJob {
  /** "backup", "restore", "verify", … */
  readonly kind: string;
  readonly startedAtMs: number;
  readonly host: string;
  readonly processId: number;
}

export interface JobOutcome {
  readonly finishedAtMs: number;
  readonly outcome: "done" | "partial" | "failed";
  readonly image?: ImageId;
  /** For people: a summary, or the error. */
  readonly detail: string;
}

/** Without an outcome the job is running, or was killed. */
export interface Job extends NewJob, Partial<JobOutcome> {
  readonly id: number;
}

export interface Catalog {
  /** "memory" when the file could not be used: everything works, and is forgotten with the process. */
  readonly place: "file" | "memory";
  /** Why it is in memory. */
  readonly reason: HoldfastError | undefined;

  /** Oldest first, equal starts by identifier. */
  images(filter?: ImageFilter): readonly CatalogImage[];
  imageIds(): readonly ImageId[];
  annotationNames(): readonly string[];
  /** Repeating any of these changes nothing. */
  putImages(images: readonly { readonly id: ImageId; readonly record: ImageRecord }[]): void;
  putAnnotations(annotations: readonly { readonly name: string; readonly annotation: ImageAnnotation }[]): void;
  removeImages(ids: readonly ImageId[]): void;
  removeAnnotations(names: readonly string[]): void;

  volumes(): readonly CatalogVolume[];
  putVolumes(volumes: readonly CatalogVolume[]): void;
  trails(): readonly TrailRecord[];
  putTrails(trails: readonly TrailRecord[]): void;

  recordChecks(checks: readonly ContainerCheck[]): void;
  /** The containers of a volume that were ever verified. */
  checks(volume: VolumeId): ReadonlyMap<ContainerName, ContainerCheck>;
  /** Forgets checks of containers that are gone. */
  removeChecks(volume: VolumeId, containers: readonly ContainerName[]): void;

  startJob(job: NewJob): number;
  finishJob(id: number, outcome: JobOutcome): void;
  /** Newest first. */
  jobs(limit?: number): readonly Job[];

  close(): void;
}
