// The writers of one backup session: reading threads that store data, and on this thread one for pages and, when it is
// needed, one for data that no thread has read. They share the table of what the session has stored.

import type { EntryAttribute, EntryBody } from "../formats/entry.ts";
import { INLINE_ATTRIBUTES_LIMIT, writeAttributes } from "../formats/entry.ts";
import { ByteWriter } from "../base/bytes.ts";
import { attributesSize } from "../client/client.ts";
import { PageWriter, SegmentWriter, SessionSegments } from "../repository/repository.ts";
import type { Session, WrittenContainer } from "../repository/repository.ts";
import type { Opened } from "./opened.ts";
import type { Compression } from "./types.ts";
import { WorkerPool } from "./worker-pool.ts";

export interface BackupWritersOptions {
  readonly session: Session;
  readonly compression: Compression;
  readonly verifyBlocks: boolean;
  readonly withAttributes: boolean;
  readonly onContainer: (container: WrittenContainer) => void;
}

export class BackupWriters implements AsyncDisposable {
  readonly pages: PageWriter;
  readonly pool: WorkerPool;
  readonly #opened: Opened;
  readonly #options: BackupWritersOptions;
  readonly #sessionSegments = SessionSegments.create();
  readonly #pageSegments: SegmentWriter;
  #data: SegmentWriter | undefined;

  constructor(opened: Opened, options: BackupWritersOptions) {
    this.#opened = opened;
    this.#options = options;
    this.#pageSegments = this.#writer("metadata");
    this.pages = new PageWriter(this.#pageSegments, opened.fingerprinters);
    this.pool = new WorkerPool(
      opened.spareThreads,
      opened.threadCount,
      {
        ...opened.workerSetup(),
        role: "read",
        index: opened.index.share(),
        sessionSegments: this.#sessionSegments.share(),
        sessionId: options.session.id,
        volumeId: opened.repository.defaultVolume.id,
        compression: options.compression,
        verifyBlocks: options.verifyBlocks,
        withAttributes: options.withAttributes,
      },
      options.onContainer,
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
      session: this.#sessionSegments,
      loadBlake: services.loadBlake,
      onContainer: this.#options.onContainer,
    });
  }

  /** For data that comes up on this thread. */
  get data(): SegmentWriter {
    this.#data ??= this.#writer("data");
    return this.#data;
  }

  /** Small attributes lie in the entry, large ones in a segment of their own. */
  attributeParts(attributes: readonly EntryAttribute[]): Pick<EntryBody, "attributes" | "storedAttributes"> {
    if (attributesSize(attributes) <= INLINE_ATTRIBUTES_LIMIT) return { attributes };
    const writer = new ByteWriter();
    writeAttributes(writer, attributes);
    const bytes = writer.take();
    const fingerprint = this.#opened.fingerprinters.data.of(bytes);
    this.data.put(fingerprint, bytes);
    return { storedAttributes: { kind: "data", length: bytes.length, fingerprint } };
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
