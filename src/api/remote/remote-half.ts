// The receiving half of a backup on a server. Messages and blocks leave before the answers to earlier ones have come, so that a long way
// costs its time once.

import { bytesOfHex } from "../../base/bytes.ts";
import { errorFrom } from "../../base/errors.ts";
import { SegmentOutbox } from "../../client/client.ts";
import type { BackupConnection, ReadingThread, SegmentTransfer } from "../../client/client.ts";
import type { BegunBackup, ServedBase } from "../../formats/server-exchange.ts";
import { repeatEvery } from "../../platform/repeat.ts";
import type { Repetition } from "../../platform/repeat.ts";
import { SessionSegments } from "../../repository/repository.ts";
import type { OfferedBase, OtherHalf, StoredFigures } from "../other-half.ts";
import type { SendingSide } from "../sending-side.ts";
import type { Compression } from "../types.ts";
import { WorkerPool } from "../worker-pool.ts";
import type { SpareThreads } from "../worker-pool.ts";
import type { RemotePages } from "./remote-pages.ts";
import type { RemoteServer } from "./remote-server.ts";

/** Batches of messages whose arrival is not known yet: some two megabytes. */
const BATCHES_ON_THEIR_WAY = 16;

export interface RemoteHalfParts {
  readonly server: RemoteServer;
  readonly side: SendingSide;
  readonly pages: RemotePages;
  readonly spareThreads: SpareThreads;
  readonly threadCount: number;
  readonly compression: Compression;
  /** How often to say that this side is still there. */
  readonly keepAliveMs: number;
  readonly onNotice: (notice: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export class RemoteHalf implements OtherHalf {
  readonly connection: BackupConnection;
  readonly data: SegmentOutbox;
  readonly #parts: RemoteHalfParts;
  readonly #begun: BegunBackup;
  readonly #pool: WorkerPool;
  readonly #mustRead: ReadonlySet<string>;
  readonly #onTheirWay = new Set<Promise<unknown>>();
  #failure: Error | undefined;
  #number = 0;
  #hasEnded = false;
  /** A walk that meets nothing new for long says nothing for long: the server must not take it for gone. */
  readonly #keepingAlive: Repetition;

  constructor(parts: RemoteHalfParts, begun: BegunBackup) {
    const { server, side, pages, compression, signal } = parts;
    this.#parts = parts;
    this.#begun = begun;
    this.#mustRead = new Set(begun.mustRead.map((path) => textKey(path, path.length)));
    for (const { root, grant } of this.#offers()) pages.addRoot(root, bytesOfHex(grant));
    const transfer: SegmentTransfer = {
      offer: (fingerprints) => server.offer(begun.backup, fingerprints, signal),
      prove: (proofs) => server.prove(begun.backup, proofs, signal),
      store: (block) => server.store(begun.backup, block, signal),
    };
    const offered = SessionSegments.create();
    const challenge = bytesOfHex(begun.challenge);
    const { loadBlake } = side.services;
    this.data = new SegmentOutbox({ transfer, offered, compression, challenge, loadBlake });
    const { cutKey, dataKey } = side;
    this.#pool = new WorkerPool(
      parts.spareThreads,
      parts.threadCount,
      { role: "send", cutKey, dataKey, challenge, offered: offered.share(), compression },
      {
        onAsk: async (step, bytes) => {
          if (step !== "store") return transfer[step](bytes);
          await transfer.store(bytes);
          return NOTHING;
        },
      },
    );
    this.#keepingAlive = repeatEvery(
      parts.keepAliveMs,
      () => this.#post(NOTHING),
      // The next message that says something meets the same failure.
      () => undefined,
    );
    this.connection = {
      post: (batch) => this.#post(batch),
      ask: (batch) => this.#ask(batch),
      settle: () => this.#settle(),
    };
  }

  get checkpoint(): OfferedBase | undefined {
    return this.#begun.checkpoint;
  }

  get images(): readonly OfferedBase[] {
    return this.#begun.images;
  }

  get mustRead(): OtherHalf["mustRead"] {
    const paths = this.#mustRead;
    return paths.size === 0 ? undefined : (path, pathLength) => paths.has(textKey(path, pathLength));
  }

  get pages(): RemotePages {
    return this.#parts.pages;
  }

  get threads(): readonly ReadingThread[] {
    return this.#pool.threads;
  }

  async afterCommit(): Promise<StoredFigures> {
    this.#hasEnded = true;
    await this.#keepingAlive.stop();
    const { notices, ...figures } = await this.#parts.server.endBackup(this.#begun.backup);
    for (const notice of notices) this.#parts.onNotice(notice);
    return figures;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#keepingAlive.stop();
    await this.#pool.stop();
    // So that the server need not wait for more. When it cannot be told, it finds out.
    if (!this.#hasEnded) await this.#parts.server.giveUp(this.#begun.backup);
  }

  #offers(): readonly ServedBase[] {
    const { checkpoint, images } = this.#begun;
    return checkpoint === undefined ? images : [checkpoint, ...images];
  }

  async #post(batch: Uint8Array): Promise<void> {
    const arrived = this.#send(batch).catch((error: unknown) => {
      this.#failure ??= errorFrom(error);
    });
    const tracked = arrived.finally(() => this.#onTheirWay.delete(tracked));
    this.#onTheirWay.add(tracked);
    while (this.#onTheirWay.size >= BATCHES_ON_THEIR_WAY && this.#failure === undefined) await Promise.race(this.#onTheirWay);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The server answers in the order of the numbers: what was posted before has arrived when the answer is there. */
  async #ask(batch: Uint8Array): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#send(batch);
  }

  #send(batch: Uint8Array): Promise<Uint8Array> {
    const { server, signal } = this.#parts;
    return server.receive(this.#begun.backup, ++this.#number, batch, signal);
  }

  async #settle(): Promise<void> {
    await Promise.all([this.#pool.flush(), this.data.flush()]);
  }
}

const NOTHING = new Uint8Array(0);

function textKey(path: Uint8Array, pathLength: number): string {
  return Buffer.from(path.buffer, path.byteOffset, pathLength).toString("latin1");
}
