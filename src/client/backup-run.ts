// The sending half of a backup: walks the source side by side with the base image, coalesces what has not
// changed into claims, has the rest read, and sends it all in path order. It holds a bounded window of entries, so memory
// does not grow with the tree.

import { assert } from "../base/assert.ts";
import { ByteArena, ByteWriter, textOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { fixedSegmentBytesOf, writeEntryBody } from "../formats/entry.ts";
import type { EntryAttribute, EntryBody } from "../formats/entry.ts";
import type { SentPart } from "../model/image.ts";
import { comparePaths } from "../model/path-order.ts";
import type { Clock } from "../platform/clock.ts";
import { FileTreeError, KIND_DIRECTORY, KIND_FILE, KIND_SYMBOLIC_LINK } from "../platform/file-tree.ts";
import type { FileTree } from "../platform/file-tree.ts";
import type { FileShape, Segmentation, TreeWalk } from "../sources/files/files.ts";
import { BaseCursor } from "./base-cursor.ts";
import { compareEntry, entryBodyOf } from "./entry-body.ts";
import type { ChangeRules } from "./entry-body.ts";
import { EntrySender } from "./entry-sender.ts";
import type { EntrySenderParts } from "./entry-sender.ts";
import { FileRequests } from "./file-requests.ts";
import { PendingQueue } from "./pending.ts";
import type { PendingFile, ReadReason } from "./pending.ts";
import type { ReaderPool } from "./reader-pool.ts";

export interface BackupRunParts extends EntrySenderParts {
  readonly walk: TreeWalk;
  readonly tree: FileTree;
  readonly clock: Clock;
  readonly pool: ReaderPool;
  /** Numeric ids that occur, for their names. */
  readonly owners: { readonly users: Set<number>; readonly groups: Set<number> };
  /** Decides where extended attributes of entries without content go. */
  readonly attributeParts: (attributes: readonly EntryAttribute[]) => Pick<EntryBody, "attributes" | "storedAttributes">;
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

/** Files larger than this are read in stretches, by several threads at once. */
export const STRETCH_BYTES: number = 256 * 1024 * 1024;
/** How many entries may wait behind a file that is still being read. */
const QUEUE_LIMIT = 32 * 1024;
/** Entries between two looks at the reading threads while they have work. */
const ENTRIES_PER_TURN = 128;
const ENTRIES_PER_IDLE_TURN = 1024;

export class BackupRun {
  readonly #parts: BackupRunParts;
  readonly #cursor: BaseCursor;
  readonly #queue = new PendingQueue();
  readonly #body = new ByteWriter(4096);
  /** Of what waits in the queue. */
  readonly #arena = new ByteArena();
  readonly #requests: FileRequests;
  readonly #sender: EntrySender;
  #claim: { base: number; first: number; count: number } | undefined;
  #checkpointAtMs: number;
  #bytesAtCheckpoint = 0;
  #lastUser = -1;
  #lastGroup = -1;

  constructor(parts: BackupRunParts) {
    this.#parts = parts;
    this.#cursor = new BaseCursor(parts.bases);
    this.#requests = new FileRequests(parts.pool, parts.statistics);
    this.#sender = new EntrySender(parts, this.#requests);
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
  commit(sent: SentPart): Promise<string> {
    return this.#sender.commit(sent);
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
      this.#addFile(comparison === "unchanged" ? "rescan" : comparison);
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
    const path = this.#arena.copy(walk.path, walk.pathLength);
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
    this.#queue.push({ kind: "entry", path, body: this.#arena.copy(this.#body.peek()) });
  }

  /** All but new ones stand under the cursor. */
  #addFile(reason: ReadReason): void {
    const { walk, settings } = this.#parts;
    const { entry, view } = this.#cursor;
    const { stat, path, pathLength } = walk;
    this.#endClaim();
    const { sizeBytes, allocatedBytes } = stat;
    const shape = { path, pathLength, sizeBytes, allocatedBytes };
    const before = reason === "new" ? undefined : segmentationOf(view, entry.bodyOffset);
    const fixedSegmentBytes = settings.fixedSegmentBytes(shape, before);
    this.#parts.statistics.bytesToRead += stat.sizeBytes;
    const parts = Math.max(1, Math.ceil(stat.sizeBytes / STRETCH_BYTES));
    const isSurelyChanged = reason === "new" || reason === "changed";
    const file: PendingFile = {
      kind: "file",
      path: this.#arena.copy(path, pathLength),
      reason,
      before: isSurelyChanged ? undefined : this.#arena.copy(entry.body()),
      fixedSegmentBytes,
      responses: parts === 1 ? [undefined] : Array.from({ length: parts }, () => undefined),
      waitingFor: 0,
    };
    this.#queue.push(file);
    if (parts === 1) this.#requests.addWhole(file, stat);
    for (let part = 0; part < parts && parts > 1; part++) {
      const from = part * STRETCH_BYTES;
      // The last stretch reads on to the end, wherever that is by then.
      const to = part === parts - 1 ? Number.MAX_SAFE_INTEGER : from + STRETCH_BYTES;
      this.#requests.addStretch(file, part, { from, to }, STRETCH_BYTES);
    }
  }

  // --- the window ----------------------------------------------------------------------------

  /** Between two stretches of the walk: sends what is complete, and waits when too much is on its way. */
  async #turn(): Promise<void> {
    const { pool } = this.#parts;
    // Threads with nothing to do are given what there is.
    if (pool.inFlight === 0) this.#requests.dispatch();
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
    this.#requests.dispatch();
    for (;;) {
      await this.#advance();
      if (this.#queue.length === 0) break;
      // A response may have come while the queue was being drained.
      if (this.#queue.ready() !== undefined) continue;
      // Or a failure, and then nothing more will come.
      pool.check();
      assert(pool.inFlight > 0, "an incomplete entry waits for a reading thread");
      await pool.progress();
    }
    await this.#sender.flush();
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
      if (item.kind === "claim") await this.#sender.claim(item);
      else if (item.kind === "entry") this.#sender.entry(item.path, item.body);
      else {
        const sending = this.#sender.file(item);
        if (sending !== undefined) await sending;
      }
      if (this.#sender.isFull) await this.#sender.flush();
    }
  }

  #isCheckpointDue(): boolean {
    const { clock, settings, statistics } = this.#parts;
    const bytes = statistics.bytesRead - this.#bytesAtCheckpoint;
    return bytes >= settings.checkpointBytes || (bytes > 0 && clock.elapsedMs() >= this.#checkpointAtMs);
  }

  async #checkpoint(): Promise<void> {
    await this.#sender.checkpoint();
    this.#bytesAtCheckpoint = this.#parts.statistics.bytesRead;
    this.#checkpointAtMs = this.#parts.clock.elapsedMs() + this.#parts.settings.checkpointMs;
  }
}

const BY_CONTENT: Segmentation = { kind: "content" };

function segmentationOf(page: DataView, bodyOffset: number): Segmentation {
  const segmentBytes = fixedSegmentBytesOf(page, bodyOffset);
  return segmentBytes === undefined ? BY_CONTENT : { kind: "fixed", segmentBytes };
}

function interrupted(): HoldfastError {
  return new HoldfastError("INTERRUPTED", {
    message: "The backup was interrupted",
    retry: "now",
    hint: "Run the same command again: it continues from the last checkpoint.",
  });
}
