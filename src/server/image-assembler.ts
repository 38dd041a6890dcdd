// The receiving half of a backup: takes the messages of the stream in order, checks every claim against the
// repository's own pages, and builds the new full image. It trusts nothing it is told.

import { equalBytes, textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { ENTRY_FIXED_BYTES, readEntryBody } from "../formats/entry.ts";
import { PATH_LIMIT } from "../formats/entry-page.ts";
import { segmentsOfBody } from "../formats/granted-pages.ts";
import { decodeSentPart } from "../formats/image-record.ts";
import { readClientMessages } from "../formats/stream.ts";
import type { Claim, ClientMessage, EntryMessage, ServerReply } from "../formats/stream.ts";
import type { SentPart } from "../model/image.ts";
import { comparePaths } from "../model/path-order.ts";
import { ImageBuilder } from "../repository/repository.ts";
import type { BaseImage, EntryTreeRoot, PageSink } from "../repository/repository.ts";
import type { HeldSegments } from "./held-segments.ts";

export interface AssemblerServices {
  readonly sink: PageSink;
  /** With the key of entry pages. */
  readonly fingerprintOf: (bytes: Uint8Array) => Fingerprint;
  /** The image when it exists and its pages can be read, else the reason why not. */
  openBase(imageId: string): Promise<BaseImage | { readonly refused: string }>;
  /** Whether the sender has what it refers to; undefined when whoever sends has stored it itself. */
  readonly segments?: HeldSegments | undefined;
  /** Makes everything stored so far durable and remembers how far the image has come. */
  checkpoint(root: EntryTreeRoot): Promise<void>;
  /** Publishes the image; resolves with its id once it is durable. */
  commit(root: EntryTreeRoot, sent: SentPart): Promise<string>;
}

type Request = Exclude<ClientMessage, { type: "entry" | "content" | "content-end" }>;

export class ImageAssembler {
  readonly #services: AssemblerServices;
  readonly #image: ImageBuilder;
  readonly #bases: BaseImage[] = [];
  readonly #lastPath = new Uint8Array(PATH_LIMIT);
  /** -1 before the first entry: the root directory has the empty path. */
  #lastLength = -1;
  #isFinished = false;

  constructor(services: AssemblerServices) {
    this.#services = services;
    this.#image = new ImageBuilder({ sink: services.sink });
  }

  /** Handles whole messages, in order. A message that wants a reply is the last of its batch. */
  async receive(batch: Uint8Array): Promise<ServerReply | undefined> {
    let reply: ServerReply | undefined;
    for (const message of readClientMessages(batch)) {
      if (this.#isFinished) throw streamError("a message after the commit");
      if (reply !== undefined) throw streamError("a message behind one that waits for its reply");
      if (message.type === "entry") this.#addEntry(message);
      else if (message.type === "content") this.#addContent(message);
      else if (message.type === "content-end") this.#endContent();
      else reply = await this.#answer(message);
    }
    return reply;
  }

  async #answer(message: Request): Promise<ServerReply> {
    if (this.#image.isInsideContent) throw streamError(`"${message.type}" inside the content of an entry`);
    switch (message.type) {
      case "base-offer": {
        const base = await this.#services.openBase(message.imageId);
        if ("refused" in base) return { type: "base-refused", reason: base.refused };
        this.#bases.push(base);
        return { type: "base-accepted" };
      }
      case "claim":
        return this.#takeOver(message.claim);
      case "checkpoint": {
        this.#services.segments?.requireAll();
        const root = this.#image.checkpoint();
        if (root !== undefined) await this.#services.checkpoint(root);
        return { type: "checkpointed" };
      }
      case "commit": {
        this.#services.segments?.requireAll();
        const sent = decodeSentPart(message.record);
        const root = this.#image.finish();
        if (root === undefined) throw streamError("the image holds no entry");
        this.#isFinished = true;
        return { type: "committed", imageId: await this.#services.commit(root, sent) };
      }
    }
  }

  /** Verifies first and changes nothing unless the range is what the client believes it to be. */
  async #takeOver(claim: Claim): Promise<ServerReply> {
    const base = this.#bases[claim.base];
    if (base === undefined) throw streamError(`a claim on base number ${claim.base}, which was never accepted`);
    const { first, count } = claim;
    if (first + count > base.entryCount || !(await this.#isAsClaimed(base, claim))) return { type: "need", first, count };
    await this.#advanceToEntry(base, first);
    const taken = await this.#image.takeOver(base, first, count);
    // What of the base cannot be read any more is needed from the client, like what it holds differently.
    if (taken < count) {
      if (taken > 1) await this.#advanceToEntry(base, first + taken - 1);
      return { type: "need", first: first + taken, count: count - taken };
    }
    if (count > 1) await this.#advanceToEntry(base, first + count - 1);
    return { type: "claim-accepted" };
  }

  /** Needs the first and the last page of the range, for the order of what follows, and those that are only partly in it. */
  async #isAsClaimed(base: BaseImage, { first, count, fingerprint }: Claim): Promise<boolean> {
    for (const position of [first, first + count - 1]) {
      for (const piece of base.pieces(position, 1)) if (!(await base.isReadable(piece.page))) return false;
    }
    return equalBytes(await base.digest(first, count, this.#services.fingerprintOf), fingerprint);
  }

  async #advanceToEntry(base: BaseImage, position: number): Promise<void> {
    for (const piece of base.pieces(position, 1)) {
      await base.eachEntry(piece, (cursor) => this.#advanceTo(cursor.path, cursor.pathLength));
    }
  }

  #advanceTo(path: Uint8Array, pathLength: number): void {
    const last = this.#lastPath;
    if (this.#lastLength >= 0 && comparePaths(last, this.#lastLength, path, pathLength) >= 0) {
      const name = textOf(path.subarray(0, pathLength));
      throw streamError(`entry "${name}" does not come after "${textOf(last.subarray(0, this.#lastLength))}"`);
    }
    for (let i = 0; i < pathLength; i++) last[i] = path[i] as number;
    this.#lastLength = pathLength;
  }

  #addEntry(message: EntryMessage): void {
    if (this.#image.isInsideContent) throw streamError("an entry inside the content of another");
    const { path, body } = message;
    if (body.length < ENTRY_FIXED_BYTES) throw streamError(`an entry body of ${body.length} bytes`);
    this.#noteReferences(body);
    this.#advanceTo(path, path.length);
    if (message.contentFollows) this.#image.beginContent(path, body);
    else this.#image.addEntry(path, body);
  }

  #addContent(message: Extract<ClientMessage, { type: "content" }>): void {
    if (!this.#image.isInsideContent) throw streamError("content that belongs to no entry");
    for (const segment of message.segments) {
      if (segment.kind === "data") this.#services.segments?.note(segment.fingerprint);
      this.#image.addContent(segment);
    }
  }

  #noteReferences(body: Uint8Array): void {
    const { segments } = this.#services;
    if (segments === undefined) return;
    const entry = readEntryBody(body);
    if (entry.segmentList !== undefined) throw streamError("an entry that brings a list of segments, which is made here");
    for (const fingerprint of segmentsOfBody(entry)) segments.note(fingerprint);
  }

  #endContent(): void {
    if (!this.#image.isInsideContent) throw streamError("the end of content that never began");
    this.#image.endContent();
  }
}

function streamError(problem: string): HoldfastError {
  return new HoldfastError("FORMAT_INVALID", {
    message: `Cannot follow the backup stream: ${problem}`,
    hint: "The sending half is faulty or of another version. Nothing was committed.",
  });
}
