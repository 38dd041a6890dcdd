// The sending half of a backup: walks the source side by side with the base image, coalesces what has not
// changed into claims, has the rest read, and sends it all in path order. It holds a bounded window of entries, so memory
// does not grow with the tree.

import { assert } from "../base/assert.ts";
import { ByteWriter, equalBytes, textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { ENTRY_FILE, readEntryBody, writeEntryBody } from "../formats/entry.ts";
import type { EntryAttribute, EntryBody } from "../formats/entry.ts";
import {
  decodeReply,
  writeCheckpoint,
  writeClaim,
  writeCommit,
  writeContentEnd,
  writeEntry,
  writePackedContent,
} from "../formats/stream.ts";
import { readPackedReferences } from "../formats/segment-reference.ts";
import type { BackupStatistics, SourceProblem } from "../model/backup-report.ts";
import { comparePaths, nameStartOf } from "../model/path-order.ts";
import type { Clock } from "../platform/clock.ts";
import { FileTreeError, KIND_DIRECTORY, KIND_FILE, KIND_SYMBOLIC_LINK } from "../platform/file-tree.ts";
import type { FileTree } from "../platform/file-tree.ts";
import type { BaseImage, ImageBuilder } from "../repository/repository.ts";
import type { FileShape, Segmentation, TreeWalk } from "../sources/files/files.ts";
import { BaseCursor } from "./base-cursor.ts";
import { compareEntry, entryBodyOf } from "./entry-body.ts";
import type { ChangeRules } from "./entry-body.ts";
import { PendingQueue, stretchesAgree } from "./pending.ts";
import type { PendingClaim, PendingFile, ReadReason } from "./pending.ts";
import { ReadRequestWriter, readResponses } from "./read-protocol.ts";
import type { ReadResponse } from "./read-protocol.ts";
import type { ReaderPool } from "./reader-pool.ts";

/** The receiving half, however it is reached. Takes whole messages; answers with an encoded reply where one is due. */
export interface BackupConnection {
  send(batch: Uint8Array): Promise<Uint8Array | undefined>;
}

export interface BackupRunParts {
  readonly walk: TreeWalk;
  readonly tree: FileTree;
  readonly clock: Clock;
  /** Accepted by the receiving half, in this order. */
  readonly bases: readonly BaseImage[];
  readonly connection: BackupConnection;
  readonly pool: ReaderPool;
  /** Mirrors what is sent, for the track log. */
  readonly mirror: ImageBuilder;
  /** With the key of entry pages. */
  readonly pageFingerprintOf: (bytes: Uint8Array) => Fingerprint;
  /** Numeric ids that occur, for their names. */
  readonly owners: { readonly users: Set<number>; readonly groups: Set<number> };
  /** Decides where extended attributes of entries without content go. */
  readonly attributeParts: (attributes: readonly EntryAttribute[]) => Pick<EntryBody, "attributes" | "storedAttributes">;
  readonly statistics: BackupStatistics;
  readonly onProblem: (problem: SourceProblem) => void;
  readonly onChangedWhileRead: (path: Uint8Array) => void;
  /** Called often; cheap. */
  readonly onProgress: (path: () => string) => void;
  readonly settings: BackupRunSettings;
  readonly signal?: AbortSignal | undefined;
}

export interface BackupRunSettings {
  readonly rules: ChangeRules;
  readonly withAttributes: boolean;
  /** Decides for each unchanged file whether to read it all the same. */
  readonly rescans: ((path: Uint8Array, pathLength: number) => boolean) | undefined;
  /** Segment size for files that are changed in place, undefined for content-defined cutting. */
  readonly fixedSegmentBytes: (file: FileShape, before: Segmentation | undefined) => number | undefined;
  readonly checkpointMs: number;
  readonly checkpointBytes: number;
}

const REQUEST_FILES = 256;
const REQUEST_BYTES = 4 * 1024 * 1024;
/** Files larger than this are read in stretches, by several threads at once. */
const STRETCH_BYTES = 256 * 1024 * 1024;
/** How many entries may wait behind a file that is still being read. */
const QUEUE_LIMIT = 32 * 1024;
const SEND_BYTES = 128 * 1024;
/** Entries between two looks at the reading threads while they have work. */
const ENTRIES_PER_TURN = 128;
const ENTRIES_PER_IDLE_TURN = 1024;

export class BackupRun {
  readonly #parts: BackupRunParts;
  readonly #cursor: BaseCursor;
  readonly #queue = new PendingQueue();
  readonly #outgoing = new ByteWriter(SEND_BYTES * 2);
  readonly #body = new ByteWriter(4096);
  readonly #request = new ReadRequestWriter();
  #requestFiles: { readonly file: PendingFile; readonly part: number }[] = [];
  #requestBytes = 0;
  #claim: { base: number; first: number; count: number } | undefined;
  #directory: Uint8Array = new Uint8Array(0);
  #checkpointAtMs: number;
  #bytesAtCheckpoint = 0;
  #lastUser = -1;
  #lastGroup = -1;

  constructor(parts: BackupRunParts) {
    this.#parts = parts;
    this.#cursor = new BaseCursor(parts.bases);
    this.#checkpointAtMs = parts.clock.elapsedMs() + parts.settings.checkpointMs;
  }

  /** Walks and sends everything; nothing is committed yet. */
  async sendEntries(): Promise<void> {
    const { walk, pool } = this.#parts;
    const cursor = this.#cursor;
    await cursor.nextPage();
    let untilTurn = ENTRIES_PER_TURN;
    while (walk.next()) {
      const { path, pathLength } = walk;
      let order = 1;
      while (!cursor.hasEnded) {
        order = comparePaths(cursor.entry.path, cursor.entry.pathLength, path, pathLength);
        if (order >= 0) break;
        this.#parts.statistics.removed++;
        if (!cursor.step()) await cursor.nextPage();
        order = 1;
      }
      this.#visit(order === 0);
      if (order === 0 && !cursor.step()) await cursor.nextPage();
      if (--untilTurn > 0) continue;
      await this.#turn();
      untilTurn = pool.inFlight > 0 ? ENTRIES_PER_TURN : ENTRIES_PER_IDLE_TURN;
    }
    await this.#finish();
  }

  /** Sends the client's part of the image record; resolves with the image's id when it is durable. */
  async commit(record: string): Promise<string> {
    writeCommit(this.#outgoing, record);
    const reply = decodeReply(await this.#exchange());
    assert(reply.type === "committed", "a commit is answered with the image");
    this.#parts.mirror.finish();
    return reply.imageId;
  }

  // --- one entry -----------------------------------------------------------------------------

  #visit(isInBase: boolean): void {
    const { walk, settings, statistics } = this.#parts;
    const { stat } = walk;
    const isFile = stat.kind === KIND_FILE;
    this.#noteOwner(stat.userId, stat.groupId);
    if (isFile) statistics.sourceBytes += stat.sizeBytes;
    else if (stat.kind === KIND_DIRECTORY) statistics.directories++;
    else if (stat.kind === KIND_SYMBOLIC_LINK) statistics.symbolicLinks++;
    else statistics.others++;
    const cursor = this.#cursor;
    const comparison = isInBase ? compareEntry(stat, cursor.entry, cursor.view, settings.rules) : "new";
    if (comparison === "unchanged" && !(isFile && settings.rescans?.(walk.path, walk.pathLength) === true)) {
      if (isFile) {
        statistics.filesUnchanged++;
        statistics.bytesUnchanged += stat.sizeBytes;
      }
      this.#extendClaim(cursor.base, cursor.position);
    } else if (!isFile) {
      if (comparison === "new") statistics.othersNew++;
      else statistics.othersChanged++;
      this.#addEntry();
    } else {
      const before = isInBase ? cursor.entry.body().slice() : undefined;
      this.#addFile(comparison === "unchanged" ? "rescan" : comparison, before);
    }
  }

  #noteOwner(userId: number, groupId: number): void {
    if (userId !== this.#lastUser) this.#parts.owners.users.add((this.#lastUser = userId));
    if (groupId !== this.#lastGroup) this.#parts.owners.groups.add((this.#lastGroup = groupId));
  }

  #extendClaim(base: number, position: number): void {
    const claim = this.#claim;
    if (claim !== undefined && claim.base === base && claim.first + claim.count === position) {
      claim.count++;
      return;
    }
    this.#endClaim();
    this.#claim = { base, first: position, count: 1 };
  }

  #endClaim(): void {
    if (this.#claim === undefined) return;
    this.#queue.push({ kind: "claim", ...this.#claim });
    this.#claim = undefined;
  }

  /** Directories, links and special files: everything is known at once. */
  #addEntry(): void {
    const { walk, tree, settings, clock } = this.#parts;
    const { stat, directory, name } = walk;
    const path = walk.path.slice(0, walk.pathLength);
    const body: { -readonly [K in keyof EntryBody]: EntryBody[K] } = entryBodyOf(stat, clock.now());
    try {
      if (stat.kind === KIND_SYMBOLIC_LINK) body.linkTarget = tree.readLinkAt(directory, name);
      if (settings.withAttributes) {
        const attributes = walk.extendedAttributes();
        if (attributes.length > 0) Object.assign(body, this.#parts.attributeParts(attributes));
      }
    } catch (error) {
      if (!(error instanceof FileTreeError)) throw error;
      if (error.code === "ENOENT" || error.code === "EINVAL") this.#parts.statistics.vanished++;
      else this.#parts.onProblem({ path: textOf(path), action: "read", code: error.code });
      return;
    }
    this.#endClaim();
    this.#body.clear();
    writeEntryBody(this.#body, body);
    this.#queue.push({ kind: "entry", path, body: this.#body.peek().slice() });
  }

  #addFile(reason: ReadReason, before: Uint8Array | undefined): void {
    const { walk, settings } = this.#parts;
    const { stat, path, pathLength } = walk;
    this.#endClaim();
    const { sizeBytes, allocatedBytes } = stat;
    const shape = { path, pathLength, sizeBytes, allocatedBytes };
    const fixedSegmentBytes = settings.fixedSegmentBytes(shape, before === undefined ? undefined : segmentationOf(before));
    this.#parts.statistics.bytesToRead += stat.sizeBytes;
    const parts = Math.max(1, Math.ceil(stat.sizeBytes / STRETCH_BYTES));
    const file: PendingFile = {
      kind: "file",
      path: path.slice(0, pathLength),
      reason,
      before,
      fixedSegmentBytes,
      responses: [],
      waitingFor: 0,
    };
    this.#queue.push(file);
    if (parts === 1) this.#requestRead(file, undefined, stat.sizeBytes);
    for (let part = 0; part < parts && parts > 1; part++) {
      const from = part * STRETCH_BYTES;
      // The last stretch reads on to the end, wherever that is by then.
      const to = part === parts - 1 ? Number.MAX_SAFE_INTEGER : from + STRETCH_BYTES;
      this.#requestRead(file, { from, to }, STRETCH_BYTES);
    }
  }

  #requestRead(file: PendingFile, stretch: { from: number; to: number } | undefined, expectedBytes: number): void {
    const nameStart = nameStartOf(file.path, file.path.length);
    const part = file.responses.length;
    file.responses.push(undefined);
    file.waitingFor++;
    this.#request.add({
      directory: this.#directoryOf(file.path, nameStart),
      name: file.path.subarray(nameStart),
      fixedSegmentBytes: file.fixedSegmentBytes,
      stretch,
    });
    this.#requestFiles.push({ file, part });
    this.#requestBytes += expectedBytes;
    if (this.#request.count >= REQUEST_FILES || this.#requestBytes >= REQUEST_BYTES) this.#dispatch();
  }

  /** The absolute path of the directory; the same object for files of the same directory. */
  #directoryOf(path: Uint8Array, nameStart: number): Uint8Array {
    const cached = this.#directory;
    const length = Math.max(nameStart, 1);
    if (cached.length === length && equalBytes(cached.subarray(1), path.subarray(0, length - 1))) return cached;
    const directory = new Uint8Array(length);
    directory[0] = 0x2f;
    directory.set(path.subarray(0, length - 1), 1);
    this.#directory = directory;
    return directory;
  }

  #dispatch(): void {
    if (this.#request.count === 0) return;
    const files = this.#requestFiles;
    const bytes = this.#requestBytes;
    this.#requestFiles = [];
    this.#requestBytes = 0;
    this.#parts.pool.dispatch(this.#request.take(), bytes, (packed) => {
      let i = 0;
      for (const response of readResponses(packed)) {
        const { file, part } = files[i++] as (typeof files)[number];
        file.responses[part] = response;
        file.waitingFor--;
        this.#parts.statistics.bytesRead += response.bytesRead;
      }
      assert(i === files.length, "every requested file is answered");
    });
  }

  // --- the window ----------------------------------------------------------------------------

  /** Between two stretches of the walk: sends what is complete, and waits when too much is on its way. */
  async #turn(): Promise<void> {
    const { pool } = this.#parts;
    // Threads with nothing to do are given what there is.
    if (pool.inFlight === 0) this.#dispatch();
    if (pool.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
    await this.#advance();
    while (pool.isSaturated || (this.#queue.length > QUEUE_LIMIT && pool.inFlight > 0)) {
      await pool.progress();
      await this.#advance();
    }
    pool.check();
  }

  async #finish(): Promise<void> {
    const { pool, statistics } = this.#parts;
    const cursor = this.#cursor;
    while (!cursor.hasEnded) {
      statistics.removed++;
      if (!cursor.step()) await cursor.nextPage();
    }
    this.#endClaim();
    this.#dispatch();
    for (;;) {
      await this.#advance();
      if (this.#queue.length === 0) break;
      // A response may have come while the queue was being drained.
      if (this.#queue.ready() !== undefined) continue;
      assert(pool.inFlight > 0, "an incomplete entry waits for a reading thread");
      await pool.progress();
    }
    await this.#flush();
  }

  async #advance(): Promise<void> {
    const { signal, onProgress, walk } = this.#parts;
    if (signal?.aborted === true) throw interrupted();
    onProgress(() => textOf(walk.path.subarray(0, walk.pathLength)));
    await this.#drain();
    if (this.#isCheckpointDue()) await this.#checkpoint();
  }

  /** Sends what is complete, in order. */
  async #drain(): Promise<void> {
    for (;;) {
      const item = this.#queue.ready();
      if (item === undefined) break;
      this.#queue.remove();
      if (item.kind === "claim") await this.#sendClaim(item);
      else if (item.kind === "entry") this.#sendEntry(item.path, item.body);
      else await this.#sendFile(item);
      if (this.#outgoing.length >= SEND_BYTES) await this.#flush();
    }
  }

  #isCheckpointDue(): boolean {
    const { clock, settings, statistics } = this.#parts;
    const bytes = statistics.bytesRead - this.#bytesAtCheckpoint;
    return bytes >= settings.checkpointBytes || (bytes > 0 && clock.elapsedMs() >= this.#checkpointAtMs);
  }

  async #checkpoint(): Promise<void> {
    await this.#flush();
    writeCheckpoint(this.#outgoing);
    await this.#exchange();
    this.#parts.mirror.checkpoint();
    this.#bytesAtCheckpoint = this.#parts.statistics.bytesRead;
    this.#checkpointAtMs = this.#parts.clock.elapsedMs() + this.#parts.settings.checkpointMs;
  }

  // --- messages ------------------------------------------------------------------------------

  async #flush(): Promise<void> {
    if (this.#outgoing.length === 0) return;
    await this.#parts.connection.send(this.#outgoing.take());
  }

  /** Sends what is gathered, ending with a message that wants a reply. */
  async #exchange(): Promise<Uint8Array> {
    const reply = await this.#parts.connection.send(this.#outgoing.take());
    assert(reply !== undefined, "this message is answered");
    return reply;
  }

  #sendEntry(path: Uint8Array, body: Uint8Array): void {
    writeEntry(this.#outgoing, { path, body, contentFollows: false });
    this.#parts.mirror.addEntry(path, body);
  }

  async #sendClaim(claim: PendingClaim): Promise<void> {
    const { bases, mirror, statistics, pageFingerprintOf } = this.#parts;
    const base = bases[claim.base];
    assert(base !== undefined, "a claim is made on a base");
    const fingerprint = await base.digest(claim.first, claim.count, pageFingerprintOf);
    await this.#flush();
    writeClaim(this.#outgoing, { ...claim, fingerprint });
    const reply = decodeReply(await this.#exchange());
    if (reply.type === "claim-accepted") {
      statistics.entriesClaimed += claim.count;
      await mirror.takeOver(base, claim.first, claim.count);
      return;
    }
    assert(reply.type === "need", "a claim is accepted or its entries are needed");
    statistics.claimsRefused++;
    await this.#sendAgain(base, reply.first, reply.count);
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
          responses: [],
          waitingFor: 0,
        };
        entries.push(file);
        this.#requestRead(file, undefined, 0);
      });
      this.#dispatch();
      for (const entry of entries) {
        if (entry.kind === "entry") {
          this.#sendEntry(entry.path, entry.body);
          continue;
        }
        while (entry.waitingFor > 0) await this.#parts.pool.progress();
        this.#parts.statistics.filesUnchanged--;
        await this.#sendFile(entry);
      }
    }
  }

  async #sendFile(file: PendingFile): Promise<void> {
    let complete = file;
    if (file.responses.length > 1 && !stretchesAgree(file)) complete = await this.#readWhole(file);
    const first = complete.responses[0] as ReadResponse;
    if (first.outcome !== "stored") {
      this.#reportUnread(complete, first);
      return;
    }
    if (!first.contentFollows) {
      this.#sendEntry(complete.path, first.body);
      this.#countFile(complete, first, first.body);
      return;
    }
    const { mirror } = this.#parts;
    writeEntry(this.#outgoing, { path: complete.path, body: first.body, contentFollows: true });
    mirror.beginContent(complete.path, first.body);
    for (const response of complete.responses as ReadResponse[]) {
      writePackedContent(this.#outgoing, response.references);
      for (const reference of readPackedReferences(response.references)) mirror.addContent(reference);
      if (this.#outgoing.length >= SEND_BYTES) await this.#flush();
    }
    writeContentEnd(this.#outgoing);
    this.#countFile(complete, first, mirror.endContent());
  }

  /** A large file changed while its stretches were read: read it once more in one piece. */
  async #readWhole(file: PendingFile): Promise<PendingFile> {
    this.#dispatch();
    const again: PendingFile = { ...file, responses: [], waitingFor: 0 };
    this.#requestRead(again, undefined, 0);
    this.#dispatch();
    while (again.waitingFor > 0) await this.#parts.pool.progress();
    return again;
  }

  #reportUnread(file: PendingFile, response: ReadResponse): void {
    const { statistics, onProblem } = this.#parts;
    if (response.outcome === "vanished") statistics.vanished++;
    else if (response.outcome === "not-a-file") onProblem({ path: textOf(file.path), action: "read", code: "REPLACED" });
    else onProblem({ path: textOf(file.path), action: "open", code: response.errorCode });
  }

  #countFile({ path, reason, before }: PendingFile, { changedWhileRead }: ReadResponse, body: Uint8Array): void {
    const { statistics, onChangedWhileRead } = this.#parts;
    if (changedWhileRead) {
      statistics.changedWhileRead++;
      onChangedWhileRead(path);
    }
    if (reason === "new") statistics.filesNew++;
    else if (reason === "changed" || before === undefined) statistics.filesChanged++;
    else if (hasEqualContent(readEntryBody(before), readEntryBody(body))) statistics.filesUnchanged++;
    else {
      statistics.filesChanged++;
      if (reason === "rescan") statistics.silentChanges++;
    }
    if (reason === "rescan") statistics.rescanned++;
  }
}

function segmentationOf(body: Uint8Array): Segmentation {
  const { fixedSegmentBytes } = readEntryBody(body);
  return fixedSegmentBytes === undefined ? { kind: "content" } : { kind: "fixed", segmentBytes: fixedSegmentBytes };
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

function interrupted(): HoldfastError {
  return new HoldfastError("INTERRUPTED", {
    message: "The backup was interrupted",
    retry: "now",
    hint: "Run the same command again: it continues from the last checkpoint.",
  });
}
