// One backup that a client sends over a network. Its messages are numbered: one that comes again, because its answer was lost on the
// way, gets the same answer and has no second effect. Segments may come in any order and more than once.

import { timingSafeEqual } from "node:crypto";
import { HoldfastError, errorFrom } from "../../base/errors.ts";
import { FINGERPRINT_BYTES } from "../../base/fingerprint.ts";
import type { Fingerprint } from "../../base/fingerprint.ts";
import { createFingerprinter } from "../../engine/engine.ts";
import type { Fingerprinter } from "../../engine/engine.ts";
import {
  CHALLENGE_BYTES,
  PROVED_SEGMENT_BYTES,
  SEGMENT_HELD,
  SEGMENT_TO_PROVE,
  SEGMENT_WANTED,
  readOffer,
  readProofs,
} from "../../formats/segment-transfer.ts";
import { encodeReply } from "../../formats/stream.ts";
import type { EndedBackup } from "../../formats/server-exchange.ts";
import type { ImageDescription, ImageId } from "../../model/image.ts";
import { asJob } from "../job-history.ts";
import type { Opened } from "../opened.ts";
import type { OfferedBase, StoredFigures } from "../other-half.ts";
import { ReceivingHalf } from "../receiving-half.ts";
import { inSession } from "../session.ts";

export interface IntakeRequest {
  readonly description: ImageDescription;
  readonly withBases: boolean;
}

const NO_ANSWER = new Uint8Array(0);
/** So many batches may be on their way, and so many answers are kept for those whose answer was lost. */
const BATCHES_AHEAD = 32;

export class Intake {
  readonly challenge: Uint8Array;
  readonly #opened: Opened;
  readonly #half: ReceivingHalf;
  readonly #prover: Fingerprinter;
  readonly #notices: readonly string[];
  /** Lets the session end. */
  readonly #end: (error?: Error) => void;
  readonly #ended: Promise<void>;
  /** Of the messages that are expected next. */
  #next = 1;
  readonly #waiting = new Map<number, Uint8Array>();
  readonly #answers = new Map<number, PromiseWithResolvers<Uint8Array>>();
  #last: Promise<Uint8Array> = Promise.resolve(NO_ANSWER);
  /** Proofs and blocks that are being looked at. */
  readonly #atWork = new Set<Promise<unknown>>();
  #image: string | undefined;
  #figures: StoredFigures | undefined;
  #nextThread = 0;

  static async begin(opened: Opened, { description, withBases }: IntakeRequest): Promise<Intake> {
    const notices: string[] = [];
    const begun = Promise.withResolvers<ReceivingHalf>();
    const end = Promise.withResolvers<Error | undefined>();
    const onNotice = (text: string): void => void notices.push(text);
    let image: () => string | undefined = () => undefined;
    const receive = (): Promise<void> =>
      inSession(opened, async (session) => {
        await using half = await ReceivingHalf.open(opened, {
          session,
          description,
          withBases,
          role: "receive",
          threads: THREADS,
          compression: "default",
          verifyBlocks: true,
          requiresSegments: true,
          onNotice,
        });
        begun.resolve(half);
        const failure = await end.promise;
        if (failure !== undefined) throw failure;
      });
    const ended = asJob(opened, "backup", receive, () => {
      const id = image();
      return { outcome: "done", detail: description.source, ...(id === undefined ? {} : { image: id as ImageId }) };
    });
    ended.catch((error: unknown) => begun.reject(errorFrom(error)));
    const half = await begun.promise;
    const intake = new Intake(opened, half, notices, (failure) => end.resolve(failure), ended);
    image = () => intake.#image;
    return intake;
  }

  private constructor(
    opened: Opened,
    half: ReceivingHalf,
    notices: readonly string[],
    end: (error?: Error) => void,
    ended: Promise<void>,
  ) {
    const { random, loadBlake } = opened.services;
    this.challenge = random.bytes(CHALLENGE_BYTES);
    this.#opened = opened;
    this.#half = half;
    this.#notices = notices;
    this.#prover = createFingerprinter(this.challenge, loadBlake);
    this.#end = end;
    this.#ended = ended;
  }

  get checkpoint(): OfferedBase | undefined {
    return this.#half.checkpoint;
  }

  get images(): readonly OfferedBase[] {
    return this.#half.images;
  }

  get mustRead(): readonly Uint8Array[] {
    return this.#half.pathsToRead;
  }

  /**
   * Messages of the stream; `number` counts up from 1, and a batch may come before those that precede it. One that comes again gets the
   * same answer. After a failure there is no going on.
   */
  receive(number: number, batch: Uint8Array): Promise<Uint8Array> {
    const known = this.#answers.get(number);
    if (known !== undefined) return known.promise;
    if (!Number.isSafeInteger(number) || number < this.#next || number >= this.#next + BATCHES_AHEAD) {
      return Promise.reject(outOfOrder(number, this.#next));
    }
    const answer = Promise.withResolvers<Uint8Array>();
    // Whoever asks for it is told.
    answer.promise.catch(() => undefined);
    this.#answers.set(number, answer);
    this.#waiting.set(number, batch);
    this.#goOn();
    return answer.promise;
  }

  /** Takes what has come in order. */
  #goOn(): void {
    for (let batch = this.#waiting.get(this.#next); batch !== undefined; batch = this.#waiting.get(this.#next)) {
      const number = this.#next++;
      const taken = batch;
      this.#waiting.delete(number);
      this.#answers.delete(number - BATCHES_AHEAD);
      const answer = this.#answers.get(number) as PromiseWithResolvers<Uint8Array>;
      this.#last = this.#last.then(() => this.#receive(taken));
      this.#last.then(answer.resolve, answer.reject);
    }
  }

  async #receive(batch: Uint8Array): Promise<Uint8Array> {
    const reply = await this.#half.receive(batch);
    if (reply === undefined) return NO_ANSWER;
    if (reply.type === "committed") this.#image = reply.imageId;
    return encodeReply(reply);
  }

  /** Of batches whose predecessors do not come any more. */
  #forgetWaiting(): void {
    for (const number of this.#waiting.keys()) this.#answers.get(number)?.reject(abandoned());
    this.#waiting.clear();
    this.#next = Number.POSITIVE_INFINITY;
  }

  /** What of an offer is wanted, one state for each fingerprint. */
  offer(fingerprints: Uint8Array): Uint8Array {
    const count = readOffer(fingerprints);
    const states = new Uint8Array(count);
    const { index } = this.#opened;
    for (let i = 0; i < count; i++) {
      const fingerprint = fingerprints.subarray(i * FINGERPRINT_BYTES, (i + 1) * FINGERPRINT_BYTES) as Fingerprint;
      if (this.#half.holds(fingerprint)) states[i] = SEGMENT_HELD;
      else states[i] = index.has(fingerprint) ? SEGMENT_TO_PROVE : SEGMENT_WANTED;
    }
    return states;
  }

  /** 1 for each segment whose possession is believed. One that cannot be read here is not: it is sent again, and so made whole. */
  prove(proofs: Uint8Array): Promise<Uint8Array> {
    return this.#tracked(this.#prove(proofs));
  }

  async #prove(proofs: Uint8Array): Promise<Uint8Array> {
    const count = readProofs(proofs);
    const believed = new Uint8Array(count);
    for (let i = 0; i < count; i++) {
      const at = i * PROVED_SEGMENT_BYTES;
      const fingerprint = proofs.slice(at, at + FINGERPRINT_BYTES) as Fingerprint;
      const proof = proofs.subarray(at + FINGERPRINT_BYTES, at + PROVED_SEGMENT_BYTES);
      if (!(await this.#isProved(fingerprint, proof))) continue;
      this.#half.noteHeld(fingerprint);
      believed[i] = 1;
    }
    return believed;
  }

  async #isProved(fingerprint: Fingerprint, proof: Uint8Array): Promise<boolean> {
    try {
      return timingSafeEqual(this.#prover.of(await this.#opened.reader.load("data", fingerprint)), proof);
    } catch (error) {
      if (error instanceof HoldfastError) return false;
      throw error;
    }
  }

  /** Stores a block of segments. */
  store(block: Uint8Array): Promise<void> {
    return this.#tracked(this.#store(block));
  }

  /** The end waits for it. */
  async #tracked<T>(work: Promise<T>): Promise<T> {
    this.#atWork.add(work);
    try {
      return await work;
    } finally {
      this.#atWork.delete(work);
    }
  }

  async #store(block: Uint8Array): Promise<void> {
    const { threads } = this.#half;
    const thread = threads[this.#nextThread++ % threads.length];
    if (thread === undefined) throw new Error("Broken invariant: there is a thread that stores");
    await thread.serve(new Uint8Array(block));
  }

  /** After the commit, or without: then no image appears. What was stored is there for the next backup. */
  async end(): Promise<EndedBackup> {
    this.#forgetWaiting();
    // What is being taken is taken first: whoever asked for it is answered.
    await Promise.allSettled([this.#last, ...this.#atWork]);
    try {
      if (this.#image !== undefined) this.#figures ??= await this.#half.afterCommit(this.#image);
    } finally {
      this.#end(this.#image === undefined ? abandoned() : undefined);
      await this.#ended.catch((error: unknown) => {
        if (this.#image !== undefined) throw error;
      });
    }
    const { plainBytes = 0, storedBytes = 0 } = this.#figures ?? {};
    return { plainBytes, storedBytes, notices: this.#notices };
  }
}

/** Of one backup; the next client has a processor, too. */
const THREADS = 1;

function outOfOrder(number: number, next: number): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", {
    message: `Message ${number} of a backup came when ${next} was expected`,
    hint: "The sending half is faulty or of another version.",
  });
}

function abandoned(): HoldfastError {
  return new HoldfastError("INTERRUPTED", {
    message: "The client ended the backup without an image",
    retry: "now",
    hint: "The next backup goes on from there.",
  });
}
