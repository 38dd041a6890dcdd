// The writers of one backup session: threads that store data, and on this thread one for pages and, when it is
// needed, one for data that no thread has read. They share the table of what the session has stored.

import { PageWriter, SegmentWriter, SessionSegments } from "../repository/repository.ts";
import type { Session, WrittenContainer } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";
import type { Compression } from "./types.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface BackupWritersOptions {
  readonly session: Session;
  readonly compression: Compression;
  readonly verifyBlocks: boolean;
  /** What the threads do: read files, or take the segments that somebody else has read. */
  readonly role: "read" | "receive";
  /** How many; as many as there are processors unless given. */
  readonly threads?: number | undefined;
  readonly onContainer: (container: WrittenContainer) => void;
}

/** Some hundred terabytes of large files, one of small ones. Only address space is taken at once. */
const RECEIVED_SEGMENTS = 2 ** 26;

export class BackupWriters implements AsyncDisposable {
  readonly pages: PageWriter;
  readonly pool: WorkerPool;
  readonly #opened: Opened;
  readonly #options: BackupWritersOptions;
  /** What this session has stored. */
  readonly stored: SessionSegments;
  readonly #pageSegments: SegmentWriter;
  #data: SegmentWriter | undefined;

  constructor(opened: Opened, options: BackupWritersOptions) {
    this.#opened = opened;
    this.#options = options;
    // Of what a client sends, this table alone knows what it may refer to: it must take all of it.
    this.stored = SessionSegments.create(options.role === "receive" ? { maximum: RECEIVED_SEGMENTS } : {});
    this.#pageSegments = this.#writer("metadata");
    this.pages = new PageWriter(this.#pageSegments, opened.fingerprinters);
    this.pool = new WorkerPool(
      opened.spareThreads,
      options.threads ?? opened.threadCount,
      {
        ...opened.workerSetup(),
        role: options.role,
        index: opened.index.share(),
        sessionSegments: this.stored.share(),
        sessionId: options.session.id,
        volumeId: opened.repository.defaultVolume.id,
        compression: options.compression,
        verifyBlocks: options.verifyBlocks,
      },
      options,
    );
  }

  #writer(kind: "data" | "metadata"): SegmentWriter {
    const { repository, services, index } = this.#opened;
    return new SegmentWriter({
      kind,
      volume: repository.defaultVolume.writable(this.#options.session.temporaryNames),
      keyRing: repository.keyRing,
      random: services.random,
      compression: this.#options.compression,
      verifyBlocks: this.#options.verifyBlocks,
      index,
      session: this.stored,
      loadBlake: services.loadBlake,
      onContainer: this.#options.onContainer,
    });
  }

  /** For data that comes up on this thread. */
  get data(): SegmentWriter {
    this.#data ??= this.#writer("data");
    return this.#data;
  }

  /** Resolves when all data stored so far is durable; pages have a flush of their own. */
  async flushData(): Promise<void> {
    await this.pool.flush();
    await this.#data?.flush();
  }

  /** The same for the last time. The threads end while the commit goes on. */
  async endData(): Promise<void> {
    await this.flushData();
    void this.pool.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.stop();
    this.#pageSegments.discard();
    this.#data?.discard();
  }
}
