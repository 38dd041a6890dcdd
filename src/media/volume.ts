// A volume is one medium: a directory, later a bucket prefix, a removable disk, a tape. It holds containers,
// named by the SHA-256 of their bytes, and the sealed records that make the volume readable by itself.
// Everything published is complete, durable and never changes afterwards.

import type { Brand } from "../base/brand.ts";
import type { OpenFile } from "../platform/files.ts";

/** 32 hexadecimal digits. */
export type VolumeId = Brand<string, "VolumeId">;

/** The SHA-256 of a container's bytes: 64 lower-case hexadecimal digits, so that `sha256sum` checks it. */
export type ContainerName = Brand<string, "ContainerName">;

/** Where sealed records lie. Names are the SHA-256 of the record's bytes, in hexadecimal. */
export type RecordArea = "images" | "annotations" | "checkpoints";

/** A container on its way: an ordinary file that gets its name when it is complete. */
export interface ContainerDraft {
  readonly file: OpenFile;
  /** Syncs, names and makes durable. When the promise resolves the container exists; publishing the same bytes twice is harmless. */
  publish(name: ContainerName): Promise<void>;
  /** Removes the draft; harmless after `publish`. */
  discard(): void;
}

export interface Volume {
  readonly id: VolumeId;
  readonly name: string;

  createContainer(): ContainerDraft;
  /**
   * Exactly `length` bytes at `offset`. Throws SEGMENT_MISSING when the container does not exist on this volume,
   * REPOSITORY_DAMAGED when it ends early, REPOSITORY_READ_FAILED on an input/output error.
   */
  readContainer(name: ContainerName, offset: number, length: number): Promise<Uint8Array>;
  /** Size in bytes, or undefined when this volume lacks the container. */
  containerSize(name: ContainerName): Promise<number | undefined>;
  /** All containers, complete or it throws; sorted. */
  listContainers(): Promise<readonly ContainerName[]>;
  /** The same with their sizes, which a disk tells one by one and a store in its list. */
  listContainerSizes(): Promise<ReadonlyMap<ContainerName, number>>;
  /** Removes those that are there, durably when the promise resolves; how many there were, and their bytes. */
  removeContainers(names: readonly ContainerName[]): Promise<{ readonly count: number; readonly bytes: number }>;

  /**
   * Publishes a record under its own hash; resolves with the name when it is durable. `fence` is called when the bytes lie in a
   * temporary file of the session and have no name yet: when it throws, they get none.
   */
  publishRecord(area: RecordArea, bytes: Uint8Array, fence?: () => void): Promise<string>;
  listRecords(area: RecordArea): Promise<readonly string[]>;
  /** The record's bytes, whose hash has been compared with the name (REPOSITORY_DAMAGED if it differs); undefined when missing. */
  readRecord(area: RecordArea, name: string): Promise<Uint8Array | undefined>;
  removeRecord(area: RecordArea, name: string): Promise<boolean>;
  /**
   * Moves a damaged container or record to where it is kept and never looked at again, durably. Resolves with the place it has
   * then; undefined when the volume lacks it.
   */
  setAside(area: RecordArea | "containers", name: string): Promise<string | undefined>;
}
