// Both halves in one process: the receiving half of a backup with all it needs, and the way messages reach it.

import { HoldfastError } from "../base/errors.ts";
import type { BackupConnection } from "../client/client.ts";
import { encodeReply } from "../formats/stream.ts";
import { tidyIndex } from "../repository/repository.ts";
import type { ContainerSet, WritableIndexLocation, WrittenContainer } from "../repository/repository.ts";
import { BackupSession, ImageAssembler } from "../server/server.ts";
import type { BackupAccount } from "./backup-account.ts";
import type { SourceName } from "./backup-source.ts";
import { BackupWriters } from "./backup-writers.ts";
import type { BaseCandidate, BaseChoice } from "./choose-bases.ts";
import type { Opened } from "./opened.ts";
import { makeReserve } from "./session.ts";
import type { WritingSession } from "./session.ts";
import type { BackupOptions } from "./types.ts";

export interface BackupRunContext {
  readonly account: BackupAccount;
  readonly session: WritingSession;
}

export class LocalReceiver implements AsyncDisposable {
  readonly writers: BackupWriters;
  readonly connection: BackupConnection;
  readonly #indexLocation: WritableIndexLocation;
  readonly #condemned: ContainerSet;
  readonly #makeReserve: () => Promise<string | undefined>;

  constructor(opened: Opened, options: BackupOptions, context: BackupRunContext, choice: BaseChoice, name: SourceName) {
    const { services, repository, fingerprinters } = opened;
    const { account, session } = context;
    const fence = (): void => session.requireNotEnded();
    this.#indexLocation = { ...opened.indexLocation, random: services.random, session: session.id, fence };
    this.#condemned = session.condemned;
    this.#makeReserve = () => makeReserve(opened, session);
    this.writers = new BackupWriters(opened, {
      session,
      compression: options.compression ?? "default",
      verifyBlocks: options.verifyBlocks ?? true,
      withAttributes: true,
      onContainer: (container) => received(container),
    });
    const known = new Map<string, BaseCandidate>();
    for (const candidate of choice.images) known.set(candidate.id, candidate);
    if (choice.checkpoint !== undefined) known.set(choice.checkpoint.id, choice.checkpoint);
    const description = account.describe(name);
    const server = new BackupSession({
      volume: repository.defaultVolume.writable(session.temporaryNames),
      keyRing: repository.keyRing,
      random: services.random,
      indexLocation: this.#indexLocation,
      fence,
      pages: opened.reader,
      pageSink: this.writers.pages,
      flushData: () => this.writers.flushData(),
      endData: () => this.writers.endData(),
      pageFingerprintOf: (bytes) => fingerprinters.page.of(bytes),
      rootOf: (id) => Promise.resolve(known.get(id)?.root),
      description,
      complete: (record, root) => account.completeRecord(description, record, root),
      oldCheckpoints: choice.checkpoints,
    });
    const received = (container: WrittenContainer): void => {
      account.containerWritten(container);
      server.addContainer(container.contents);
    };
    const assembler = new ImageAssembler(server);
    this.connection = {
      send: async (batch) => {
        const reply = await assembler.receive(batch);
        return reply === undefined ? undefined : encodeReply(reply);
      },
    };
  }

  /** After the commit: keeps the number of index runs small, and the reserve there. The next backup will do it when this one cannot. */
  async tidy(account: BackupAccount): Promise<void> {
    try {
      await tidyIndex({ ...this.#indexLocation, condemned: this.#condemned });
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      account.notice(`The index could not be tidied: ${error.message}`);
    }
    const problem = await this.#makeReserve();
    if (problem !== undefined) account.notice(problem);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.writers[Symbol.asyncDispose]();
  }
}
