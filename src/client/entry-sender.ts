// Turns what has become of entries into messages, in path order, and mirrors them for the track log.

import { assert } from "../base/assert.ts";
import { ByteWriter, equalBytes, textOf } from "../base/bytes.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { ENTRY_FILE, readEntryBody } from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import { encodeSentPart } from "../formats/image-record.ts";
import { readPackedReferences } from "../formats/segment-reference.ts";
import {
  decodeReply,
  writeCheckpoint,
  writeClaim,
  writeCommit,
  writeContentEnd,
  writeEntry,
  writePackedContent,
} from "../formats/stream.ts";
import type { BackupStatistics, SourceProblem } from "../model/backup-report.ts";
import type { SentPart } from "../model/image.ts";
import type { BaseImage, ImageBuilder } from "../repository/repository.ts";
import type { FileRequests } from "./file-requests.ts";
import { stretchesAgree } from "./pending.ts";
import type { PendingClaim, PendingFile } from "./pending.ts";
import type { ReadResponse } from "./read-protocol.ts";

/** The receiving half, however it is reached. Takes whole messages, in order. */
export interface BackupConnection {
  /** Messages that want no reply. Resolves when there is room for more, which may be before they have arrived. */
  post(batch: Uint8Array): Promise<void>;
  /** Messages of which the last wants a reply, which it resolves with. */
  ask(batch: Uint8Array): Promise<Uint8Array>;
  /** Resolves when the receiving half has all segments that were handed over: before a checkpoint and a commit. */
  settle(): Promise<void>;
}

export interface EntrySenderParts {
  readonly connection: BackupConnection;
  /** Accepted by the receiving half, in this order. */
  readonly bases: readonly BaseImage[];
  /** Mirrors what is sent, for the track log. */
  readonly mirror: ImageBuilder;
  /** With the key of entry pages. */
  readonly pageFingerprintOf: (bytes: Uint8Array) => Fingerprint;
  /** Nothing is really read: files that are read only to make sure count as unchanged. */
  readonly isRehearsal?: boolean;
  readonly statistics: BackupStatistics;
  readonly onProblem: (problem: SourceProblem) => void;
  readonly onChangedWhileRead: (path: Uint8Array) => void;
}

const SEND_BYTES = 128 * 1024;

export class EntrySender {
  readonly #parts: EntrySenderParts;
  readonly #requests: FileRequests;
  readonly #outgoing = new ByteWriter(SEND_BYTES * 2);

  /** `requests` serves files that have to be read once more. */
  constructor(parts: EntrySenderParts, requests: FileRequests) {
    this.#parts = parts;
    this.#requests = requests;
  }

  /** Time to `flush`. */
  get isFull(): boolean {
    return this.#outgoing.length >= SEND_BYTES;
  }

  async flush(): Promise<void> {
    if (this.#outgoing.length === 0) return;
    await this.#parts.connection.post(this.#outgoing.take());
  }

  /** Sends what is gathered, ending with a message that wants a reply. */
  #exchange(): Promise<Uint8Array> {
    return this.#parts.connection.ask(this.#outgoing.take());
  }

  /** An entry that is complete. */
  entry(path: Uint8Array, body: Uint8Array): void {
    writeEntry(this.#outgoing, { path, body, contentFollows: false });
    this.#parts.mirror.addEntry(path, body);
  }

  /** Claims a range; what of it the receiving half does not hold is read and sent again. */
  async claim(claim: PendingClaim): Promise<void> {
    const { bases, statistics, pageFingerprintOf } = this.#parts;
    const base = bases[claim.base];
    assert(base !== undefined, "a claim is made on a base");
    const fingerprint = await base.digest(claim.first, claim.count, pageFingerprintOf);
    await this.flush();
    writeClaim(this.#outgoing, { ...claim, fingerprint });
    const reply = decodeReply(await this.#exchange());
    if (reply.type === "claim-accepted") {
      statistics.entriesClaimed += claim.count;
      await this.#mirror(base, claim.first, claim.count);
      return;
    }
    assert(reply.type === "need", "a claim is accepted or its entries are needed");
    statistics.claimsRefused++;
    // What precedes the part that is needed was accepted.
    const accepted = reply.first - claim.first;
    assert(accepted >= 0 && accepted + reply.count === claim.count, "what is needed is the end of what was claimed");
    statistics.entriesClaimed += accepted;
    if (accepted > 0) await this.#mirror(base, claim.first, accepted);
    await this.#sendAgain(base, reply.first, reply.count);
  }

  async #mirror(base: BaseImage, first: number, count: number): Promise<void> {
    const taken = await this.#parts.mirror.takeOver(base, first, count);
    assert(taken === count, "what was compared can be read again");
  }

  /** The receiving half holds something else: read those files from the source again, whatever the base says. */
  async #sendAgain(base: BaseImage, first: number, count: number): Promise<void> {
    for (const piece of base.pieces(first, count)) {
      const entries: ({ kind: "entry"; path: Uint8Array; body: Uint8Array } | PendingFile)[] = [];
      await base.eachEntry(piece, (cursor) => {
        const path = cursor.pathCopy();
        if (cursor.bytes[cursor.bodyOffset] !== ENTRY_FILE) {
          entries.push({ kind: "entry", path, body: cursor.body().slice() });
          return;
        }
        const file: PendingFile = {
          kind: "file",
          path,
          reason: "changed",
          before: undefined,
          fixedSegmentBytes: readEntryBody(cursor.body()).fixedSegmentBytes,
          responses: [undefined],
          waitingFor: 0,
        };
        entries.push(file);
        this.#requests.addWhole(file, undefined);
      });
      for (const entry of entries) {
        if (entry.kind === "entry") {
          this.entry(entry.path, entry.body);
          continue;
        }
        await this.#requests.complete(entry);
        this.#parts.statistics.filesUnchanged--;
        await this.file(entry);
      }
    }
  }

  /** A file whose responses are all there. Resolves when it is in the stream; most files are at once, and nothing is returned. */
  file(file: PendingFile): Promise<void> | undefined {
    const first = file.responses[0] as ReadResponse;
    if (file.responses.length > 1 || first.contentFollows) return this.#fileInPieces(file);
    if (first.outcome === "stored") this.#wholeFile(file, first);
    else this.#reportUnread(file, first);
    return undefined;
  }

  #wholeFile(file: PendingFile, response: ReadResponse): void {
    this.entry(file.path, response.body);
    this.#countFile(file, response, response.body);
  }

  async #fileInPieces(file: PendingFile): Promise<void> {
    let complete = file;
    if (file.responses.length > 1 && !stretchesAgree(file)) complete = await this.#readWhole(file);
    const first = complete.responses[0] as ReadResponse;
    if (first.outcome !== "stored") {
      this.#reportUnread(complete, first);
      return;
    }
    if (!first.contentFollows) {
      this.#wholeFile(complete, first);
      return;
    }
    const { mirror } = this.#parts;
    writeEntry(this.#outgoing, { path: complete.path, body: first.body, contentFollows: true });
    mirror.beginContent(complete.path, first.body);
    for (const response of complete.responses as ReadResponse[]) {
      writePackedContent(this.#outgoing, response.references);
      for (const reference of readPackedReferences(response.references)) mirror.addContent(reference);
      if (this.isFull) await this.flush();
    }
    writeContentEnd(this.#outgoing);
    this.#countFile(complete, first, mirror.endContent());
  }

  /** A large file changed while its stretches were read: read it once more in one piece. */
  async #readWhole(file: PendingFile): Promise<PendingFile> {
    const again: PendingFile = { ...file, responses: [undefined], waitingFor: 0 };
    this.#requests.addWhole(again, undefined);
    await this.#requests.complete(again);
    return again;
  }

  #reportUnread(file: PendingFile, response: ReadResponse): void {
    const { statistics, onProblem } = this.#parts;
    if (response.outcome === "vanished") statistics.vanished++;
    else if (response.outcome === "not-a-file") onProblem({ path: textOf(file.path), action: "read", code: "REPLACED" });
    else onProblem({ path: textOf(file.path), action: "open", code: response.errorCode });
  }

  #countFile({ path, reason, before }: PendingFile, { changedWhileRead }: ReadResponse, body: Uint8Array): void {
    const { statistics, onChangedWhileRead, isRehearsal } = this.#parts;
    if (changedWhileRead) {
      statistics.changedWhileRead++;
      onChangedWhileRead(path);
    }
    if (reason === "new") statistics.filesNew++;
    else if (reason === "changed" || before === undefined) statistics.filesChanged++;
    else if (isRehearsal === true || hasEqualContent(readEntryBody(before), readEntryBody(body))) statistics.filesUnchanged++;
    else {
      statistics.filesChanged++;
      if (reason === "rescan") statistics.silentChanges++;
    }
    if (reason === "rescan") statistics.rescanned++;
  }

  /** Resolves when everything sent so far is durable. */
  async checkpoint(): Promise<void> {
    await this.flush();
    await this.#parts.connection.settle();
    writeCheckpoint(this.#outgoing);
    await this.#exchange();
    this.#parts.mirror.checkpoint();
  }

  /** Sends the client's part of the image record; resolves with the image's id when it is durable. */
  async commit(sent: SentPart): Promise<string> {
    await this.#parts.connection.settle();
    writeCommit(this.#outgoing, encodeSentPart(sent));
    const reply = decodeReply(await this.#exchange());
    assert(reply.type === "committed", "a commit is answered with the image");
    this.#parts.mirror.finish();
    return reply.imageId;
  }
}

function hasEqualContent(a: EntryBody, b: EntryBody): boolean {
  if (a.sizeBytes !== b.sizeBytes) return false;
  if (a.segmentList !== undefined || b.segmentList !== undefined) {
    return (
      a.segmentList !== undefined &&
      b.segmentList !== undefined &&
      equalBytes(a.segmentList.fingerprint, b.segmentList.fingerprint)
    );
  }
  const [x, y] = [a.segments ?? [], b.segments ?? []];
  return (
    x.length === y.length &&
    x.every((segment, i) => {
      const other = y[i];
      if (other === undefined || segment.length !== other.length) return false;
      if (segment.kind === "hole" || other.kind === "hole") return segment.kind === other.kind;
      return equalBytes(segment.fingerprint, other.fingerprint);
    })
  );
}
