// Finds the lost segments of one file in content that comes as a stream. Where the list of its segments can be read, the
// content is taken apart as the list says; where the list itself is lost, it is cut as it was cut then, and if the list that comes of
// it is the lost one, that is stored too.

import { FileContentBuilder, segmentsOf } from "../repository/repository.ts";
import type { FingerprintKind, KeyRing, PageKind, PageSource } from "../repository/repository.ts";
import { Cutter, FINE_CUT_SIZES } from "../engine/engine.ts";
import type { Fingerprinter } from "../engine/engine.ts";
import { FINE_WINDOW_BYTES, MEDIUM_FILE_BYTES, STRETCH_BYTES, StreamReader } from "../client/client.ts";
import { equalBytes } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import type { EntryBody } from "../formats/entry.ts";
import { readPackedReferences } from "../formats/segment-reference.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";

export interface PieceTakerParts {
  readonly keyRing: KeyRing;
  readonly fingerprinters: Readonly<Record<FingerprintKind, Fingerprinter>>;
  readonly pages: PageSource;
  readonly isMissing: (fingerprint: Fingerprint) => boolean;
  /** The bytes are used before it returns. */
  readonly keep: (fingerprint: Fingerprint, bytes: Uint8Array) => void;
  readonly keepPage: (kind: PageKind, bytes: Uint8Array) => void;
}

export class PieceTaker {
  /** Nothing of the file is missing any more. */
  isComplete = false;
  readonly #parts: PieceTakerParts;

  constructor(parts: PieceTakerParts) {
    this.#parts = parts;
  }

  /** `content` is that of another version of the file, which may be the same. */
  async take(lost: EntryBody, version: EntryBody, content: AsyncIterable<Uint8Array>): Promise<void> {
    const references = await this.#referencesOf(lost);
    if (references !== undefined) await this.#takeApart(references, content);
    else if (lost.segmentList !== undefined && isSameFile(lost, version))
      await this.#cutAgain(lost, lost.segmentList.fingerprint, content);
  }

  async #referencesOf(body: EntryBody): Promise<readonly SegmentReference[] | undefined> {
    try {
      const all: SegmentReference[] = [];
      for await (const references of segmentsOf(this.#parts.pages, body)) all.push(...references);
      return all;
    } catch (error) {
      if (error instanceof HoldfastError) return undefined;
      throw error;
    }
  }

  async #takeApart(references: readonly SegmentReference[], content: AsyncIterable<Uint8Array>): Promise<void> {
    const { isMissing, fingerprinters, keep } = this.#parts;
    const pieces = new Pieces(content);
    let missing = 0;
    for (const reference of references) {
      if (reference.kind === "hole" || !isMissing(reference.fingerprint)) {
        await pieces.skip(reference.length);
        continue;
      }
      const bytes = await pieces.next(reference.length);
      if (bytes !== undefined && fingerprinters.data.matches(bytes, reference.fingerprint)) keep(reference.fingerprint, bytes);
      else missing++;
    }
    this.isComplete = missing === 0;
  }

  /** As `FileReader` cuts files that have lists: in stretches, without holes. A sparse file comes out otherwise and is left. */
  async #cutAgain(body: EntryBody, expected: Fingerprint, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { fingerprinters, keyRing, keep, keepPage, isMissing } = this.#parts;
    const pages: Uint8Array[] = [];
    const builder = new FileContentBuilder({
      storePage: (kind, bytes) => {
        pages.push(bytes.slice());
        return fingerprinters[kind].of(bytes);
      },
    });
    const isMedium = body.sizeBytes <= MEDIUM_FILE_BYTES;
    const cutter = isMedium ? new Cutter(keyRing.cut, FINE_CUT_SIZES, FINE_WINDOW_BYTES) : new Cutter(keyRing.cut);
    const put = (fingerprint: Fingerprint, bytes: Uint8Array): void => {
      if (isMissing(fingerprint)) keep(fingerprint, bytes);
    };
    const sink = { put, keep: unused, reserve: unused };
    const fingerprintOf = (bytes: Uint8Array): Fingerprint => fingerprinters.data.of(bytes);
    const stretch = (): StreamReader => new StreamReader({ cutter, fingerprintOf, sink });
    const fixed = body.fixedSegmentBytes;
    const pieces = new Pieces(content);
    if (fixed === undefined) {
      for (let left = body.sizeBytes; left > 0;) {
        const reader = stretch();
        const end = left - Math.min(left, STRETCH_BYTES);
        for (; left > end; left -= Math.min(left - end, PIECE_BYTES)) {
          const bytes = await pieces.next(Math.min(left - end, PIECE_BYTES));
          if (bytes === undefined) return;
          reader.add(bytes);
        }
        for (const reference of readPackedReferences(reader.finish())) builder.add(reference);
      }
    } else {
      for (let left = body.sizeBytes; left > 0; left -= Math.min(left, fixed)) {
        const bytes = await pieces.next(Math.min(left, fixed));
        if (bytes === undefined) return;
        const fingerprint = fingerprintOf(bytes);
        put(fingerprint, bytes);
        builder.add({ kind: "data", length: bytes.length, fingerprint });
      }
    }
    const result = builder.finish();
    if (result.kind !== "list" || !equalBytes(result.list.fingerprint, expected)) return;
    for (const page of pages) keepPage("list", page);
    this.isComplete = true;
  }
}

const PIECE_BYTES = 1024 * 1024;

function isSameFile(a: EntryBody, b: EntryBody): boolean {
  return (
    a.sizeBytes === b.sizeBytes && a.modified.seconds === b.modified.seconds && a.modified.nanoseconds === b.modified.nanoseconds
  );
}

function unused(): never {
  throw new Error("Broken invariant: a stream is cut without the room for small files");
}

/** A stream as pieces of the lengths that are asked for. */
class Pieces {
  readonly #content: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #room = new Uint8Array(0);

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#content = content[Symbol.asyncIterator]();
  }

  /** Valid until the next call; undefined when there is no more. */
  async next(length: number): Promise<Uint8Array | undefined> {
    if (this.#room.length < length) this.#room = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      if (!(await this.#fill())) return undefined;
      const part = this.#rest.subarray(0, length - filled);
      this.#room.set(part, filled);
      filled += part.length;
      this.#rest = this.#rest.subarray(part.length);
    }
    return this.#room.subarray(0, length);
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0 && (await this.#fill());) {
      const part = Math.min(left, this.#rest.length);
      this.#rest = this.#rest.subarray(part);
      left -= part;
    }
  }

  async #fill(): Promise<boolean> {
    while (this.#rest.length === 0) {
      const next = await this.#content.next();
      if (next.done === true) return false;
      this.#rest = next.value;
    }
    return true;
  }
}
