// Large files: begun here under a temporary name and with their full size, filled in stretches by whichever thread is free,
// and finished when the last stretch is written. Their lists of segments are read page by page, so that a file of any size needs
// no more memory than its stretches on the way.

import { ByteWriter } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { EntryBody } from "../formats/entry.ts";
import { FileTreeError, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import { segmentsOf } from "../repository/repository.ts";
import type { AttributeSetter } from "./attributes.ts";
import type { DirectoryPath } from "./directory-path.ts";
import type { DirectoryNote, FileMaker } from "./file-maker.ts";
import { ignoreFailure } from "./file-maker.ts";
import { joinPath } from "./entry-path.ts";
import type { Subject } from "./entry-writer.ts";
import { judge } from "./in-the-way.ts";
import type { Verdict } from "./in-the-way.ts";
import { Rehearsal } from "./rehearsal.ts";
import type { PlannedEntry } from "./plan-window.ts";
import type { RunContext } from "./run-context.ts";
import type { RunSettings } from "./run-settings.ts";
import { newSegmentPlace } from "./segment-places.ts";
import type { SegmentPlace } from "./segment-places.ts";
import { PIECE_BYTES, TASK_FINISH, TASK_PART, writeEntryRecord, writePiece, writeStagedFile } from "./tasks.ts";
import type { EntryToWrite, StagedFile } from "./tasks.ts";

/** The side of the target, of a run that writes. */
export interface LargeFileTarget {
  readonly tree: FileTree;
  readonly settings: RunSettings;
  readonly setter: AttributeSetter;
  readonly files: FileMaker;
  readonly ways: DirectoryPath<DirectoryNote>;
  /** What the setter tells of. */
  readonly subject: Subject;
}

interface LargeFile {
  readonly path: Uint8Array;
  readonly staged: StagedFile;
  /** For the record that finishes it; byte fields are its own. */
  readonly entry: EntryToWrite;
  /** Something that is no directory stands in its place. */
  readonly replaces: boolean;
  partsInFlight: number;
  isPlanned: boolean;
  failure: string | undefined;
  detail?: string | undefined;
}

interface PieceAgain {
  readonly position: number;
  readonly length: number;
  readonly fingerprint: Uint8Array;
}

const STRETCH_BYTES = 32 * 1024 * 1024;
const STRETCH_PIECES = 512;
/** Stretches on their way for each thread: more would only wait. */
const PARTS_PER_THREAD = 3;

export class LargeFiles {
  readonly #context: RunContext;
  readonly #target: LargeFileTarget | Rehearsal;
  readonly #stat: StatBuffer = newStatBuffer();
  readonly #place: SegmentPlace = newSegmentPlace();
  readonly #pieces = new ByteWriter(STRETCH_PIECES * PIECE_BYTES);
  readonly #unfinished = new Set<LargeFile>();
  #blocks = new Set<number>();

  constructor(context: RunContext, target: LargeFileTarget | Rehearsal) {
    this.#context = context;
    this.#target = target;
  }

  /** Resolves when all stretches of the file are planned. Throws a HoldfastError when its list cannot be read. */
  async add(entry: PlannedEntry, body: EntryBody, countsPlan: boolean): Promise<void> {
    if (this.#target instanceof Rehearsal) return this.#rehearse(this.#target, entry, body, countsPlan);
    let file: LargeFile | undefined;
    try {
      file = this.#begin(this.#target, entry, body);
    } catch (error) {
      if (!(error instanceof FileTreeError)) throw error;
      return this.#context.fail(entry.path.subarray(0, entry.pathLength), entry.position, error.code);
    }
    // It is there already, or stays as it is.
    if (file === undefined) return;
    await this.#plan(entry, body, file, countsPlan);
  }

  /** Removes what was begun and will not be finished. */
  abandonAll(): void {
    for (const file of this.#unfinished) this.#remove(file);
    this.#unfinished.clear();
  }

  /** Planned first, without being counted: a file that cannot be read does not get as far as the target. */
  async #rehearse(rehearsal: Rehearsal, entry: PlannedEntry, body: EntryBody, countsPlan: boolean): Promise<void> {
    const isReadable = await this.#plan(entry, body, undefined, false);
    if (isReadable && rehearsal.visit(entry) && countsPlan) await this.#plan(entry, body, undefined, true);
  }

  // --- beginning -----------------------------------------------------------------------------

  #begin(target: LargeFileTarget, entry: PlannedEntry, body: EntryBody): LargeFile | undefined {
    const { tree, files } = target;
    const path = entry.path.slice(0, entry.pathLength);
    const name = path.subarray(entry.nameStart);
    const directoryPath = path.subarray(0, Math.max(0, entry.nameStart - 1));
    const directory = target.ways.open(directoryPath, directoryPath.length);
    target.subject.directory = directoryPath;
    target.subject.name = name;
    const verdict = this.#judge(target, directory, directoryPath, name, body);
    if (verdict === "same" || verdict === "keep") {
      this.#countExisting(verdict, entry, body);
      return undefined;
    }
    const created = files.createStaged(directory, body);
    try {
      tree.setSize(created.handle, body.sizeBytes);
      tree.statHandle(created.handle, this.#stat);
      created.isOpen = false;
      tree.close(created.handle);
    } catch (error) {
      files.abandon(directory, created);
      throw error;
    }
    const { inodeLow, inodeHigh, deviceMajor, deviceMinor } = this.#stat;
    const staged = { directory: directoryPath, name: created.name, inodeLow, inodeHigh, deviceMajor, deviceMinor };
    const { position, attributes } = entry;
    const record = { position, name, body: new Uint8Array(entry.body), offsetInBlock: undefined, pieces: undefined, attributes };
    const replaces = verdict === "replace";
    const file = { path, staged, entry: record, replaces, partsInFlight: 0, isPlanned: false, failure: undefined };
    this.#unfinished.add(file);
    return file;
  }

  #judge(
    { tree, settings, setter, files }: LargeFileTarget,
    directory: DirectoryHandle,
    directoryPath: Uint8Array,
    name: Uint8Array,
    body: EntryBody,
  ): Verdict {
    const onRemoved = (below: Uint8Array): void => this.#context.noteRemoved(joinPath(directoryPath, below));
    const verdict = judge({ tree, settings, setter, onRemoved }, directory, name, body, this.#stat);
    // Attributes that are stored elsewhere would have to be read first; whoever set the time has set them before.
    if (verdict !== "same" || body.storedAttributes !== undefined) return verdict;
    return files.adjust(directory, name, body, body.attributes ?? []) ? "same" : "replace";
  }

  #countExisting(verdict: "same" | "keep", entry: PlannedEntry, body: EntryBody): void {
    const { counts } = this.#context.parts;
    counts.filesDone++;
    counts.bytesDone += body.sizeBytes;
    if (verdict === "same") counts.skippedUnchanged++;
    else {
      counts.skippedExisting++;
      this.#context.notRestored.add(entry.position);
    }
  }

  // --- stretches -----------------------------------------------------------------------------

  /** False when the content cannot be read, which has then been told. */
  async #plan(entry: PlannedEntry, body: EntryBody, file: LargeFile | undefined, countsPlan: boolean): Promise<boolean> {
    const { source, places } = this.#context.parts;
    let position = 0;
    let inStretch = 0;
    let failure: string | undefined;
    let detail: string | undefined;
    const end = async (): Promise<void> => {
      this.#blocks = new Set();
      if (this.#pieces.length > 0 && file !== undefined) await this.#dispatch(file, this.#pieces.take());
      this.#pieces.clear();
      inStretch = 0;
    };
    try {
      for await (const references of segmentsOf(source, body)) {
        for (const reference of references) {
          if (reference.kind === "data") {
            failure ??= places.find(reference.fingerprint, reference.length, this.#place);
            if (failure !== undefined) {
              detail = places.failure;
              break;
            }
            writePiece(this.#pieces, places, position, reference.fingerprint, this.#place);
            if (countsPlan) this.#count();
            inStretch += reference.length;
            if (inStretch >= STRETCH_BYTES || this.#pieces.length >= STRETCH_PIECES * PIECE_BYTES) await end();
          }
          position += reference.length;
        }
        await this.#context.turn(() => entry.path.subarray(0, entry.pathLength));
        failure ??= file?.failure;
        if (failure !== undefined) break;
      }
      await end();
      if (failure === undefined && position !== body.sizeBytes) failure = "FORMAT_INVALID";
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === "INTERRUPTED" || error.code === "WORKER_FAILED") throw error;
      failure = error.code;
      detail = error.message;
    }
    this.#pieces.clear();
    if (file === undefined) {
      if (failure !== undefined) this.#context.fail(entry.path.subarray(0, entry.pathLength), entry.position, failure, detail);
      return failure === undefined;
    }
    file.failure ??= failure;
    file.detail ??= detail;
    file.isPlanned = true;
    this.#finishIfDone(file);
    return file.failure === undefined;
  }

  #count(): void {
    const { counts, places } = this.#context.parts;
    counts.segments++;
    const key = this.#place.container * 0x1_0000_0000 + this.#place.blockOffset;
    if (this.#blocks.has(key)) return;
    this.#blocks.add(key);
    counts.storedBytes += this.#place.storedLength;
    places.noteNeeded(this.#place.container);
  }

  async #dispatch(file: LargeFile, pieces: Uint8Array): Promise<void> {
    this.#send(file, pieces);
    await this.#context.below(this.#context.parts.pool.threadCount * PARTS_PER_THREAD);
  }

  #send(file: LargeFile, pieces: Uint8Array): void {
    const writer = new ByteWriter(pieces.length + 256).u8(TASK_PART);
    writeStagedFile(writer, file.staged);
    writer.bytes(pieces);
    const again: PieceAgain[] = [];
    file.partsInFlight++;
    const task = this.#context.task(writer.take(), {
      // One problem for the file is enough, under the name people know.
      problem: (_path, _action, code) => {
        file.failure ??= code;
      },
      pieceAgain: (position, length, fingerprint) => again.push({ position, length, fingerprint: new Uint8Array(fingerprint) }),
    });
    this.#context.parts.pool.addOne({
      bytes: task.bytes,
      done: (results) => {
        task.done(results);
        file.partsInFlight--;
        if (again.length > 0 && file.failure === undefined) this.#sendAgain(file, again);
        this.#finishIfDone(file);
      },
    });
  }

  /** From other copies. */
  #sendAgain(file: LargeFile, again: readonly PieceAgain[]): void {
    const { places } = this.#context.parts;
    const writer = new ByteWriter(again.length * PIECE_BYTES);
    const place = newSegmentPlace();
    for (const { position, length, fingerprint } of again) {
      const code = places.find(fingerprint, length, place);
      if (code !== undefined) {
        file.failure = code;
        file.detail = places.failure;
        return;
      }
      writePiece(writer, places, position, fingerprint, place);
    }
    this.#send(file, writer.take());
  }

  // --- ending --------------------------------------------------------------------------------

  #finishIfDone(file: LargeFile): void {
    if (!file.isPlanned || file.partsInFlight > 0) return;
    if (file.failure !== undefined) {
      this.#unfinished.delete(file);
      this.#remove(file);
      this.#context.fail(file.path, file.entry.position, file.failure, file.detail);
      return;
    }
    const writer = new ByteWriter(1024).u8(TASK_FINISH);
    writeStagedFile(writer, file.staged);
    writeEntryRecord(writer, file.entry);
    const task = this.#context.task(writer.take());
    this.#context.parts.pool.addOne({
      bytes: task.bytes,
      done: (results) => {
        this.#unfinished.delete(file);
        const { counts } = this.#context.parts;
        const before = counts.restoredFiles;
        task.done(results);
        if (file.replaces) counts.replacedFiles += counts.restoredFiles - before;
      },
    });
  }

  #remove({ staged }: LargeFile): void {
    const target = this.#target;
    if (target instanceof Rehearsal) return;
    ignoreFailure(() => target.tree.removeAt(target.ways.open(staged.directory, staged.directory.length), staged.name));
  }
}
