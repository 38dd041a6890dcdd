// What the walking thread asks of the reading threads, packed: one request for many files, one response for
// all of them. These bytes never leave the process, so they have no version.
//
// Request, per file:   u8 flags (1 stretch, 2 fixed segments, 4 seen), u8 0, u16 directory length (0xffff: as the file before),
//                      u16 name length, u16 0, u32 fixed segment bytes,
//                      if 1: u64 from, u64 to
//                      if 4: i64 modified seconds, i64 changed seconds, u32 and u32 their nanoseconds, u64 size, u64 allocated
//                      directory path, name
// Response, per file:  u8 outcome, u8 flags (1 content follows the body, 2 it changed while it was read), u16 body length,
//                      u32 reference count, u64 bytes read, body (of a failure: the error code), references (36 bytes each)

import { ByteReader, ByteWriter, textOf, utf8 } from "../base/bytes.ts";
import { nameStartOf } from "../model/path-order.ts";
import { SEGMENT_REFERENCE_BYTES } from "../formats/segment-reference.ts";
import { newStatBuffer } from "../platform/file-tree.ts";
import type { StatBuffer } from "../platform/file-tree.ts";

const SAME_DIRECTORY = 0xffff;
const FLAG_STRETCH = 1;
const FLAG_FIXED = 2;
const FLAG_SEEN = 4;

/** What tells whether a file is still what it was. */
export type SeenFile = Pick<
  StatBuffer,
  "modifiedSeconds" | "modifiedNanoseconds" | "changedSeconds" | "changedNanoseconds" | "sizeBytes" | "allocatedBytes"
>;

export interface ReadRequest {
  /** Absolute path of the directory, bytes. */
  readonly directory: Uint8Array;
  readonly name: Uint8Array;
  /** Undefined for content-defined segments. */
  readonly fixedSegmentBytes: number | undefined;
  /** A part of a large file; undefined for the whole file. */
  readonly stretch: { readonly from: number; readonly to: number } | undefined;
  /** What the walk saw of it. Undefined for a stretch, and where no walk has been; valid until the next request is read. */
  readonly seen: SeenFile | undefined;
}

const SEPARATOR = 0x2f;
const NOTHING: Uint8Array = new Uint8Array(0);

export class ReadRequestWriter {
  readonly #writer = new ByteWriter(16 * 1024);
  /** The path of the file before, up to its name; -1 when there is none. */
  #path: Uint8Array = NOTHING;
  #nameStart = -1;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** `path` as in an image: without the slash that makes it absolute. */
  add(path: Uint8Array, { fixedSegmentBytes, stretch, seen }: Pick<ReadRequest, "fixedSegmentBytes" | "stretch" | "seen">): void {
    const nameStart = nameStartOf(path, path.length);
    const directoryLength = Math.max(nameStart, 1);
    const isSame = this.#isSameDirectory(path, nameStart);
    const flags =
      (stretch === undefined ? 0 : FLAG_STRETCH) |
      (fixedSegmentBytes === undefined ? 0 : FLAG_FIXED) |
      (seen === undefined ? 0 : FLAG_SEEN);
    this.#writer
      .u8(flags)
      .u8(0)
      .u16(isSame ? SAME_DIRECTORY : directoryLength);
    this.#writer
      .u16(path.length - nameStart)
      .u16(0)
      .u32(fixedSegmentBytes ?? 0);
    if (stretch !== undefined) this.#writer.u64(stretch.from).u64(stretch.to);
    if (seen !== undefined) {
      this.#writer.i64(seen.modifiedSeconds).i64(seen.changedSeconds);
      this.#writer.u32(seen.modifiedNanoseconds).u32(seen.changedNanoseconds);
      this.#writer.u64(seen.sizeBytes).u64(seen.allocatedBytes);
    }
    if (!isSame) this.#writer.u8(SEPARATOR).part(path, 0, directoryLength - 1);
    this.#writer.part(path, nameStart, path.length);
    this.#path = path;
    this.#nameStart = nameStart;
    this.#count++;
  }

  #isSameDirectory(path: Uint8Array, nameStart: number): boolean {
    if (nameStart !== this.#nameStart) return false;
    for (let i = nameStart - 1; i >= 0; i--) if (path[i] !== this.#path[i]) return false;
    return true;
  }

  take(): Uint8Array<ArrayBuffer> {
    this.#path = NOTHING;
    this.#nameStart = -1;
    this.#count = 0;
    return this.#writer.take();
  }
}

export function* readRequests(bytes: Uint8Array): Generator<ReadRequest> {
  const reader = new ByteReader(bytes, "a read request");
  let directory: Uint8Array = new Uint8Array(0);
  const lastSeen = newStatBuffer();
  while (reader.remaining > 0) {
    const flags = reader.u8();
    reader.u8();
    const directoryLength = reader.u16();
    const nameLength = reader.u16();
    reader.u16();
    const fixed = reader.u32();
    const stretch = (flags & FLAG_STRETCH) === 0 ? undefined : { from: reader.size(), to: reader.size() };
    const seen = (flags & FLAG_SEEN) === 0 ? undefined : readSeen(reader, lastSeen);
    if (directoryLength !== SAME_DIRECTORY) directory = reader.bytes(directoryLength);
    const name = reader.bytes(nameLength);
    yield { directory, name, fixedSegmentBytes: (flags & FLAG_FIXED) === 0 ? undefined : fixed, stretch, seen };
  }
}

function readSeen(reader: ByteReader, into: StatBuffer): SeenFile {
  into.modifiedSeconds = reader.safeInteger();
  into.changedSeconds = reader.safeInteger();
  into.modifiedNanoseconds = reader.u32();
  into.changedNanoseconds = reader.u32();
  into.sizeBytes = reader.size();
  into.allocatedBytes = reader.size();
  return into;
}

export type ReadOutcome = "stored" | "vanished" | "failed" | "not-a-file";
const OUTCOMES: readonly ReadOutcome[] = ["stored", "vanished", "failed", "not-a-file"];

export interface ReadResponse {
  readonly outcome: ReadOutcome;
  /** The entry's body; for a failure empty. */
  readonly body: Uint8Array;
  readonly errorCode: string;
  /** References that did not fit the body, 36 bytes each, packed. Stretches answer with references only. */
  readonly references: Uint8Array;
  readonly contentFollows: boolean;
  readonly changedWhileRead: boolean;
  readonly bytesRead: number;
}

export function writeResponse(writer: ByteWriter, response: ReadResponse): void {
  const { outcome, body, errorCode, references, contentFollows, changedWhileRead } = response;
  const text = outcome === "failed" ? utf8(errorCode) : body;
  writer
    .u8(OUTCOMES.indexOf(outcome))
    .u8((contentFollows ? 1 : 0) | (changedWhileRead ? 2 : 0))
    .u16(text.length);
  writer
    .u32(references.length / SEGMENT_REFERENCE_BYTES)
    .u64(response.bytesRead)
    .bytes(text)
    .bytes(references);
}

/** Byte fields are views into `bytes`. */
export function* readResponses(bytes: Uint8Array): Generator<ReadResponse> {
  const reader = new ByteReader(bytes, "a read response");
  while (reader.remaining > 0) {
    const outcome = OUTCOMES[reader.u8()];
    if (outcome === undefined) reader.invalid("an unknown outcome");
    const flags = reader.u8();
    const textLength = reader.u16();
    const referenceCount = reader.u32();
    const bytesRead = reader.size();
    const text = reader.bytes(textLength);
    const references = referenceCount === 0 ? NOTHING : reader.bytes(referenceCount * SEGMENT_REFERENCE_BYTES);
    const isFailure = outcome === "failed";
    yield {
      outcome: outcome as ReadOutcome,
      body: isFailure ? NOTHING : text,
      errorCode: isFailure ? textOf(text) : "",
      references,
      contentFollows: (flags & 1) !== 0,
      changedWhileRead: (flags & 2) !== 0,
      bytesRead,
    };
  }
}
