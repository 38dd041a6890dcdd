// The track logs of one backup: which there are, and the new one that is written beside the image. They only serve speed, so one that
// cannot be read or written becomes a notice and never fails the backup.

import { HoldfastError } from "../base/errors.ts";
import { TrackLogStore } from "../client/client.ts";
import type { TrackLog, TrackLogWriter } from "../client/client.ts";
import type { PageReference } from "../formats/entry-page.ts";
import { ImageBuilder } from "../repository/repository.ts";
import type { PageSource } from "../repository/repository.ts";
import type { BackupAccount } from "./backup-account.ts";
import type { SendingSide } from "./sending-side.ts";

/** The track logs of one source. */
export class TrackLogs {
  readonly #side: SendingSide;
  readonly #account: BackupAccount;
  readonly #store: TrackLogStore;
  #writer: TrackLogWriter | undefined;

  /** `pages`: for what of a log is damaged. */
  constructor(side: SendingSide, pages: PageSource, account: BackupAccount, source: string) {
    const { services, repositoryId, trackLogKey, fingerprinters, cacheDirectory } = side;
    this.#side = side;
    this.#account = account;
    this.#store = new TrackLogStore({
      files: services.files,
      random: services.random,
      key: trackLogKey,
      repositoryId,
      fingerprintOf: (bytes) => fingerprinters.page.of(bytes),
      pages,
      cacheDirectory,
      source,
      processId: services.host.processId,
      isAlive: (processId) => services.host.isAlive(processId),
    });
  }

  /** Of this image; undefined when it is not there or cannot be read. */
  find(imageId: string): TrackLog | undefined {
    try {
      return this.#store.find(imageId, (text) => this.#account.notice(text));
    } catch (error) {
      this.#notice("read", error);
      return undefined;
    }
  }

  /** Builds the same tree as the other half, and writes the new log of its pages. `previous`: of the base image. */
  mirror(previous: TrackLog | undefined): ImageBuilder {
    this.#writing(() => {
      this.#writer = this.#store.begin(previous);
    });
    return new ImageBuilder({
      sink: { storePage: (kind, bytes) => this.#side.fingerprinters[kind].of(bytes) },
      onPageBuilt: (page, bytes) => this.#add(page, bytes),
      onPageTaken: async (page, base) => {
        if (this.#writer === undefined) return;
        const isCopy = previous !== undefined && base === previous.image && !previous.isDamaged(page);
        this.#add(page, isCopy ? undefined : await base.load(page));
      },
    });
  }

  #add(page: PageReference, bytes: Uint8Array | undefined): void {
    this.#writing(() => this.#writer?.add(page, bytes));
  }

  /** The log that was written is that of this image. */
  commit(imageId: string, committedAtMs: number): void {
    this.#writing(() => {
      if (this.#writer !== undefined) this.#store.commit(this.#writer, imageId, committedAtMs);
      this.#writer = undefined;
    });
  }

  /** Gives up what is written, if anything is. What cannot be removed now, a later backup removes. */
  discard(): void {
    const writer = this.#writer;
    this.#writer = undefined;
    try {
      writer?.discard();
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
    }
  }

  /** The first failure ends the writing of this log, not the backup. */
  #writing(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#notice("written", error);
      this.discard();
    }
  }

  #notice(what: "read" | "written", error: unknown): void {
    if (!(error instanceof HoldfastError)) throw error;
    this.#account.notice(`The track log cannot be ${what}: ${error.message} The next backup will take longer.`);
  }
}
