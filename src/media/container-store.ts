// Where the containers of a volume lie: in directories of a disk, or as objects of a store.

import { HoldfastError } from "../base/errors.ts";
import type { ContainerDraft, ContainerName, Volume } from "./volume.ts";

const HASH_PATTERN = /^[0-9a-f]{64}$/;

export interface ContainerStore {
  /** `temporaryName` is for what has to lie beside the others until it is complete. */
  create(temporaryName: string): ContainerDraft;
  /** Exactly these bytes, or it throws as `Volume.readContainer` does. */
  read(name: ContainerName, offset: number, length: number): Promise<Uint8Array>;
  size(name: ContainerName): Promise<number | undefined>;
  /** All, complete or it throws; sorted. */
  list(): Promise<readonly ContainerName[]>;
  listSizes(): Promise<ReadonlyMap<ContainerName, number>>;
  remove(names: readonly ContainerName[]): Promise<{ readonly count: number; readonly bytes: number }>;
}

/** For messages. */
export type VolumeNames = Pick<Volume, "id" | "name">;

/** By the first two digits of their names. */
export function shardOf(name: ContainerName): string {
  requireHash(name, "a container");
  return name.slice(0, 2);
}

/** Whether `name` is that of a container in the directory `shard`. */
export function isContainerIn(shard: string, name: string): name is ContainerName {
  return HASH_PATTERN.test(name) && name.startsWith(shard);
}

export function isHash(name: string): boolean {
  return HASH_PATTERN.test(name);
}

export function requireHash(name: string, what: string): void {
  if (HASH_PATTERN.test(name)) return;
  throw new HoldfastError("FORMAT_INVALID", {
    message: `Not the name of ${what}: "${name.slice(0, 80)}" (64 hexadecimal digits expected)`,
  });
}

export function containerMissing(container: ContainerName, volume: VolumeNames): HoldfastError {
  return new HoldfastError("SEGMENT_MISSING", {
    message: `Cannot read container ${container}: it is not on volume "${volume.name}"`,
    context: { container, volume: volume.id },
    hint: "Run `holdfast verify` to see which images need it.",
  });
}

export function containerEndsEarly(
  container: ContainerName,
  volume: VolumeNames,
  { offset, length, count }: { readonly offset: number; readonly length: number; readonly count: number },
): HoldfastError {
  return new HoldfastError("REPOSITORY_DAMAGED", {
    message: `Cannot read container ${container}: it ends at ${offset + count}, ${length} bytes were expected at ${offset}`,
    context: { container, volume: volume.id, offset, length },
    hint: "Run `holdfast verify` to see which images need it.",
  });
}
