// Walking through a section of a run record by record, one page in memory; and through the same section of several
// runs at once, in order.

import type { SectionLayout, SectionName } from "../../formats/index-run.ts";
import type { RunReader } from "./run-reader.ts";

export class RecordCursor {
  /** Which of the merged runs this is. */
  readonly input: number;
  /** The page that holds the current record, and where it begins there. Replaced by `advance`. */
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  view: DataView = new DataView(new ArrayBuffer(0));
  /** The current record's number in the section. */
  ordinal = -1;
  readonly #reader: RunReader;
  readonly #section: SectionLayout;
  readonly #isPassedOver: ((cursor: RecordCursor) => boolean) | undefined;

  /** `isPassedOver` is asked at each record; those it is true of are never stood at. */
  constructor(reader: RunReader, section: SectionName, input: number, isPassedOver?: (cursor: RecordCursor) => boolean) {
    this.input = input;
    this.#reader = reader;
    this.#section = reader.section(section);
    this.#isPassedOver = isPassedOver;
  }

  /** To the next record, or the first; false at the end. */
  advance(): boolean {
    do {
      if (!this.#step()) return false;
    } while (this.#isPassedOver?.(this) === true);
    return true;
  }

  #step(): boolean {
    this.ordinal++;
    if (this.ordinal >= this.#section.records) return false;
    const inPage = this.ordinal % this.#section.recordsPerPage;
    if (inPage === 0) {
      this.bytes = this.#reader.readPage(this.#section, this.ordinal / this.#section.recordsPerPage);
      this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    }
    this.at = inPage * this.#section.recordBytes;
    return true;
  }

  /** Before the first `advance`: begins with the page of this number. */
  startAtPage(page: number): this {
    this.ordinal = page * this.#section.recordsPerPage - 1;
    return this;
  }
}

/** Several cursors as one ascending sequence: a binary heap with the least record on top. */
export class MergedCursors {
  readonly #heap: RecordCursor[] = [];
  readonly #compare: (a: RecordCursor, b: RecordCursor) => number;

  constructor(cursors: readonly RecordCursor[], compare: (a: RecordCursor, b: RecordCursor) => number) {
    this.#compare = compare;
    this.#heap = cursors.filter((cursor) => cursor.advance());
    for (let place = this.#heap.length >>> 1; place-- > 0;) this.#siftDown(place);
  }

  /** The cursor at the least record, or undefined at the end of all. Stands there until `advance`. */
  get least(): RecordCursor | undefined {
    return this.#heap[0];
  }

  advance(): void {
    const heap = this.#heap;
    if (!heap[0]!.advance()) {
      const last = heap.pop()!;
      if (heap.length === 0) return;
      heap[0] = last;
    }
    this.#siftDown(0);
  }

  #siftDown(start: number): void {
    const heap = this.#heap;
    const cursor = heap[start]!;
    let place = start;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#compare(heap[child + 1]!, heap[child]!) < 0) child++;
      if (this.#compare(heap[child]!, cursor) >= 0) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = cursor;
  }
}
