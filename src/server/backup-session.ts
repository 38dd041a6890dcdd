// One backup as the repository sees it: gathers the containers that are published, indexes them, and commits.
//
// The order is what makes it safe (docs/design/durability.md): containers, then the index run that finds their
// segments, then the image record. Whatever precedes the record is garbage if the power goes; nothing follows it but what can
// be derived again.

import { HoldfastError, errorFrom, messageOf } from "../base/errors.ts";
import { bytesOfHex, hexOf } from "../base/bytes.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import type { Volume } from "../media/media.ts";
import { NO_ITEMS, NO_STATISTICS } from "../model/image.ts";
import type { ImageDescription, ImageId, ImageRecord, ImageRoot, SentPart } from "../model/image.ts";
import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import { openBaseImage, publishCheckpoint, publishImage, removeCheckpoint, writeIndexRun } from "../repository/repository.ts";
import type {
  BaseImage,
  ContainerContents,
  EntryTreeRoot,
  KeyRing,
  PageSink,
  PageSource,
  WritableIndexLocation,
} from "../repository/repository.ts";
import type { AssemblerServices } from "./image-assembler.ts";
import type { HeldSegments } from "./held-segments.ts";
import type { StoredCounts } from "./stored-counts.ts";

export interface BackupSessionParts {
  /** Writable. */
  readonly volume: Volume;
  readonly keyRing: KeyRing;
  readonly random: Random;
  readonly indexLocation: WritableIndexLocation;
  /** Throws when this writer was ended and may not commit any more. */
  readonly fence: () => void;
  readonly pages: PageSource;
  /** Where pages go; `flush` publishes what is under way. */
  readonly pageSink: PageSink & { flush(): Promise<void> };
  /** Publishes the data that is under way. */
  readonly flushData: () => Promise<void>;
  /** The same for the last time: no more data will come. */
  readonly endData: () => Promise<void>;
  readonly pageFingerprintOf: (bytes: Uint8Array) => Fingerprint;
  /** The root of an image or a checkpoint, undefined when there is none of that name. */
  readonly rootOf: (id: string) => Promise<ImageRoot | undefined>;
  /** For checkpoints: what is known of the image before it is complete. */
  readonly description: ImageDescription;
  /** See `AssemblerServices`. */
  readonly segments?: HeldSegments | undefined;
  /** Of this backup; final once everything is durable. */
  readonly stored: StoredCounts;
  readonly clock: Clock;
  /** Checkpoints that this image makes superfluous. */
  readonly oldCheckpoints: readonly string[];
}

/** So many segments are held in memory until a run is written of them, about 60 bytes each. */
const SEGMENTS_PER_RUN = 128 * 1024;

export class BackupSession implements AssemblerServices {
  readonly sink: PageSink;
  readonly fingerprintOf: (bytes: Uint8Array) => Fingerprint;
  readonly segments: HeldSegments | undefined;
  readonly #parts: BackupSessionParts;
  #unindexed: ContainerContents[] = [];
  #unindexedSegments = 0;
  #indexing: Promise<void> = Promise.resolve();
  #indexFailure: Error | undefined;
  #checkpoints: string[];

  constructor(parts: BackupSessionParts) {
    this.#parts = parts;
    this.sink = parts.pageSink;
    this.fingerprintOf = parts.pageFingerprintOf;
    this.segments = parts.segments;
    this.#checkpoints = [...parts.oldCheckpoints];
  }

  /** To be told of every container, data and pages alike, when it is durable. */
  addContainer(contents: ContainerContents): void {
    this.#unindexed.push(contents);
    this.#unindexedSegments += contents.segments.lengths.length;
    if (this.#unindexedSegments >= SEGMENTS_PER_RUN) this.#index();
  }

  /** Writes a run of what has gathered, behind those that are being written. The containers are durable, so a run of them may be too. */
  #index(): void {
    const containers = this.#unindexed;
    if (containers.length === 0) return;
    this.#unindexed = [];
    this.#unindexedSegments = 0;
    this.#indexing = this.#indexing
      .then(async () => void (await writeIndexRun({ ...this.#parts.indexLocation, containers })))
      .catch((error: unknown) => {
        this.#indexFailure ??= errorFrom(error);
      });
  }

  async openBase(imageId: string): Promise<BaseImage | { readonly refused: string }> {
    try {
      const root = await this.#parts.rootOf(imageId);
      if (root === undefined) return { refused: `there is no image ${imageId}` };
      return await openBaseImage(this.#parts.pages, treeRootOf(root));
    } catch (error) {
      // A damaged base costs a full reading, never the backup; `verify` is where the damage is reported.
      if (error instanceof HoldfastError) return { refused: `image ${imageId} cannot be read: ${messageOf(error)}` };
      throw error;
    }
  }

  async checkpoint(root: EntryTreeRoot): Promise<void> {
    await this.#parts.flushData();
    await this.#indexAll();
    const { volume, keyRing, random, fence, description } = this.#parts;
    const record: ImageRecord = {
      ...description,
      finishedAtMs: description.startedAtMs,
      base: null,
      root: imageRootOf(root),
      statistics: NO_STATISTICS,
      owners: {},
      groups: {},
      unreadable: NO_ITEMS,
      skippedSockets: NO_ITEMS,
      changedWhileRead: NO_ITEMS,
    };
    const name = await publishCheckpoint({ volume, keyRing, random, fence }, record);
    await this.#removeCheckpoints();
    this.#checkpoints = [name];
  }

  async commit(root: EntryTreeRoot, sent: SentPart): Promise<ImageId> {
    await this.#parts.endData();
    await this.#indexAll();
    const { volume, keyRing, random, fence, description, stored, clock } = this.#parts;
    const record: ImageRecord = {
      ...description,
      ...sent,
      finishedAtMs: clock.now(),
      root: imageRootOf(root),
      statistics: stored.complete(sent.statistics, root.entryCount),
    };
    const image = await publishImage({ volume, keyRing, random, fence }, record);
    await this.#removeCheckpoints();
    return image.id;
  }

  /** When it resolves, every page stored so far is in a published container, and all published containers are in the index. */
  async #indexAll(): Promise<void> {
    await this.#parts.pageSink.flush();
    this.#index();
    await this.#indexing;
    if (this.#indexFailure !== undefined) throw this.#indexFailure;
  }

  async #removeCheckpoints(): Promise<void> {
    const superfluous = this.#checkpoints;
    this.#checkpoints = [];
    for (const name of superfluous) await removeCheckpoint(this.#parts.volume, name);
  }
}

export function imageRootOf(root: EntryTreeRoot): ImageRoot {
  const { fingerprint, level, entryCount, pageBytes } = root;
  return { fingerprint: hexOf(fingerprint), level, entryCount, pageBytes };
}

export function treeRootOf(root: ImageRoot): EntryTreeRoot {
  const { fingerprint, level, entryCount, pageBytes } = root;
  return { fingerprint: bytesOfHex(fingerprint) as Fingerprint, level, entryCount, pageBytes };
}
