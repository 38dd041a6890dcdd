// Containers as objects of a store, under the names that they have in a directory. A container is written to a local file and
// put as a whole, under its own name: nothing refers to a container before it is there, so it needs no temporary name.

import { assert } from "../base/assert.ts";
import type { ObjectPlace, OpenFile, SpoolFile } from "../platform/files.ts";
import { listAll } from "../platform/object-store/object-store.ts";
import type { ObjectStore } from "../platform/object-store/object-store.ts";
import { containerEndsEarly, containerMissing, isContainerIn, shardOf } from "./container-store.ts";
import type { ContainerStore, VolumeNames } from "./container-store.ts";
import { closeQuietly } from "./publish.ts";
import type { ContainerDraft, ContainerName } from "./volume.ts";

/** Removals at once. A thousand one after the other would take minutes. */
const REMOVALS = 16;

export class ObjectContainers implements ContainerStore {
  readonly #place: ObjectPlace;
  readonly #store: ObjectStore;
  /** With a slash at its end. */
  readonly #prefix: string;
  readonly #volume: VolumeNames;

  constructor(place: ObjectPlace, directory: string, volume: VolumeNames) {
    this.#place = place;
    this.#store = place.store;
    this.#prefix = `${place.keyOf(directory)}/`;
    this.#volume = volume;
  }

  #keyOf(name: ContainerName): string {
    return `${this.#prefix}${shardOf(name)}/${name}`;
  }

  create(): ContainerDraft {
    return new ObjectContainerDraft(this.#store, this.#place.spool(), (name) => this.#keyOf(name));
  }

  async read(name: ContainerName, offset: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#store.getRange(this.#keyOf(name), { offset, length });
    if (bytes === undefined) throw containerMissing(name, this.#volume);
    if (bytes.length === length) return bytes;
    throw containerEndsEarly(name, this.#volume, { offset, length, count: bytes.length });
  }

  async size(name: ContainerName): Promise<number | undefined> {
    return (await this.#store.head(this.#keyOf(name)))?.sizeBytes;
  }

  async list(): Promise<readonly ContainerName[]> {
    return [...(await this.listSizes()).keys()].sort();
  }

  async listSizes(): Promise<ReadonlyMap<ContainerName, number>> {
    const sizes = new Map<ContainerName, number>();
    for (const { key, sizeBytes } of await listAll(this.#store, this.#prefix)) {
      const [shard = "", name = "", ...rest] = key.slice(this.#prefix.length).split("/");
      if (rest.length === 0 && shard.length === 2 && isContainerIn(shard, name)) sizes.set(name, sizeBytes);
    }
    return sizes;
  }

  async remove(names: readonly ContainerName[]): Promise<{ readonly count: number; readonly bytes: number }> {
    const keys = names.map((name) => this.#keyOf(name));
    let count = 0;
    let bytes = 0;
    const waiting = keys.values();
    const removeOthers = async (): Promise<void> => {
      for (const key of waiting) {
        const found = await this.#store.head(key);
        if (found === undefined) continue;
        await this.#store.remove(key);
        count++;
        bytes += found.sizeBytes;
      }
    };
    await Promise.all(Array.from({ length: REMOVALS }, removeOthers));
    return { count, bytes };
  }
}

class ObjectContainerDraft implements ContainerDraft {
  readonly file: OpenFile;
  readonly #store: ObjectStore;
  readonly #spool: SpoolFile;
  readonly #keyOf: (name: ContainerName) => string;
  #state: "writing" | "published" | "discarded" = "writing";

  constructor(store: ObjectStore, spool: SpoolFile, keyOf: (name: ContainerName) => string) {
    this.#store = store;
    this.#spool = spool;
    this.#keyOf = keyOf;
    this.file = spool.file;
  }

  async publish(name: ContainerName): Promise<void> {
    assert(this.#state === "writing", "a container draft is published once, and not after it was discarded");
    this.#state = "published";
    const content = { path: this.#spool.spoolPath, sizeBytes: this.file.sizeBytes() };
    try {
      const key = this.#keyOf(name);
      // Same name, same bytes: the other writer's object stays, unless its size shows that it is damaged.
      if (await this.#store.put(key, content, { sha256: name, onlyIfAbsent: true })) return;
      if ((await this.#store.head(key))?.sizeBytes !== content.sizeBytes) await this.#store.put(key, content, { sha256: name });
    } finally {
      this.#drop();
    }
  }

  discard(): void {
    if (this.#state !== "writing") return;
    this.#state = "discarded";
    this.#drop();
  }

  #drop(): void {
    closeQuietly(this.file);
    this.#spool.remove();
  }
}
