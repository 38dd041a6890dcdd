// A volume in a directory, of a disk or of an object store (docs/formats/volume.md):
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
import type { Files } from "../platform/files.ts";
import { isHash, requireHash, shardOf } from "./container-store.ts";
import type { ContainerStore, VolumeNames } from "./container-store.ts";
import { DirectoryContainers, requireListed } from "./directory-containers.ts";
import { ObjectContainers } from "./object-containers.ts";
import { publishByContent, publishExclusively, setAsideFile } from "./publish.ts";
import type { TemporaryNames } from "./publish.ts";
import type { ContainerDraft, ContainerName, RecordArea, Volume, VolumeId } from "./volume.ts";

const RECORD_AREAS: readonly RecordArea[] = ["images", "annotations", "checkpoints"];

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
  readonly #containers: ContainerStore;

  constructor(options: OpenDirectoryVolumeOptions, id: VolumeId, label: VolumeLabel) {
    this.id = id;
    this.name = label.name;
    this.path = options.path;
    this.label = label;
    this.#files = options.files;
    this.#repositoryId = options.repositoryId;
    this.#temporaryNames = options.temporaryNames;
    this.#containers = containersOf(options.files, `${options.path}/containers`, this);
  }

  /** The same volume for a writer, whose temporary files carry names from `temporaryNames`. */
  writable(temporaryNames: TemporaryNames): DirectoryVolume {
    const options = { files: this.#files, path: this.path, repositoryId: this.#repositoryId, temporaryNames };
    return new DirectoryVolume(options, this.id, this.label);
  }

  createContainer(): ContainerDraft {
    return this.#containers.create(this.#names()());
  }

  async readContainer(name: ContainerName, offset: number, length: number): Promise<Uint8Array> {
    return this.#containers.read(name, offset, length);
  }

  async containerSize(name: ContainerName): Promise<number | undefined> {
    return this.#containers.size(name);
  }

  listContainers(): Promise<readonly ContainerName[]> {
    return this.#containers.list();
  }

  listContainerSizes(): Promise<ReadonlyMap<ContainerName, number>> {
    return this.#containers.listSizes();
  }

  async removeContainers(names: readonly ContainerName[]): Promise<{ readonly count: number; readonly bytes: number }> {
    return this.#containers.remove(names);
  }

  // Records are few and small: the calls below are synchronous inside.

  async publishRecord(area: RecordArea, bytes: Uint8Array, fence?: () => void): Promise<string> {
    const name = sha256Hex(bytes);
    const directory = `${this.path}/${area}`;
    await publishByContent({ files: this.#files, directory, name, temporaryNames: this.#names(), fence }, bytes);
    return name;
  }

  async listRecords(area: RecordArea): Promise<readonly string[]> {
    return requireListed(this.#files, `${this.path}/${area}`, this).filter(isHash).sort();
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
    const directory =
      area === "containers" ? `${this.path}/containers/${shardOf(name as ContainerName)}` : `${this.path}/${area}`;
    return setAsideFile(this.#files, `${directory}/${name}`, `${this.path}/damaged/${area}`);
  }

  #names(): TemporaryNames {
    assert(this.#temporaryNames !== undefined, "a volume is written to within a session");
    return this.#temporaryNames;
  }
}

function containersOf(files: Files, directory: string, volume: VolumeNames): ContainerStore {
  const objects = files.objects?.(directory);
  return objects === undefined
    ? new DirectoryContainers(files, directory, volume)
    : new ObjectContainers(objects, directory, volume);
}

function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
