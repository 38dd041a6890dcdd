// The audit log: lines that are only ever added, by the server and by commands beside it, each under the lock of the file
// and synced before anybody hears of its outcome. What waits for the lock meanwhile is written together.
//
// A crash can leave a part of a line, or garbage, at the end. It stays where it is: the next record says how much of it there
// is and what its hash is, and follows the last whole record. So nothing is ever taken away from the file, and verification
// can tell a crash that was noticed from a change.

import {
  auditLineHash,
  AUDIT_LINE_LIMIT,
  decodeAuditRecord,
  encodeAuditRecord,
  FIRST_PREVIOUS,
} from "../formats/audit-record.ts";
import type { AuditEvent, AuditRecord } from "../formats/audit-record.ts";
import { concatBytes, utf8 } from "../base/bytes.ts";
import { errorFrom } from "../base/errors.ts";
import type { Clock } from "../platform/clock.ts";
import type { Files, OpenFile } from "../platform/files.ts";
import type { WithLock } from "../platform/process-lock.ts";

export interface AuditPlace {
  readonly files: Files;
  readonly openForAppending: (path: string) => OpenFile;
  readonly withLock: WithLock;
  readonly clock: Clock;
  /** Of the state. */
  readonly directory: string;
}

export type AuditEntry = Omit<AuditEvent, "timeMs">;

export const AUDIT_FILE = "audit.jsonl";
const LOCK_FILE = "audit.lock";
const NEWLINE = 0x0a;
/** Read at first to find the last record; doubled until it is found. */
const TAIL_BYTES = 64 * 1024;

/** Where the next record goes, and what it has to say of what is before it. */
interface End {
  readonly sizeBytes: number;
  readonly sequence: number;
  readonly hash: string;
  /** Bytes after the last whole record. */
  readonly garbage: Uint8Array;
}

interface Waiting {
  readonly entry: AuditEntry;
  readonly timeMs: number;
  readonly written: PromiseWithResolvers<void>;
}

export class AuditLog {
  readonly #place: AuditPlace;
  readonly #path: string;
  #waiting: Waiting[] = [];
  #isWriting = false;
  #end: End | undefined;

  constructor(place: AuditPlace) {
    this.#place = place;
    this.#path = `${place.directory}/${AUDIT_FILE}`;
  }

  /** Durable when the promise resolves. Rejects when it could not be written: then what it speaks of must not be reported as done. */
  append(entry: AuditEntry): Promise<void> {
    const written = Promise.withResolvers<void>();
    this.#waiting.push({ entry, timeMs: this.#place.clock.now(), written });
    if (!this.#isWriting) void this.#writeAll();
    return written.promise;
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    const { withLock, directory } = this.#place;
    while (this.#waiting.length > 0) {
      let batch: Waiting[] = [];
      try {
        await withLock(`${directory}/${LOCK_FILE}`, async () => {
          batch = this.#waiting;
          this.#waiting = [];
          await this.#write(batch);
        });
        for (const { written } of batch) written.resolve();
      } catch (error) {
        // What the file ends with now has to be looked at anew.
        this.#end = undefined;
        if (batch.length === 0) [batch, this.#waiting] = [this.#waiting, []];
        for (const { written } of batch) written.reject(errorFrom(error));
      }
    }
    this.#isWriting = false;
  }

  async #write(batch: readonly Waiting[]): Promise<void> {
    const file = this.#place.openForAppending(this.#path);
    try {
      const sizeBytes = file.sizeBytes();
      if (sizeBytes === 0) this.#place.files.syncDirectory(this.#place.directory);
      const end = this.#end?.sizeBytes === sizeBytes ? this.#end : findEnd(file, sizeBytes);
      const { bytes, sequence, hash } = linesAfter(end, batch);
      file.write(bytes, sizeBytes);
      await file.sync();
      this.#end = { sizeBytes: sizeBytes + bytes.length, sequence, hash, garbage: new Uint8Array() };
    } finally {
      file.close();
    }
  }
}

function linesAfter(end: End, batch: readonly Waiting[]): { bytes: Uint8Array; sequence: number; hash: string } {
  const isTorn = end.garbage.length > 0;
  const lineEnd = isTorn && end.garbage.at(-1) !== NEWLINE ? utf8("\n") : new Uint8Array();
  const garbage = concatBytes(end.garbage, lineEnd);
  const parts: Uint8Array[] = [lineEnd];
  let { sequence, hash } = end;
  for (const [index, { entry, timeMs }] of batch.entries()) {
    sequence++;
    const skipped = { bytes: garbage.length, sha256: auditLineHash(garbage) };
    const record: AuditRecord = { ...entry, timeMs, sequence, previous: hash, ...(isTorn && index === 0 ? { skipped } : {}) };
    const line = encodeAuditRecord(record);
    parts.push(line);
    hash = auditLineHash(line.subarray(0, -1));
  }
  return { bytes: concatBytes(...parts), sequence, hash };
}

/** Looks from the end for the last whole record. */
function findEnd(file: OpenFile, sizeBytes: number): End {
  for (let length = Math.min(TAIL_BYTES, sizeBytes); ; length = Math.min(length * 2, sizeBytes)) {
    const tail = new Uint8Array(length);
    file.read(tail, sizeBytes - length);
    const found = lastRecord(tail, length === sizeBytes);
    if (found !== undefined) return { ...found, sizeBytes };
    if (length === sizeBytes) return { sizeBytes, sequence: 0, hash: FIRST_PREVIOUS, garbage: tail };
  }
}

function lastRecord(tail: Uint8Array, isWholeFile: boolean): Omit<End, "sizeBytes"> | undefined {
  // The line end of a record is part of it: without it the record was never said to be written.
  for (let end = tail.lastIndexOf(NEWLINE); end >= 0;) {
    const before = end === 0 ? -1 : tail.lastIndexOf(NEWLINE, end - 1);
    if (before < 0 && !isWholeFile) return undefined;
    const line = tail.subarray(before + 1, end);
    const record = recordIn(line);
    if (record !== undefined) return { sequence: record.sequence, hash: auditLineHash(line), garbage: tail.slice(end + 1) };
    end = before;
  }
  return undefined;
}

/** Undefined when the line is no record. */
export function recordIn(line: Uint8Array): AuditRecord | undefined {
  if (line.length > AUDIT_LINE_LIMIT) return undefined;
  try {
    return decodeAuditRecord(line);
  } catch {
    return undefined;
  }
}
