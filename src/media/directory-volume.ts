// A volume in a directory (docs/formats/volume.md):
//   label                        which volume of which repository this is
//   containers/ab/abcdef…        containers, in 256 directories by the first two digits
//   images/ annotations/ checkpoints/    sealed records
//   damaged/containers/ damaged/images/ …    what a repair has set aside
// Any program that can copy files can copy such a volume, and `sha256sum` can check it.

import { createHash } from "node:crypto";
import { assert } from "../base/assert.ts";
import { hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { SEALED_RECORD_LIMIT } from "../formats/sealed-record.ts";
import { MEDIA_DIRECTORY, VOLUME_LABEL_BYTES, decodeVolumeLabel, encodeVolumeLabel } from "../formats/volume-label.ts";
import type { VolumeLabel } from "../formats/volume-label.ts";
import type { Files, OpenFile } from "../platform/files.ts";
import { closeQuietly, moveIntoPlace, publishByContent, publishExclusively, removeQuietly, setAsideFile } from "./publish.ts";
import type { TemporaryNames } from "./publish.ts";
import type { ContainerDraft, ContainerName, RecordArea, Volume, VolumeId } from "./volume.ts";

const RECORD_AREAS: readonly RecordArea[] = ["images", "annotations", "checkpoints"];
const HASH_PATTERN = /^[0-9a-f]{64}$/;
const SHARD_PATTERN = /^[0-9a-f]{2}$/;

export interface CreateDirectoryVolumeOptions {
  readonly files: Files;
  readonly path: string;
  /** 16 random bytes. */
  readonly id: Uint8Array;
  readonly repositoryId: Uint8Array;
  readonly createdAtMs: number;
  readonly name: string;
  readonly temporaryNames: TemporaryNames;
}

/** Makes the directories and, last, the label: without a label there is no volume. False when a label is there already. */
export async function createDirectoryVolume(options: CreateDirectoryVolumeOptions): Promise<boolean> {
  const { files, path, id, repositoryId, createdAtMs, name } = options;
  for (const directory of directoriesOf(path)) files.makeDirectory(directory);
  // An interrupted attempt may have made some of them and not have come to syncing their names.
  files.syncDirectory(path.slice(0, path.lastIndexOf("/")) || "/");
  files.syncDirectory(path);
  const label = encodeVolumeLabel({ mediaType: MEDIA_DIRECTORY, id, repositoryId, createdAtMs, capacityBytes: 0, name });
  return publishExclusively({ files, directory: path, name: "label", temporaryNames: options.temporaryNames }, label);
}

/** The directories of a volume in which files, temporary ones too, may lie; the directories of containers excepted. */
export function directoriesOf(volumePath: string): readonly string[] {
  return [volumePath, ...["containers", ...RECORD_AREAS].map((area) => `${volumePath}/${area}`)];
}

export interface OpenDirectoryVolumeOptions {
  readonly files: Files;
  readonly path: string;
  /** The volume must belong to this repository. */
  readonly repositoryId: Uint8Array;
  /** When given, it must be this volume. */
  readonly id?: VolumeId;
  /** Needed for writing. */
  readonly temporaryNames?: TemporaryNames;
}

/**
 * Reads the label and compares it; nothing else is read, nothing is written. VOLUME_UNAVAILABLE without a label,
 * VOLUME_LABEL_MISMATCH when it is another volume, FORMAT_… when the label is damaged.
 */
export function openDirectoryVolume(options: OpenDirectoryVolumeOptions): DirectoryVolume {
  const { path } = options;
  const bytes = options.files.read(`${path}/label`, VOLUME_LABEL_BYTES * 2);
  if (bytes === undefined) {
    throw new HoldfastError("VOLUME_UNAVAILABLE", {
      message: `Cannot open the volume at "${path}": it has no label`,
      retry: "later",
      context: { path },
      hint: "Mount the volume that belongs there and try again.",
    });
  }
  const label = decodeVolumeLabel(bytes);
  const id = hexOf(label.id) as VolumeId;
  requireMatch(path, "repository", hexOf(label.repositoryId), hexOf(options.repositoryId));
  if (options.id !== undefined) requireMatch(path, "volume", id, options.id);
  return new DirectoryVolume(options, id, label);
}

function requireMatch(path: string, what: string, found: string, expected: string): void {
  if (found === expected) return;
  throw new HoldfastError("VOLUME_LABEL_MISMATCH", {
    message: `Cannot open the volume at "${path}": its label names the ${what} ${found}, expected ${expected}`,
    context: { path, found, expected },
    hint: "Another volume lies or is mounted there.",
  });
}

export class DirectoryVolume implements Volume {
  readonly id: VolumeId;
  readonly name: string;
  readonly path: string;
  readonly label: VolumeLabel;
  readonly #files: Files;
  readonly #repositoryId: Uint8Array;
  readonly #temporaryNames: TemporaryNames | undefined;
  // Directories of containers that are known to be there, durably.
  readonly #shards = new Set<string>();

  constructor(options: OpenDirectoryVolumeOptions, id: VolumeId, label: VolumeLabel) {
    this.id = id;
    this.name = label.name;
    this.path = options.path;
    this.label = label;
    this.#files = options.files;
    this.#repositoryId = options.repositoryId;
    this.#temporaryNames = options.temporaryNames;
  }

  /** The same volume for a writer, whose temporary files carry names from `temporaryNames`. */
  writable(temporaryNames: TemporaryNames): DirectoryVolume {
    const options = { files: this.#files, path: this.path, repositoryId: this.#repositoryId, temporaryNames };
    return new DirectoryVolume(options, this.id, this.label);
  }

  createContainer(): ContainerDraft {
    const path = `${this.path}/containers/${this.#names()()}`;
    return new DirectoryContainerDraft(this.#files, path, (name) => this.#shardFor(name));
  }

  #shardFor(name: ContainerName): string {
    const shard = this.#shardOf(name);
    if (!this.#shards.has(shard)) {
      this.#files.makeDirectory(shard);
      // Another writer may have made it an instant ago and not have come to syncing its name.
      this.#files.syncDirectory(`${this.path}/containers`);
      this.#shards.add(shard);
    }
    return shard;
  }

  #shardOf(name: ContainerName): string {
    requireHash(name, "a container");
    return `${this.path}/containers/${name.slice(0, 2)}`;
  }

  // The calls below are synchronous inside: local files answer sooner than a promise would. Other media will not.

  async readContainer(name: ContainerName, offset: number, length: number): Promise<Uint8Array> {
    const file = this.#files.open(`${this.#shardOf(name)}/${name}`);
    if (file === undefined) {
      throw new HoldfastError("SEGMENT_MISSING", {
        message: `Cannot read container ${name}: it is not on volume "${this.name}"`,
        context: { container: name, volume: this.id },
        hint: "Run `holdfast verify` to see which images need it.",
      });
    }
    try {
      const bytes = new Uint8Array(length);
      const count = file.read(bytes, offset);
      if (count === length) return bytes;
      throw new HoldfastError("REPOSITORY_DAMAGED", {
        message: `Cannot read container ${name}: it ends at ${offset + count}, ${length} bytes were expected at ${offset}`,
        context: { container: name, volume: this.id, offset, length },
        hint: "Run `holdfast verify` to see which images need it.",
      });
    } finally {
      file.close();
    }
  }

  async containerSize(name: ContainerName): Promise<number | undefined> {
    return this.#files.information(`${this.#shardOf(name)}/${name}`)?.sizeBytes;
  }

  async listContainers(): Promise<readonly ContainerName[]> {
    const containers: ContainerName[] = [];
    for (const shard of this.#require(`${this.path}/containers`)) {
      if (!SHARD_PATTERN.test(shard)) continue;
      for (const name of this.#require(`${this.path}/containers/${shard}`)) {
        if (HASH_PATTERN.test(name) && name.startsWith(shard)) containers.push(name as ContainerName);
      }
    }
    return containers.sort();
  }

  async removeContainers(names: readonly ContainerName[]): Promise<{ readonly count: number; readonly bytes: number }> {
    const shards = new Set<string>();
    let count = 0;
    let bytes = 0;
    for (const name of names) {
      const shard = this.#shardOf(name);
      const sizeBytes = this.#files.information(`${shard}/${name}`)?.sizeBytes ?? 0;
      if (!this.#files.remove(`${shard}/${name}`)) continue;
      shards.add(shard);
      count++;
      bytes += sizeBytes;
    }
    for (const shard of shards) this.#files.syncDirectory(shard);
    return { count, bytes };
  }

  async publishRecord(area: RecordArea, bytes: Uint8Array, fence?: () => void): Promise<string> {
    const name = sha256Hex(bytes);
    const directory = `${this.path}/${area}`;
    await publishByContent({ files: this.#files, directory, name, temporaryNames: this.#names(), fence }, bytes);
    return name;
  }

  async listRecords(area: RecordArea): Promise<readonly string[]> {
    return this.#require(`${this.path}/${area}`)
      .filter((name) => HASH_PATTERN.test(name))
      .sort();
  }

  async readRecord(area: RecordArea, name: string): Promise<Uint8Array | undefined> {
    requireHash(name, "a record");
    const bytes = this.#files.read(`${this.path}/${area}/${name}`, SEALED_RECORD_LIMIT);
    if (bytes === undefined) return undefined;
    const hash = sha256Hex(bytes);
    if (hash === name) return bytes;
    throw new HoldfastError("REPOSITORY_DAMAGED", {
      message: `Cannot read ${area}/${name} on volume "${this.name}": its bytes have the SHA-256 ${hash}`,
      context: { area, record: name, volume: this.id, found: hash },
      hint: "The file is damaged. Copy it from another copy of the volume.",
    });
  }

  async removeRecord(area: RecordArea, name: string): Promise<boolean> {
    requireHash(name, "a record");
    const removed = this.#files.remove(`${this.path}/${area}/${name}`);
    if (removed) this.#files.syncDirectory(`${this.path}/${area}`);
    return removed;
  }

  async setAside(area: RecordArea | "containers", name: string): Promise<string | undefined> {
    requireHash(name, area === "containers" ? "a container" : "a record");
    const directory = area === "containers" ? this.#shardOf(name as ContainerName) : `${this.path}/${area}`;
    return setAsideFile(this.#files, `${directory}/${name}`, `${this.path}/damaged/${area}`);
  }

  #names(): TemporaryNames {
    assert(this.#temporaryNames !== undefined, "a volume is written to within a session");
    return this.#temporaryNames;
  }

  /** A missing directory is not an empty one: someone may be about to delete what seems unreferenced. */
  #require(directory: string): readonly string[] {
    const names = this.#files.list(directory);
    if (names !== undefined) return names;
    throw new HoldfastError("REPOSITORY_DAMAGED", {
      message: `Cannot list "${directory}": it is missing`,
      context: { path: directory, volume: this.id },
      hint: "If the volume is mounted there, check the mount; else create the directory empty and run `holdfast verify`.",
    });
  }
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

function requireHash(name: string, what: string): void {
  if (HASH_PATTERN.test(name)) return;
  throw new HoldfastError("FORMAT_INVALID", {
    message: `Not the name of ${what}: "${name.slice(0, 80)}" (64 hexadecimal digits expected)`,
  });
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
