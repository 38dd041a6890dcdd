// Reads files for a backup, in a worker thread: opens them beside their directory, cuts, fingerprints and hands
// the segments to the sink. Its responses hold finished entry bodies, so the walking thread only passes them on.

import { ByteWriter } from "../base/bytes.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import type { Cutter } from "../engine/engine.ts";
import { INLINE_ATTRIBUTES_LIMIT, INLINE_SEGMENTS_LIMIT, writeAttributes, writeEntryBody } from "../formats/entry.ts";
import type { EntryAttribute, EntryBody } from "../formats/entry.ts";
import { writeSegmentReference } from "../formats/segment-reference.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import type { Clock, EpochMs } from "../platform/clock.ts";
import { FileTreeError, KIND_FILE, newStatBuffer } from "../platform/file-tree.ts";
import type { DirectoryHandle, FileHandle, FileTree, StatBuffer } from "../platform/file-tree.ts";
import type { SegmentSink } from "../repository/repository.ts";
import { attributesSize, entryBodyOf } from "./entry-body.ts";
import { readRequests, writeResponse } from "./read-protocol.ts";
import type { ReadOutcome, ReadRequest, ReadResponse, SeenFile } from "./read-protocol.ts";

/** Files up to here are one segment. */
const SMALL_FILE_BYTES = 32 * 1024;
/** Files up to here are cut finely: an edit then costs a few kilobytes. Of larger ones that would be too many segments. */
export const MEDIUM_FILE_BYTES: number = 1024 * 1024;
/** What the window of the fine cutter must have: a medium file is then read by one call. */
export const FINE_WINDOW_BYTES: number = MEDIUM_FILE_BYTES + 4096;

export interface FileReaderParts {
  readonly tree: FileTree;
  readonly clock: Clock;
  /** For files of medium size; its window has `FINE_WINDOW_BYTES`. */
  readonly fineCutter: Cutter;
  /** For larger ones, and for fixed segments. */
  readonly cutter: Cutter;
  /** With the key of file content. */
  readonly fingerprintOf: (bytes: Uint8Array) => Fingerprint;
  readonly sink: SegmentSink;
  readonly withAttributes: boolean;
}

type FileSize = Pick<SeenFile, "sizeBytes" | "allocatedBytes">;

const NOTHING = new Uint8Array(0);
const NO_CONTENT: readonly SegmentReference[] = [];

export class FileReader {
  readonly #parts: FileReaderParts;
  /** Of the file as it is stored. */
  readonly #stat: StatBuffer = newStatBuffer();
  readonly #after: StatBuffer = newStatBuffer();
  readonly #body = new ByteWriter(4096);
  readonly #references = new ByteWriter(4096);
  readonly #attributes = new ByteWriter(4096);
  readonly #response = new ByteWriter(64 * 1024);
  #directoryPath: Uint8Array | undefined;
  #directory: DirectoryHandle | undefined;
  #segments: SegmentReference[] = [];
  #cutter: Cutter;

  constructor(parts: FileReaderParts) {
    this.#parts = parts;
    this.#cutter = parts.cutter;
  }

  /** Serves one packed request. Problems with single files are outcomes; a failing sink throws. */
  serve(request: Uint8Array): Uint8Array<ArrayBuffer> {
    this.#response.clear();
    try {
      for (const file of readRequests(request)) writeResponse(this.#response, this.#read(file));
    } finally {
      this.#closeDirectory();
    }
    return this.#response.take();
  }

  #read(request: ReadRequest): ReadResponse {
    let handle: FileHandle | undefined;
    try {
      handle = this.#parts.tree.openFileAt(this.#directoryOf(request.directory), request.name);
      return this.#readOpen(handle, request);
    } catch (error) {
      if (!(error instanceof FileTreeError)) throw error;
      if (error.code === "ENOENT" || error.code === "ENOTDIR") return failure("vanished", error.code);
      // ELOOP: a link took the file's place; ENXIO: a FIFO or device did.
      if (error.code === "ELOOP" || error.code === "ENXIO") return failure("not-a-file", error.code);
      return failure("failed", error.code);
    } finally {
      if (handle !== undefined) this.#parts.tree.close(handle);
    }
  }

  #readOpen(handle: FileHandle, request: ReadRequest): ReadResponse {
    // Before the first look: whatever changes later must not carry a time that seems old enough.
    const openedAt = this.#parts.clock.now();
    const { seen } = request;
    const isQuicklyRead = seen !== undefined && seen.sizeBytes <= MEDIUM_FILE_BYTES;
    const response = isQuicklyRead ? this.#readAsSeen(handle, request, seen, openedAt) : undefined;
    return response ?? this.#readAnew(handle, request, openedAt);
  }

  /**
   * Reads a file that is what the walk saw, which spares a look at it: if its times and its size are still the same afterwards,
   * nothing has changed since before it was opened. Undefined when they are not; what was read then was read for nothing.
   */
  #readAsSeen(handle: FileHandle, request: ReadRequest, seen: SeenFile, openedAt: EpochMs): ReadResponse | undefined {
    try {
      const bytesRead = this.#readContent(handle, request, seen);
      this.#parts.tree.statHandle(handle, this.#stat);
      if (this.#stat.kind !== KIND_FILE || !isSameContent(seen, this.#stat)) return undefined;
      return this.#describe(handle, request, { openedAt, bytesRead, changedWhileRead: false });
    } catch (error) {
      // What is no file cannot be read; the next look tells what it is.
      if (error instanceof FileTreeError) return undefined;
      throw error;
    }
  }

  #readAnew(handle: FileHandle, request: ReadRequest, openedAt: EpochMs): ReadResponse {
    const { tree } = this.#parts;
    tree.statHandle(handle, this.#stat);
    if (this.#stat.kind !== KIND_FILE) return failure("not-a-file", "");
    let bytesRead = this.#readContent(handle, request, this.#stat);
    tree.statHandle(handle, this.#after);
    let changedWhileRead = false;
    if (!isSameContent(this.#stat, this.#after)) {
      // Read it once more from the start: most writers are done by then, and what is stored is of one piece.
      Object.assign(this.#stat, this.#after);
      bytesRead += this.#readContent(handle, request, this.#stat);
      tree.statHandle(handle, this.#after);
      changedWhileRead = true;
    }
    return this.#describe(handle, request, { openedAt, bytesRead, changedWhileRead });
  }

  #describe(
    handle: FileHandle,
    request: ReadRequest,
    { openedAt, bytesRead, changedWhileRead }: { openedAt: EpochMs; bytesRead: number; changedWhileRead: boolean },
  ): ReadResponse {
    const attributes = this.#parts.withAttributes ? this.#parts.tree.extendedAttributes(handle) : [];
    const segments = this.#segments;
    const isInline = request.stretch === undefined && segments.length <= INLINE_SEGMENTS_LIMIT;
    const body: { -readonly [K in keyof EntryBody]: EntryBody[K] } = entryBodyOf(this.#stat, openedAt);
    body.changedWhileRead = changedWhileRead;
    if (request.fixedSegmentBytes !== undefined) body.fixedSegmentBytes = request.fixedSegmentBytes;
    if (changedWhileRead) body.recheck = true;
    if (attributes.length > 0) Object.assign(body, this.attributeParts(attributes));
    // What was read is what is stored, whatever size the file claimed.
    if (request.stretch === undefined) body.sizeBytes = lengthOf(segments);
    if (isInline && segments.length > 0) body.segments = segments;
    this.#body.clear();
    writeEntryBody(this.#body, body);
    this.#references.clear();
    if (!isInline) for (const segment of segments) writeSegmentReference(this.#references, segment);
    return {
      outcome: "stored",
      body: this.#body.peek(),
      errorCode: "",
      references: isInline ? NOTHING : this.#references.peek(),
      contentFollows: !isInline,
      changedWhileRead,
      bytesRead,
    };
  }

  /** Small attributes lie in the entry, large ones in a segment of their own. */
  attributeParts(attributes: readonly EntryAttribute[]): Pick<EntryBody, "attributes" | "storedAttributes"> {
    if (attributesSize(attributes) <= INLINE_ATTRIBUTES_LIMIT) return { attributes };
    this.#attributes.clear();
    writeAttributes(this.#attributes, attributes);
    const bytes = this.#attributes.peek();
    const fingerprint = this.#parts.fingerprintOf(bytes);
    this.#parts.sink.put(fingerprint, bytes);
    return { storedAttributes: { kind: "data", length: bytes.length, fingerprint } };
  }

  /** Fills `#segments` and returns the number of bytes read. */
  #readContent(handle: FileHandle, request: ReadRequest, { sizeBytes: size, allocatedBytes }: FileSize): number {
    this.#segments = NO_CONTENT as SegmentReference[];
    const isWhole = request.stretch === undefined;
    const isSparse = allocatedBytes < size;
    if (isWhole && size <= SMALL_FILE_BYTES && !isSparse) {
      const length = this.#readSmall(handle, size);
      if (length >= 0) return length;
      // It has more than it says.
    }
    this.#segments = [];
    const from = request.stretch?.from ?? 0;
    const to = request.stretch?.to ?? Number.MAX_SAFE_INTEGER;
    const isMedium = isWhole && size <= MEDIUM_FILE_BYTES && request.fixedSegmentBytes === undefined;
    this.#cutter = isMedium ? this.#parts.fineCutter : this.#parts.cutter;
    const fixed = request.fixedSegmentBytes;
    return isSparse ? this.#readSparse(handle, from, Math.min(to, size), fixed) : this.#cutRun(handle, from, to, fixed);
  }

  /**
   * One segment, read straight into the block it will be part of. One call: whether there is more by now, the look at its size
   * afterwards tells. Only files that claim to be empty are asked, since those of the kernel do; -1 when there is something.
   */
  #readSmall(handle: FileHandle, size: number): number {
    if (size === 0) {
      return this.#parts.tree.read(handle, this.#parts.sink.reserve(1), 0) === 0 ? 0 : -1;
    }
    const room = this.#parts.sink.reserve(size);
    const length = this.#parts.tree.read(handle, room, 0);
    if (length === 0) return 0;
    const fingerprint = this.#parts.fingerprintOf(length === size ? room : room.subarray(0, length));
    this.#parts.sink.keep(fingerprint, length);
    this.#segments = [{ kind: "data", length, fingerprint }];
    return length;
  }

  /** Segments and holes between `from` and `end`; each run of data is cut on its own. */
  #readSparse(handle: FileHandle, from: number, end: number, fixed: number | undefined): number {
    const { tree } = this.#parts;
    let position = from;
    let bytesRead = 0;
    while (position < end) {
      const run = tree.nextData(handle, position, end);
      const start = Math.min(run?.start ?? end, end);
      if (start > position) this.#segments.push({ kind: "hole", length: start - position });
      if (run === undefined || start >= end) return bytesRead;
      const stop = Math.min(run.end, end);
      const length = this.#cutRun(handle, start, stop, fixed);
      bytesRead += length;
      position = start + length;
      // It was truncated under our hands: what follows is not there any more.
      if (length < stop - start) return bytesRead;
    }
    return bytesRead;
  }

  /** Cuts the bytes from `from` up to `to` or the end of the file; returns how many there were. */
  #cutRun(handle: FileHandle, from: number, to: number, fixed: number | undefined): number {
    const { tree } = this.#parts;
    const cutter = this.#cutter;
    const window = cutter.window;
    let position = from;
    let start = 0;
    let end = 0;
    for (;;) {
      const room = Math.min(window.length - end, to - position);
      const length = room === 0 ? 0 : tree.read(handle, window.subarray(end, end + room), position);
      position += length;
      end += length;
      const isAtEnd = length < room || position >= to;
      start = fixed === undefined ? this.#cutContent(start, end, isAtEnd) : this.#cutFixed(start, end, isAtEnd, fixed);
      if (isAtEnd) return position - from;
      window.copyWithin(0, start, end);
      end -= start;
      start = 0;
    }
  }

  #cutContent(from: number, end: number, isAtEnd: boolean): number {
    const cutter = this.#cutter;
    let start = from;
    while (start < end) {
      const stop = cutter.next(start, end, isAtEnd);
      if (stop < 0) break;
      this.#putSegment(cutter.window.subarray(start, stop));
      start = stop;
    }
    return start;
  }

  #cutFixed(from: number, end: number, isAtEnd: boolean, segmentBytes: number): number {
    let start = from;
    while (end - start >= segmentBytes || (isAtEnd && start < end)) {
      const stop = Math.min(start + segmentBytes, end);
      this.#putSegment(this.#cutter.window.subarray(start, stop));
      start = stop;
    }
    return start;
  }

  #putSegment(bytes: Uint8Array): void {
    const fingerprint = this.#parts.fingerprintOf(bytes);
    this.#parts.sink.put(fingerprint, bytes);
    this.#segments.push({ kind: "data", length: bytes.length, fingerprint });
  }

  #directoryOf(path: Uint8Array): DirectoryHandle {
    if (this.#directory !== undefined && this.#directoryPath !== undefined) {
      if (Buffer.compare(this.#directoryPath, path) === 0) return this.#directory;
      this.#closeDirectory();
    }
    this.#directory = this.#parts.tree.openDirectory(path);
    this.#directoryPath = path;
    return this.#directory;
  }

  #closeDirectory(): void {
    if (this.#directory !== undefined) this.#parts.tree.close(this.#directory);
    this.#directory = undefined;
    this.#directoryPath = undefined;
  }
}

function failure(outcome: ReadOutcome, errorCode: string): ReadResponse {
  return {
    outcome,
    body: NOTHING,
    errorCode,
    references: NOTHING,
    contentFollows: false,
    changedWhileRead: false,
    bytesRead: 0,
  };
}

function lengthOf(segments: readonly SegmentReference[]): number {
  let length = 0;
  for (const segment of segments) length += segment.length;
  return length;
}

/** Inode and device cannot differ: it is the same open file. */
function isSameContent(a: SeenFile, b: SeenFile): boolean {
  return (
    a.sizeBytes === b.sizeBytes &&
    a.modifiedSeconds === b.modifiedSeconds &&
    a.modifiedNanoseconds === b.modifiedNanoseconds &&
    a.changedSeconds === b.changedSeconds &&
    a.changedNanoseconds === b.changedNanoseconds
  );
}
