// Decides for each entry how its content comes back, and hands the work to the threads: small files by block, files of
// several pieces whole, large ones in stretches. Windows grow at the beginning, so that the threads need not wait for the first.

import { ByteWriter, viewOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import {
  ENTRY_FILE,
  ENTRY_FIXED_BYTES,
  PART_BIRTH_TIME,
  PART_CHANGED_WHILE_READ,
  PART_FIXED_SEGMENTS,
  PART_RECHECK,
  PART_SEGMENTS,
  readEntryBody,
} from "../formats/entry.ts";
import type { EntryBody } from "../formats/entry.ts";
import type { SegmentReference } from "../formats/segment-reference.ts";
import { nameStartOf } from "../model/path-order.ts";
import { segmentsOf } from "../repository/repository.ts";
import type { SegmentLocation } from "../repository/repository.ts";
import type { LargeFiles } from "./large-files.ts";
import { PlanWindow } from "./plan-window.ts";
import type { PlannedEntry, WindowLimits } from "./plan-window.ts";
import type { Rehearsal } from "./rehearsal.ts";
import type { RunContext } from "./run-context.ts";
import { newSegmentPlace } from "./segment-places.ts";
import type { SegmentPlace } from "./segment-places.ts";
import { writePiece } from "./tasks.ts";

/** Larger files are divided among the threads. */
export const WHOLE_FILE_BYTES = 32 * 1024 * 1024;
/** Files of very many pieces are planned in stretches as well, whatever their size. */
export const PIECES_LIMIT = 512;

const WINDOW_ENTRIES = 16 * 1024;
const WINDOW_BYTES = 256 * 1024 * 1024;
const FIRST_WINDOW: WindowLimits = { entries: WINDOW_ENTRIES / 8, contentBytes: WINDOW_BYTES / 8 };
/** The next window is planned while this many tasks of the last one still wait for each thread. */
const TASKS_WAITING = 4;
/** Entries of damaged blocks are planned again when there are so many of them, so that they do not pile up. */
const AGAIN_LIMIT = 4 * 1024;
/** A few copies are enough to try. */
const ATTRIBUTE_PLACES = 8;

/** Parts whose layout the quick look knows. */
const SIMPLE_PARTS = PART_RECHECK | PART_CHANGED_WHILE_READ | PART_FIXED_SEGMENTS | PART_BIRTH_TIME | PART_SEGMENTS;
const BIRTH_BYTES = 12;
const NO_PLACES: readonly SegmentLocation[] = [];

/** What is to be restored, in bytes that stay as they are until the call returns. */
export interface EntryToPlan {
  readonly path: Uint8Array;
  readonly pathLength: number;
  readonly body: Uint8Array;
  readonly position: number;
}

export class ContentPlanner {
  readonly #context: RunContext;
  readonly #window: PlanWindow;
  readonly #large: LargeFiles;
  readonly #place: SegmentPlace = newSegmentPlace();
  readonly #first: SegmentPlace = newSegmentPlace();
  readonly #pieces = new ByteWriter(16 * 1024);
  #limits: WindowLimits = FIRST_WINDOW;

  readonly #rehearsal: Rehearsal | undefined;

  /** With a rehearsal nothing is given to the threads, and what need not be written is not planned. */
  constructor(context: RunContext, large: LargeFiles, rehearsal?: Rehearsal) {
    this.#context = context;
    this.#rehearsal = rehearsal;
    this.#window = new PlanWindow(context.parts.places);
    this.#large = large;
  }

  /**
   * Plans a file of one inline segment, the most frequent kind by far, without decoding its body; false when it is of
   * another kind.
   */
  addSimple(entry: EntryToPlan): boolean {
    const { body } = entry;
    if (body[0] !== ENTRY_FILE) return false;
    const view = viewOf(body);
    const parts = view.getUint32(4, true);
    if ((parts & ~SIMPLE_PARTS) !== 0 || (parts & PART_SEGMENTS) === 0) return false;
    const at = ENTRY_FIXED_BYTES + ((parts & PART_BIRTH_TIME) === 0 ? 0 : BIRTH_BYTES);
    if (body.length !== at + 2 + 4 + FINGERPRINT_BYTES || view.getUint16(at, true) !== 1) return false;
    const length = view.getUint32(at + 2, true);
    if (length === 0 || view.getUint32(48, true) !== length || view.getUint32(52, true) !== 0) return false;
    const code = this.#context.parts.places.find(body.subarray(at + 6), length, this.#place);
    if (code === undefined) this.#addSmall(entry, NO_PLACES);
    else this.#fail(entry, code, this.#context.parts.places.failure);
    return true;
  }

  /** Plans anything but a directory. */
  async add(entry: EntryToPlan, body: EntryBody): Promise<void> {
    try {
      await this.#add(entry, body);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === "INTERRUPTED" || error.code === "WORKER_FAILED") throw error;
      this.#fail(entry, error.code, error.message);
    }
  }

  /** Gives the threads what is gathered, when it is enough. */
  async dispatchIfFull(): Promise<void> {
    if (this.#context.again.length >= AGAIN_LIMIT) await this.#planAgain();
    if (this.#window.isFull(this.#limits)) await this.#dispatch();
  }

  /** Resolves when everything planned is done, other copies of what was damaged included. */
  async finish(): Promise<void> {
    const { pool } = this.#context.parts;
    for (;;) {
      await this.#planAgain();
      if (!this.#window.isEmpty) await this.#dispatch();
      if (pool.pending === 0 && this.#context.again.length === 0 && this.#window.isEmpty) break;
      await this.#context.below(Math.max(0, pool.pending - 1));
    }
    pool.check();
  }

  async #planAgain(): Promise<void> {
    const again = this.#context.again;
    this.#context.again = [];
    for (const { path, body, position } of again) {
      this.#window.isCounted = false;
      await this.add({ path, pathLength: path.length, body, position }, readEntryBody(body));
      this.#window.isCounted = true;
      if (this.#window.isFull(this.#limits)) await this.#dispatch();
    }
  }

  async #dispatch(): Promise<void> {
    const { pool, counts } = this.#context.parts;
    counts.storedBytes += this.#window.storedBytes;
    const tasks = this.#window.take();
    this.#limits = {
      entries: Math.min(WINDOW_ENTRIES, this.#limits.entries * 2),
      contentBytes: Math.min(WINDOW_BYTES, this.#limits.contentBytes * 2),
    };
    if (this.#context.isDryRun) return;
    pool.add(tasks.map((bytes) => this.#context.task(bytes)));
    await this.#context.below(TASKS_WAITING * pool.threadCount);
  }

  async #add(entry: EntryToPlan, body: EntryBody): Promise<void> {
    const attributes = attributePlaces(this.#context, body);
    if (body.kind !== ENTRY_FILE || body.sizeBytes === 0) {
      if (this.#rehearsal?.visit(entry) !== false) this.#window.addBare(this.#planned(entry, attributes));
      return;
    }
    if (body.sizeBytes > WHOLE_FILE_BYTES) return this.#large.add(this.#planned(entry, attributes), body, this.#window.isCounted);
    const references: SegmentReference[] = [];
    for await (const some of segmentsOf(this.#context.parts.source, body)) {
      references.push(...some);
      if (references.length > PIECES_LIMIT)
        return this.#large.add(this.#planned(entry, attributes), body, this.#window.isCounted);
    }
    this.#addReferences(entry, body, attributes, references);
  }

  #addReferences(
    entry: EntryToPlan,
    body: EntryBody,
    attributes: readonly SegmentLocation[],
    references: readonly SegmentReference[],
  ): void {
    const { places, counts } = this.#context.parts;
    const [only] = references;
    if (references.length === 1 && only?.kind === "data" && body.segments !== undefined && only.length === body.sizeBytes) {
      const code = places.find(only.fingerprint, only.length, this.#place);
      return code === undefined ? this.#addSmall(entry, attributes) : this.#fail(entry, code, places.failure);
    }
    if (this.#rehearsal !== undefined) {
      const code = this.#findAll(references, body.sizeBytes);
      if (code !== undefined) return this.#fail(entry, code);
      if (!this.#rehearsal.visit(entry)) return;
    }
    let position = 0;
    this.#pieces.clear();
    for (const reference of references) {
      if (reference.kind === "data") {
        const place = this.#pieces.length === 0 ? this.#first : this.#place;
        const code = places.find(reference.fingerprint, reference.length, place);
        if (code !== undefined) return this.#fail(entry, code, places.failure);
        writePiece(this.#pieces, places, position, reference.fingerprint, place);
        this.#window.noteBlock(place);
        if (this.#window.isCounted) counts.segments++;
      }
      position += reference.length;
    }
    if (position !== body.sizeBytes) return this.#fail(entry, "FORMAT_INVALID");
    const planned = this.#planned(entry, attributes);
    if (this.#pieces.length === 0) this.#window.addBare(planned);
    else this.#window.addWhole(planned, this.#pieces.peek(), this.#first, body.sizeBytes);
  }

  /** What the planning of these would fail with. */
  #findAll(references: readonly SegmentReference[], sizeBytes: number): string | undefined {
    let position = 0;
    for (const reference of references) {
      if (reference.kind === "data") {
        const code = this.#context.parts.places.find(reference.fingerprint, reference.length, this.#place);
        if (code !== undefined) return code;
      }
      position += reference.length;
    }
    return position === sizeBytes ? undefined : "FORMAT_INVALID";
  }

  #addSmall(entry: EntryToPlan, attributes: readonly SegmentLocation[]): void {
    if (this.#rehearsal?.visit(entry) === false) return;
    if (this.#window.isCounted) this.#context.parts.counts.segments++;
    this.#window.addSmall(this.#planned(entry, attributes), this.#place);
  }

  #planned({ path, pathLength, body, position }: EntryToPlan, attributes: readonly SegmentLocation[]): PlannedEntry {
    return { path, pathLength, nameStart: nameStartOf(path, pathLength), body, position, attributes };
  }

  #fail(entry: EntryToPlan, code: string, detail?: string): void {
    this.#context.fail(entry.path.subarray(0, entry.pathLength), entry.position, code, detail);
  }
}

/** Where extended attributes that do not lie in the entry are stored. */
export function attributePlaces(context: RunContext, body: EntryBody): readonly SegmentLocation[] {
  const reference = body.storedAttributes;
  if (reference?.kind !== "data") return NO_PLACES;
  return context.parts.places.findAll(reference.fingerprint, reference.length).slice(0, ATTRIBUTE_PLACES);
}
