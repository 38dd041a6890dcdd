// The track log: the client's own copy of the pages of the last image, by which the next backup finds what has
// changed without asking anybody. It is only a copy: a lost or damaged one is fetched back from the image.
//
// Pages lie in chunks that are cut by content, so the next log copies the chunks of what did not change as they are.

import { assert } from "../base/assert.ts";
import { concatBytes, equalBytes, hexOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { compressFrame, decompressFrame, openRecord, sealRecord } from "../engine/engine.ts";
import type { PageReference } from "../formats/entry-page.ts";
import {
  PAGE_TABLE_LIMIT,
  TRACK_LOG_HEADER_BYTES,
  TRACK_LOG_TRAILER_BYTES,
  decodePageTable,
  decodeTrackLogHeader,
  decodeTrackLogTrailer,
  encodePageTable,
  encodeTrackLogHeader,
  encodeTrackLogTrailer,
} from "../formats/track-log.ts";
import type { TrackLogChunk } from "../formats/track-log.ts";
import type { Files, OpenFile } from "../platform/files.ts";
import type { Random } from "../platform/random.ts";
import { BaseImage } from "../repository/repository.ts";
import type { PageSource, PositionedPage } from "../repository/repository.ts";

const CHUNK_MINIMUM_BYTES = 256 * 1024;
const CHUNK_MAXIMUM_BYTES = 2 * 1024 * 1024;
/** One page in 16 ends a chunk once the minimum is reached. */
const CHUNK_CUT_MASK = 15;
/** Written once and read once, on this machine: speed is worth more than space. */
const ZSTD_SETTINGS = { level: 1 };

export interface TrackLogKeys {
  readonly files: Files;
  readonly random: Random;
  /** The subkey of purpose "track log". */
  readonly key: Uint8Array;
  readonly repositoryId: Uint8Array;
  /** Where a page is had from when the log's own copy is damaged: the image's. */
  readonly pages: PageSource;
  /** With the key of entry pages: what is read is checked. */
  readonly fingerprintOf: (bytes: Uint8Array) => Fingerprint;
}

interface PlacedPage extends PositionedPage {
  readonly chunkNumber: number;
  readonly offsetInChunk: number;
}

export class TrackLog {
  readonly imageId: string;
  /** The image as the log knows it. */
  readonly image: BaseImage;
  readonly #keys: TrackLogKeys;
  readonly #file: OpenFile;
  readonly #chunks: readonly TrackLogChunk[];
  readonly #damaged = new Set<number>();
  #chunkNumber = -1;
  #chunk: Uint8Array = new Uint8Array(0);

  private constructor(
    keys: TrackLogKeys,
    file: OpenFile,
    imageId: string,
    chunks: readonly TrackLogChunk[],
    pages: readonly PlacedPage[],
  ) {
    this.#keys = keys;
    this.#file = file;
    this.imageId = imageId;
    this.#chunks = chunks;
    this.image = new BaseImage(pages, (page) => this.#load(page));
  }

  async #load(page: PositionedPage): Promise<Uint8Array> {
    try {
      return this.loadPage(page);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#damaged.add((page as PlacedPage).chunkNumber);
      return this.#keys.pages.loadPage("page", page.fingerprint, page.pageBytes);
    }
  }

  /** Whether a page of this chunk was found damaged: it must not be copied to the next log as it is. */
  isDamaged(page: PositionedPage): boolean {
    return this.#damaged.has((page as PlacedPage).chunkNumber);
  }

  /** Undefined when there is no such file; FORMAT_… or SEAL_BROKEN when it is not a sound track log of this repository. */
  static open(keys: TrackLogKeys, path: string): TrackLog | undefined {
    const file = keys.files.open(path);
    if (file === undefined) return undefined;
    try {
      return TrackLog.#read(keys, file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  static #read(keys: TrackLogKeys, file: OpenFile): TrackLog {
    const header = decodeTrackLogHeader(readExactly(file, 0, TRACK_LOG_HEADER_BYTES));
    if (!equalBytes(header.repositoryId, keys.repositoryId)) {
      const found = hexOf(header.repositoryId);
      throw new HoldfastError("FORMAT_INVALID", { message: `The track log belongs to another repository (${found})` });
    }
    const size = file.sizeBytes();
    const trailer = decodeTrackLogTrailer(readExactly(file, size - TRACK_LOG_TRAILER_BYTES, TRACK_LOG_TRAILER_BYTES));
    if (trailer.offset + trailer.storedBytes + TRACK_LOG_TRAILER_BYTES !== size) {
      throw new HoldfastError("FORMAT_TRUNCATED", {
        message: `The track log's page table does not end where the file does, ${TRACK_LOG_TRAILER_BYTES} bytes before byte ${size}`,
        context: { offset: trailer.offset, storedBytes: trailer.storedBytes },
      });
    }
    const sealed = readExactly(file, trailer.offset, trailer.storedBytes);
    const packed = openRecord(keys.key, contextOf(keys.repositoryId, "table"), sealed, "a track log's page table");
    const table = decodePageTable(decompressFrame(packed, PAGE_TABLE_LIMIT, "the page table of a track log", 4 * packed.length));
    const pages: PlacedPage[] = [];
    let firstPosition = 0;
    let pageNumber = 0;
    for (const [chunkNumber, chunk] of table.chunks.entries()) {
      let offsetInChunk = 0;
      for (let i = 0; i < chunk.pageCount; i++) {
        const page = table.pages[pageNumber++] as PageReference;
        pages.push({ ...page, firstPosition, chunkNumber, offsetInChunk });
        offsetInChunk += page.pageBytes;
        firstPosition += page.entryCount;
      }
    }
    return new TrackLog(keys, file, header.imageId, table.chunks, pages);
  }

  /** A view that is valid until a page of another chunk is loaded. Its fingerprint has been checked. */
  loadPage(page: PositionedPage): Uint8Array {
    const placed = page as PlacedPage;
    if (placed.chunkNumber !== this.#chunkNumber) {
      this.#chunk = this.#readChunk(placed.chunkNumber);
      this.#chunkNumber = placed.chunkNumber;
    }
    const bytes = this.#chunk.subarray(placed.offsetInChunk, placed.offsetInChunk + placed.pageBytes);
    if (!equalBytes(this.#keys.fingerprintOf(bytes), placed.fingerprint)) {
      const { chunkNumber, offsetInChunk, pageBytes } = placed;
      throw new HoldfastError("FORMAT_INVALID", {
        message: `A page of the track log is not the one its table names (${pageBytes} bytes in chunk ${chunkNumber})`,
        context: { chunk: chunkNumber, offset: offsetInChunk },
      });
    }
    return bytes;
  }

  #readChunk(chunkNumber: number): Uint8Array {
    const chunk = this.#chunks[chunkNumber] as TrackLogChunk;
    const sealed = readExactly(this.#file, chunk.offset, chunk.storedBytes);
    const packed = openRecord(this.#keys.key, contextOf(this.#keys.repositoryId, "chunk"), sealed, "a chunk of a track log");
    return decompressFrame(packed, chunk.plainBytes, "a chunk of a track log");
  }

  /** The chunk as it is stored, when `pages` are exactly the pages of one chunk of this log. */
  storedChunkOf(pages: readonly PositionedPage[]): { readonly bytes: Uint8Array; readonly chunk: TrackLogChunk } | undefined {
    const first = pages[0] as PlacedPage | undefined;
    if (first === undefined || first.offsetInChunk !== 0) return undefined;
    const chunk = this.#chunks[first.chunkNumber] as TrackLogChunk;
    if (chunk.pageCount !== pages.length) return undefined;
    return { bytes: readExactly(this.#file, chunk.offset, chunk.storedBytes), chunk };
  }

  close(): void {
    this.#file.close();
  }
}

/** Writes the next track log beside the old one; it takes effect by `commit`. */
export class TrackLogWriter {
  readonly #keys: TrackLogKeys;
  readonly #path: string;
  readonly #file: OpenFile;
  readonly #previous: TrackLog | undefined;
  readonly #chunks: TrackLogChunk[] = [];
  readonly #pages: PageReference[] = [];
  #offset = TRACK_LOG_HEADER_BYTES;
  #pending: { readonly page: PageReference; readonly bytes: Uint8Array | undefined }[] = [];
  #pendingBytes = 0;

  /** `temporaryPath` must not exist. */
  constructor(keys: TrackLogKeys, temporaryPath: string, previous?: TrackLog) {
    this.#keys = keys;
    this.#path = temporaryPath;
    this.#file = keys.files.create(temporaryPath);
    this.#previous = previous;
  }

  /** Pages come in order. Without `bytes` the page is one of the previous log's. */
  add(page: PageReference, bytes?: Uint8Array): void {
    this.#pages.push({
      fingerprint: page.fingerprint,
      pageBytes: page.pageBytes,
      entryCount: page.entryCount,
      firstPath: page.firstPath,
    });
    this.#pending.push({ page, bytes });
    this.#pendingBytes += page.pageBytes;
    const cuts = ((page.fingerprint[2] as number) & CHUNK_CUT_MASK) === 0;
    if ((cuts && this.#pendingBytes >= CHUNK_MINIMUM_BYTES) || this.#pendingBytes >= CHUNK_MAXIMUM_BYTES) this.#endChunk();
  }

  #endChunk(): void {
    const pending = this.#pending;
    if (pending.length === 0) return;
    this.#pending = [];
    const plainBytes = this.#pendingBytes;
    this.#pendingBytes = 0;
    const isCopy = pending.every(({ bytes }) => bytes === undefined);
    const copied = isCopy ? this.#previous?.storedChunkOf(pending.map(({ page }) => page as PositionedPage)) : undefined;
    const stored = copied?.bytes ?? this.#sealChunk(pending);
    this.#file.write(stored, this.#offset);
    this.#chunks.push({ offset: this.#offset, storedBytes: stored.length, plainBytes, pageCount: pending.length });
    this.#offset += stored.length;
  }

  #sealChunk(pending: readonly { readonly page: PageReference; readonly bytes: Uint8Array | undefined }[]): Uint8Array {
    const parts = pending.map(({ page, bytes }) => {
      if (bytes !== undefined) return bytes;
      assert(this.#previous !== undefined, "a page without bytes is one of the previous log's");
      return this.#previous.loadPage(page as PositionedPage).slice();
    });
    const packed = compressFrame(concatBytes(...parts), ZSTD_SETTINGS);
    return sealRecord(this.#keys.key, contextOf(this.#keys.repositoryId, "chunk"), this.#keys.random, packed);
  }

  /** Completes the file for the image that was committed and gives it its name. It is only a copy, so it need not be synced. */
  commit(imageId: string, path: string): void {
    this.#endChunk();
    const table = compressFrame(encodePageTable({ chunks: this.#chunks, pages: this.#pages }), ZSTD_SETTINGS);
    const sealed = sealRecord(this.#keys.key, contextOf(this.#keys.repositoryId, "table"), this.#keys.random, table);
    this.#file.write(sealed, this.#offset);
    this.#file.write(encodeTrackLogTrailer(this.#offset, sealed.length), this.#offset + sealed.length);
    this.#file.write(encodeTrackLogHeader({ repositoryId: this.#keys.repositoryId, imageId }), 0);
    this.#file.close();
    this.#keys.files.rename(this.#path, path);
  }

  discard(): void {
    this.#file.close();
    this.#keys.files.remove(this.#path);
  }
}

function contextOf(repositoryId: Uint8Array, part: "chunk" | "table"): Uint8Array {
  return utf8(`holdfast track log 1 ${part} ${hexOf(repositoryId)}`);
}

function readExactly(file: OpenFile, offset: number, length: number): Uint8Array {
  // Looked at before so much memory is taken: a table may say anything.
  const isInside = offset >= 0 && length >= 0 && offset + length <= file.sizeBytes();
  const bytes = new Uint8Array(isInside ? length : 0);
  if (!isInside || file.read(bytes, offset) !== length) {
    throw new HoldfastError("FORMAT_TRUNCATED", { message: `The track log ends before offset ${offset + length}` });
  }
  return bytes;
}
