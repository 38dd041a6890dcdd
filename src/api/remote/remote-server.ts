// A server as a client talks to it: questions and answers as src/formats has them. When the way to it is cut off, the same is asked
// again for some minutes: every question may come twice, and has one effect.

import { HoldfastError } from "../../base/errors.ts";
import { decompressFrame } from "../../engine/engine.ts";
import { MAX_BLOCK_PLAIN_BYTES } from "../../formats/block.ts";
import { decodeErrorReply } from "../../formats/error-reply.ts";
import {
  SEGMENTS_ASKED_LIMIT,
  decodeGrantedPage,
  decodeSegmentAnswer,
  encodePageQuestion,
  encodeSegmentQuestion,
} from "../../formats/granted-pages.ts";
import type { AskedSegment, GrantedPage, PageQuestion } from "../../formats/granted-pages.ts";
import { TRANSFER_SEGMENTS_LIMIT } from "../../formats/segment-transfer.ts";
import {
  EXCHANGE_BYTES_LIMIT,
  decodeBegunBackup,
  decodeEndedBackup,
  decodeServedImages,
  decodeServedRepository,
  encodeBackupRequest,
} from "../../formats/server-exchange.ts";
import type {
  BackupRequest,
  BegunBackup,
  EndedBackup,
  ServedImage,
  ServedRepositoryDescription,
} from "../../formats/server-exchange.ts";
import { MESSAGE_LIMIT } from "../../formats/stream.ts";
import type { Delay } from "../../platform/delay.ts";
import type { Random } from "../../platform/random.ts";
import type { ServerConnection } from "../../platform/secure-transport.ts";

export interface RemoteServerParts {
  readonly connection: ServerConnection;
  readonly random: Random;
  readonly delay: Delay;
}

/** The first wait after a failure; each is twice as long as the one before, up to the longest. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;
/** Some three minutes in all. */
const ATTEMPTS = 18;
const PAGE_ANSWER_LIMIT = 64 * 1024 * 1024;
const SERVICE_UNAVAILABLE = 503;
/** Of one whose place is not known. */
const LIKELY_SEGMENT_BYTES = 64 * 1024;
/** Compressed or not, with a little for each segment. */
const SEGMENTS_ANSWER_LIMIT = MAX_BLOCK_PLAIN_BYTES + SEGMENTS_ASKED_LIMIT * 4 + 1024;

export class RemoteServer {
  readonly #parts: RemoteServerParts;
  /** Aborted when nobody asks any more: what was fetched ahead and is not needed. */
  readonly #closing = new AbortController();

  constructor(parts: RemoteServerParts) {
    this.#parts = parts;
  }

  /** The first question; a server that cannot be reached is told at once. */
  async describe(): Promise<ServedRepositoryDescription> {
    return decodeServedRepository(await this.#askOnce("GET", "/v1/domain", undefined, EXCHANGE_BYTES_LIMIT));
  }

  async images(): Promise<readonly ServedImage[]> {
    return decodeServedImages(await this.#ask("GET", "/v1/images", undefined, EXCHANGE_BYTES_LIMIT));
  }

  async page(question: PageQuestion): Promise<GrantedPage> {
    return decodeGrantedPage(await this.#ask("POST", "/v1/pages", encodePageQuestion(question), PAGE_ANSWER_LIMIT));
  }

  /** Plain; undefined for one that the server cannot read. */
  async segments(
    asked: readonly (AskedSegment & { readonly place?: { readonly length: number } | undefined })[],
  ): Promise<readonly (Uint8Array | undefined)[]> {
    const answer = await this.#ask("POST", "/v1/segments", encodeSegmentQuestion(asked), SEGMENTS_ANSWER_LIMIT);
    const likely = asked.reduce((sum, { place }) => sum + 4 + (place?.length ?? LIKELY_SEGMENT_BYTES), 0);
    const plain = decompressFrame(
      answer,
      SEGMENTS_ANSWER_LIMIT,
      "an answer with segments",
      Math.min(likely, SEGMENTS_ANSWER_LIMIT),
    );
    return decodeSegmentAnswer(plain, asked.length);
  }

  async beginBackup(request: BackupRequest): Promise<BegunBackup> {
    return decodeBegunBackup(await this.#ask("POST", "/v1/backups", encodeBackupRequest(request), EXCHANGE_BYTES_LIMIT));
  }

  /** The reply of the last message; empty when none is due. */
  receive(backup: string, number: number, batch: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#ask("POST", `/v1/backups/${backup}/messages?number=${number}`, batch, MESSAGE_LIMIT, signal);
  }

  offer(backup: string, fingerprints: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#ask("POST", `/v1/backups/${backup}/offers`, fingerprints, TRANSFER_SEGMENTS_LIMIT, signal);
  }

  prove(backup: string, proofs: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#ask("POST", `/v1/backups/${backup}/proofs`, proofs, TRANSFER_SEGMENTS_LIMIT, signal);
  }

  async store(backup: string, block: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#ask("POST", `/v1/backups/${backup}/blocks`, block, MESSAGE_LIMIT, signal);
  }

  /** Ends a backup without an image, if the server hears of it. */
  async giveUp(backup: string): Promise<void> {
    await this.#askOnce("DELETE", `/v1/backups/${backup}`, undefined, EXCHANGE_BYTES_LIMIT).catch(() => undefined);
  }

  async endBackup(backup: string): Promise<EndedBackup> {
    return decodeEndedBackup(await this.#ask("DELETE", `/v1/backups/${backup}`, undefined, EXCHANGE_BYTES_LIMIT));
  }

  close(): void {
    this.#closing.abort();
    this.#parts.connection.close();
  }

  async #ask(
    method: "GET" | "POST" | "DELETE",
    path: string,
    body: Uint8Array | undefined,
    limitBytes: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#askOnce(method, path, body, limitBytes, signal);
      } catch (error) {
        if (signal?.aborted === true) throw interrupted();
        if (this.#closing.signal.aborted) throw error;
        if (!isWorthAnotherAttempt(error) || attempt === ATTEMPTS) throw error;
        await this.#wait(attempt, signal).catch((reason: unknown) => {
          throw signal?.aborted === true ? interrupted() : this.#closing.signal.aborted ? error : reason;
        });
      }
    }
  }

  async #askOnce(
    method: "GET" | "POST" | "DELETE",
    path: string,
    body: Uint8Array | undefined,
    limitBytes: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const given = body === undefined ? {} : { body };
    const answer = await this.#parts.connection.exchange({ method, path, limitBytes, signal, ...given });
    if (answer.status < 400) return answer.body;
    throw decodeErrorReply(answer.status, answer.body);
  }

  #wait(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    const closing = this.#closing.signal;
    return this.#parts.delay(this.#waitMs(attempt), signal === undefined ? closing : AbortSignal.any([closing, signal]));
  }

  /** Not the same for all clients that a server's restart has cut off. */
  #waitMs(attempt: number): number {
    const [first = 0] = this.#parts.random.bytes(1);
    return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1)) * (0.5 + first / 255);
  }
}

function interrupted(): HoldfastError {
  return new HoldfastError("INTERRUPTED", {
    message: "The work with the server was interrupted",
    retry: "now",
    hint: "Run the same command again: what the server has need not be sent again.",
  });
}

function isWorthAnotherAttempt(error: unknown): boolean {
  if (!(error instanceof HoldfastError)) return false;
  // A server that is being stopped comes again.
  return error.code === "SERVER_UNREACHABLE" || error.context["status"] === SERVICE_UNAVAILABLE;
}
