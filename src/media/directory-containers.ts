// Containers in 256 directories by the first two digits of their names: containers/ab/abcdef…

import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Files, OpenFile } from "../platform/files.ts";
import { containerEndsEarly, containerMissing, isContainerIn, shardOf } from "./container-store.ts";
import type { ContainerStore, VolumeNames } from "./container-store.ts";
import { closeQuietly, moveIntoPlace, removeQuietly } from "./publish.ts";
import type { ContainerDraft, ContainerName } from "./volume.ts";

const SHARD_PATTERN = /^[0-9a-f]{2}$/;

/** The calls are synchronous inside: local files answer sooner than a promise would. */
export class DirectoryContainers implements ContainerStore {
  readonly #files: Files;
  readonly #directory: string;
  readonly #volume: VolumeNames;
  // Directories of containers that are known to be there, durably.
  readonly #shards = new Set<string>();

  constructor(files: Files, directory: string, volume: VolumeNames) {
    this.#files = files;
    this.#directory = directory;
    this.#volume = volume;
  }

  create(temporaryName: string): ContainerDraft {
    return new DirectoryContainerDraft(this.#files, `${this.#directory}/${temporaryName}`, (name) => this.#madeShard(name));
  }

  #madeShard(name: ContainerName): string {
    const shard = this.#shard(name);
    if (!this.#shards.has(shard)) {
      this.#files.makeDirectory(shard);
      // Another writer may have made it an instant ago and not have come to syncing its name.
      this.#files.syncDirectory(this.#directory);
      this.#shards.add(shard);
    }
    return shard;
  }

  #shard(name: ContainerName): string {
    return `${this.#directory}/${shardOf(name)}`;
  }

  async read(name: ContainerName, offset: number, length: number): Promise<Uint8Array> {
    const file = this.#files.open(`${this.#shard(name)}/${name}`);
    if (file === undefined) throw containerMissing(name, this.#volume);
    try {
      const bytes = new Uint8Array(length);
      const count = file.read(bytes, offset);
      if (count === length) return bytes;
      throw containerEndsEarly(name, this.#volume, { offset, length, count });
    } finally {
      file.close();
    }
  }

  async size(name: ContainerName): Promise<number | undefined> {
    return this.#files.information(`${this.#shard(name)}/${name}`)?.sizeBytes;
  }

  async list(): Promise<readonly ContainerName[]> {
    const containers: ContainerName[] = [];
    for (const shard of this.#require(this.#directory)) {
      if (!SHARD_PATTERN.test(shard)) continue;
      for (const name of this.#require(`${this.#directory}/${shard}`)) if (isContainerIn(shard, name)) containers.push(name);
    }
    return containers.sort();
  }

  async listSizes(): Promise<ReadonlyMap<ContainerName, number>> {
    const sizes = new Map<ContainerName, number>();
    for (const name of await this.list()) {
      const sizeBytes = await this.size(name);
      // Removed since it was listed.
      if (sizeBytes !== undefined) sizes.set(name, sizeBytes);
    }
    return sizes;
  }

  async remove(names: readonly ContainerName[]): Promise<{ readonly count: number; readonly bytes: number }> {
    const shards = new Set<string>();
    let count = 0;
    let bytes = 0;
    for (const name of names) {
      const shard = this.#shard(name);
      const sizeBytes = this.#files.information(`${shard}/${name}`)?.sizeBytes ?? 0;
      if (!this.#files.remove(`${shard}/${name}`)) continue;
      shards.add(shard);
      count++;
      bytes += sizeBytes;
    }
    for (const shard of shards) this.#files.syncDirectory(shard);
    return { count, bytes };
  }

  #require(directory: string): readonly string[] {
    return requireListed(this.#files, directory, this.#volume);
  }
}

/** A missing directory is not an empty one: someone may be about to delete what seems unreferenced. */
export function requireListed(files: Files, directory: string, volume: VolumeNames): readonly string[] {
  const names = files.list(directory);
  if (names !== undefined) return names;
  throw new HoldfastError("REPOSITORY_DAMAGED", {
    message: `Cannot list "${directory}": it is missing`,
    context: { path: directory, volume: volume.id },
    hint: "If the volume is mounted there, check the mount; else create the directory empty and run `holdfast verify`.",
  });
}

class DirectoryContainerDraft implements ContainerDraft {
  readonly file: OpenFile;
  readonly #files: Files;
  readonly #path: string;
  readonly #shardFor: (name: ContainerName) => string;
  #state: "writing" | "published" | "discarded" = "writing";

  constructor(files: Files, path: string, shardFor: (name: ContainerName) => string) {
    this.#files = files;
    this.#path = path;
    this.#shardFor = shardFor;
    this.file = files.create(path);
  }

  async publish(name: ContainerName): Promise<void> {
    assert(this.#state === "writing", "a container draft is published once, and not after it was discarded");
    try {
      const sizeBytes = this.file.sizeBytes();
      const shard = this.#shardFor(name);
      if (this.#files.information(`${shard}/${name}`)?.sizeBytes === sizeBytes) {
        // Same name, same bytes: the other writer's file stays. Its name may not be durable yet.
        this.discard();
        this.#files.syncDirectory(shard);
        return;
      }
      await this.file.sync();
      this.file.close();
      moveIntoPlace(this.#files, this.#path, shard, name);
      this.#state = "published";
    } catch (error) {
      // A failed sync says nothing about what reached the disk; the caller writes a new container or gives up.
      this.discard();
      throw error;
    }
  }

  discard(): void {
    if (this.#state !== "writing") return;
    this.#state = "discarded";
    closeQuietly(this.file);
    removeQuietly(this.#files, this.#path);
  }
}
