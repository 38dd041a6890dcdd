// What the writing threads answer, packed: records, then the totals. Records begin with u8 tag:
//   1 problem        u16 path length, u16 action length, u16 code length, path, action, code
//   2 removed        u16 path length, path: something had to give way
//   3 again          u64 position, u16 path length, u16 body length, path, body: plan this entry once more
//   4 piece again    u64 position in the file, u32 length, fingerprint
//   5 bad block      u16 code length, code, location
//   6 bad segment    the same
//   7 not restored   u64 position: nothing to verify
//   8 totals         u32 restored files, u64 their bytes, u32 unchanged, u32 existing, u32 verified, u32 files done, u64 bytes done,
//                    u32 of the restored files replaced others, u32 restored entries that are no files, u32 removed

import { ByteReader, ByteWriter, textOf, utf8 } from "../base/bytes.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { SegmentLocation } from "../repository/repository.ts";
import { readLocation, writeLocation } from "./segment-places.ts";

const TAG_PROBLEM = 1;
const TAG_REMOVED = 2;
const TAG_AGAIN = 3;
const TAG_PIECE_AGAIN = 4;
const TAG_BAD_BLOCK = 5;
const TAG_BAD_SEGMENT = 6;
const TAG_NOT_RESTORED = 7;
const TAG_TOTALS = 8;

export interface ResultTotals {
  restoredFiles: number;
  restoredBytes: number;
  skippedUnchanged: number;
  skippedExisting: number;
  verifiedFiles: number;
  filesDone: number;
  bytesDone: number;
  replacedFiles: number;
  restoredOthers: number;
  removed: number;
}

/** More are counted, not named. */
const REMOVED_NAMED = 1_000;
const LONGEST_PATH = 0xffff;

function newTotals(): ResultTotals {
  return {
    restoredFiles: 0,
    restoredBytes: 0,
    skippedUnchanged: 0,
    skippedExisting: 0,
    verifiedFiles: 0,
    filesDone: 0,
    bytesDone: 0,
    replacedFiles: 0,
    restoredOthers: 0,
    removed: 0,
  };
}

export class ResultWriter {
  readonly #writer = new ByteWriter(4096);
  totals = newTotals();

  problem(path: Uint8Array, action: string, code: string): void {
    const actionBytes = utf8(action);
    const codeBytes = utf8(code);
    this.#writer.u8(TAG_PROBLEM).u16(path.length).u16(actionBytes.length).u16(codeBytes.length);
    this.#writer.bytes(path).bytes(actionBytes).bytes(codeBytes);
  }

  removed(path: Uint8Array): void {
    // The target may have longer paths than an image.
    if (this.totals.removed++ < REMOVED_NAMED && path.length <= LONGEST_PATH)
      this.#writer.u8(TAG_REMOVED).u16(path.length).bytes(path);
  }

  again(path: Uint8Array, body: Uint8Array, position: number): void {
    this.#writer.u8(TAG_AGAIN).u64(position).u16(path.length).u16(body.length).bytes(path).bytes(body);
  }

  pieceAgain(position: number, length: number, fingerprint: Uint8Array): void {
    this.#writer.u8(TAG_PIECE_AGAIN).u64(position).u32(length).bytes(fingerprint);
  }

  badBlock(location: SegmentLocation, code: string): void {
    this.#bad(TAG_BAD_BLOCK, location, code);
  }

  badSegment(location: SegmentLocation, code: string): void {
    this.#bad(TAG_BAD_SEGMENT, location, code);
  }

  notRestored(position: number): void {
    this.#writer.u8(TAG_NOT_RESTORED).u64(position);
  }

  take(): Uint8Array<ArrayBuffer> {
    const { restoredFiles, restoredBytes, skippedUnchanged, skippedExisting, verifiedFiles, filesDone, bytesDone } = this.totals;
    const { replacedFiles, restoredOthers, removed } = this.totals;
    this.totals = newTotals();
    this.#writer.u8(TAG_TOTALS).u32(restoredFiles).u64(restoredBytes).u32(skippedUnchanged).u32(skippedExisting);
    this.#writer.u32(verifiedFiles).u32(filesDone).u64(bytesDone);
    return this.#writer.u32(replacedFiles).u32(restoredOthers).u32(removed).take();
  }

  #bad(tag: number, location: SegmentLocation, code: string): void {
    const codeBytes = utf8(code);
    this.#writer.u8(tag).u16(codeBytes.length).bytes(codeBytes);
    writeLocation(this.#writer, location);
  }
}

/** Byte fields are views into the results. */
export interface ResultListener {
  problem(path: Uint8Array, action: string, code: string): void;
  /** One of those that the totals count. */
  removed(path: Uint8Array): void;
  again(path: Uint8Array, body: Uint8Array, position: number): void;
  pieceAgain(position: number, length: number, fingerprint: Uint8Array): void;
  badBlock(location: SegmentLocation, code: string): void;
  badSegment(location: SegmentLocation, code: string): void;
  notRestored(position: number): void;
  totals(totals: ResultTotals): void;
}

export function readResults(bytes: Uint8Array, listener: ResultListener): void {
  const reader = new ByteReader(bytes, "the results of a restoring thread");
  while (reader.remaining > 0) readResult(reader, listener);
}

function readResult(reader: ByteReader, listener: ResultListener): void {
  const tag = reader.u8();
  switch (tag) {
    case TAG_PROBLEM: {
      const pathLength = reader.u16();
      const actionLength = reader.u16();
      const codeLength = reader.u16();
      const path = reader.bytes(pathLength);
      const action = textOf(reader.bytes(actionLength));
      const code = textOf(reader.bytes(codeLength));
      return listener.problem(path, action, code);
    }
    case TAG_REMOVED:
      return listener.removed(reader.bytes(reader.u16()));
    case TAG_AGAIN: {
      const position = reader.size();
      const pathLength = reader.u16();
      const bodyLength = reader.u16();
      return listener.again(reader.bytes(pathLength), reader.bytes(bodyLength), position);
    }
    case TAG_PIECE_AGAIN:
      return listener.pieceAgain(reader.size(), reader.u32(), reader.bytes(FINGERPRINT_BYTES));
    case TAG_BAD_BLOCK:
    case TAG_BAD_SEGMENT: {
      const code = textOf(reader.bytes(reader.u16()));
      const location = readLocation(reader);
      return tag === TAG_BAD_BLOCK ? listener.badBlock(location, code) : listener.badSegment(location, code);
    }
    case TAG_NOT_RESTORED:
      return listener.notRestored(reader.size());
    case TAG_TOTALS:
      return listener.totals({
        restoredFiles: reader.u32(),
        restoredBytes: reader.size(),
        skippedUnchanged: reader.u32(),
        skippedExisting: reader.u32(),
        verifiedFiles: reader.u32(),
        filesDone: reader.u32(),
        bytesDone: reader.size(),
        replacedFiles: reader.u32(),
        restoredOthers: reader.u32(),
        removed: reader.u32(),
      });
    default:
      return reader.invalid(`the unknown result ${tag}`);
  }
}
