// The receiving half of a backup on the machine that holds the repository: chooses bases, takes messages, stores and commits. Who
// sends may be in this process or at the other end of a network.

import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import type { BackupConnection, ReadingThread } from "../client/client.ts";
import { encodeReply } from "../formats/stream.ts";
import type { ServerReply } from "../formats/stream.ts";
import type { ImageDescription } from "../model/image.ts";
import { readLosses, tidyIndex } from "../repository/repository.ts";
import type { Losses, PageSource, WritableIndexLocation, WrittenContainer } from "../repository/repository.ts";
import { BackupSession, HeldSegments, ImageAssembler, StoredCounts } from "../server/server.ts";
import { BackupWriters } from "./backup-writers.ts";
import type { BackupWritersOptions } from "./backup-writers.ts";
import { chooseBases } from "./choose-bases.ts";
import type { BaseCandidate, BaseChoice } from "./choose-bases.ts";
import type { Opened } from "./opened.ts";
import type { OfferedBase, OtherHalf, StoredFigures, WaitingSink } from "./other-half.ts";
import { reconcileContainers } from "./reconcile-containers.ts";
import { lossesPlace } from "./repair-losses.ts";
import { makeReserve } from "./session.ts";
import type { WritingSession } from "./session.ts";
import { noteNewImage, trustedBases } from "./trusted-bases.ts";
import type { TrustedBases } from "./trusted-bases.ts";

export interface ReceivingOptions extends Pick<BackupWritersOptions, "role" | "threads" | "compression" | "verifyBlocks"> {
  /** The sender may refer only to segments that it has sent, or proved to have, in this backup. */
  readonly requiresSegments?: boolean;
  readonly session: WritingSession;
  readonly description: ImageDescription;
  /** False: what comes is new as a whole, such as the output of a command. */
  readonly withBases: boolean;
  readonly onNotice: (notice: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What is found out before anything is received. */
interface Beginning extends TrustedBases {
  /** As they were before the index was opened: what it says may be older than what is noted later. */
  readonly losses: Losses | undefined;
}

export class ReceivingHalf implements OtherHalf {
  readonly connection: BackupConnection;
  readonly pages: PageSource;
  readonly #opened: Opened;
  readonly #options: ReceivingOptions;
  readonly #beginning: Beginning;
  readonly #writers: BackupWriters;
  readonly #indexLocation: WritableIndexLocation;
  readonly #stored = new StoredCounts();
  readonly #assembler: ImageAssembler;

  static async open(opened: Opened, options: ReceivingOptions): Promise<ReceivingHalf> {
    return new ReceivingHalf(opened, options, await begin(opened, options));
  }

  private constructor(opened: Opened, options: ReceivingOptions, beginning: Beginning) {
    const { services, repository, fingerprinters } = opened;
    const { session, description } = options;
    const fence = (): void => session.requireNotEnded();
    this.#opened = opened;
    this.#options = options;
    this.#beginning = beginning;
    this.#indexLocation = { ...opened.indexLocation, random: services.random, session: session.id, fence };
    this.pages = opened.reader;
    const onContainer = (container: WrittenContainer): void => {
      this.#stored.add(container);
      backup.addContainer(container.contents);
    };
    this.#writers = new BackupWriters(opened, { ...options, onContainer });
    const known = new Map(candidatesOf(beginning.choice).map((candidate) => [candidate.id, candidate]));
    const backup = new BackupSession({
      volume: repository.defaultVolume.writable(session.temporaryNames),
      keyRing: repository.keyRing,
      random: services.random,
      clock: services.clock,
      indexLocation: this.#indexLocation,
      fence,
      pages: opened.reader,
      pageSink: this.#writers.pages,
      flushData: () => this.#writers.flushData(),
      endData: () => this.#writers.endData(),
      pageFingerprintOf: (bytes) => fingerprinters.page.of(bytes),
      rootOf: (id) => Promise.resolve(known.get(id)?.root),
      description,
      segments: options.requiresSegments === true ? new HeldSegments(this.#writers.stored) : undefined,
      stored: this.#stored,
      oldCheckpoints: beginning.choice.checkpoints,
    });
    const assembler = new ImageAssembler(backup);
    this.connection = {
      post: async (batch) => {
        const reply = await assembler.receive(batch);
        assert(reply === undefined, "what is posted wants no reply");
      },
      ask: async (batch) => {
        const reply = await assembler.receive(batch);
        assert(reply !== undefined, "what is asked wants a reply");
        return encodeReply(reply);
      },
      // The threads that read have stored it themselves.
      settle: () => Promise.resolve(),
    };
    this.#assembler = assembler;
  }

  /** Messages of which the last may want a reply. */
  async receive(batch: Uint8Array): Promise<ServerReply | undefined> {
    return this.#assembler.receive(batch);
  }

  get checkpoint(): OfferedBase | undefined {
    const { checkpoint } = this.#beginning.choice;
    return checkpoint === undefined ? undefined : offered(checkpoint);
  }

  get images(): readonly OfferedBase[] {
    return this.#beginning.choice.images.map(offered);
  }

  get mustRead(): OtherHalf["mustRead"] {
    return this.#beginning.mustRead;
  }

  /** The same as paths. */
  get pathsToRead(): readonly Uint8Array[] {
    return this.#beginning.pathsToRead;
  }

  /** Whether this backup has stored the segment, or its sender proved to have it. */
  holds(fingerprint: Fingerprint): boolean {
    return this.#writers.stored.has(fingerprint);
  }

  noteHeld(fingerprint: Fingerprint): void {
    this.#writers.stored.insert(fingerprint);
  }

  get threads(): readonly ReadingThread[] {
    return this.#writers.pool.threads;
  }

  get data(): WaitingSink {
    return this.#writers.data;
  }

  async afterCommit(imageId: string): Promise<StoredFigures> {
    await this.#noteWhole(imageId);
    await this.#tidy();
    const { plainBytes, storedBytes } = this.#stored;
    return { plainBytes, storedBytes };
  }

  /** The image is safe; not having noted it costs the next backup a look. */
  async #noteWhole(imageId: string): Promise<void> {
    const { onNotice, session } = this.#options;
    try {
      const text = await noteNewImage(this.#opened, session, imageId, this.#beginning);
      if (text !== undefined) onNotice(text);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      onNotice(`It could not be noted that this image is whole: ${error.message} The next backup will take longer.`);
    }
  }

  /** Keeps the number of index runs small, and the reserve there. The next backup will do it when this one cannot. */
  async #tidy(): Promise<void> {
    const { onNotice, session } = this.#options;
    try {
      await tidyIndex({ ...this.#indexLocation, condemned: session.condemned });
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      onNotice(`The index could not be tidied: ${error.message}`);
    }
    const problem = await makeReserve(this.#opened, session);
    if (problem !== undefined) onNotice(problem);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writers[Symbol.asyncDispose]();
  }
}

async function begin(opened: Opened, options: ReceivingOptions): Promise<Beginning> {
  const { session, description, withBases, onNotice, signal } = options;
  const place = lossesPlace(opened, session);
  const losses = readLosses(place);
  const isWhole = await reconcileContainers(opened, session, onNotice);
  if (!withBases) return { losses, choice: NO_BASES, mustRead: undefined, pathsToRead: [], areWhole: true };
  const { outstanding } = session;
  const choice = await chooseBases(opened, description, { isWhole, outstanding, onNotice });
  return { losses, ...(await trustedBases(opened, choice, readLosses(place), signal)) };
}

const NO_BASES: BaseChoice = { checkpoint: undefined, images: [], checkpoints: [] };

function candidatesOf({ checkpoint, images }: BaseChoice): readonly BaseCandidate[] {
  return checkpoint === undefined ? images : [checkpoint, ...images];
}

function offered({ id, root, record }: BaseCandidate): OfferedBase {
  return { id, root, statistics: record.statistics };
}
