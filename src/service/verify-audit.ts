// Goes through the audit log from its first line and says where the chain does not hold. It finds whatever was changed, removed
// or moved before the last line. That the end was cut off shows only to who remembers a later record: its number and hash.

import { createHash } from "node:crypto";
import { concatBytes } from "../base/bytes.ts";
import { AUDIT_LINE_LIMIT, FIRST_PREVIOUS, auditLineHash } from "../formats/audit-record.ts";
import type { AuditRecord } from "../formats/audit-record.ts";
import type { Files, OpenFile } from "../platform/files.ts";
import { AUDIT_FILE, recordIn } from "./audit-log.ts";

export interface AuditProblem {
  /** From 1. */
  readonly line: number;
  readonly problem: string;
}

export interface AuditHead {
  readonly sequence: number;
  /** SHA-256 of its line. */
  readonly hash: string;
}

export interface AuditReport {
  readonly records: number;
  /** The last record; keep it elsewhere to notice later whether the log was cut off. Undefined when there is none. */
  readonly head: AuditHead | undefined;
  /** The first ones. */
  readonly problems: readonly AuditProblem[];
  readonly problemCount: number;
  /** How often a crash left something that a later record speaks of. */
  readonly recoveries: number;
  /** At the end, without a line end: left by a crash, or being written this moment. */
  readonly tornBytes: number;
}

export interface VerifyAuditOptions {
  readonly files: Files;
  readonly directory: string;
  /** A record that must be in the log, because somebody saw it there. */
  readonly contains?: AuditHead | undefined;
}

const PROBLEMS_LIMIT = 20;
const PIECE_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** An absent log is an empty one. */
export function verifyAuditLog({ files, directory, contains }: VerifyAuditOptions): AuditReport {
  const chain = new Chain(contains);
  const file = files.open(`${directory}/${AUDIT_FILE}`);
  try {
    const tornBytes = file === undefined ? 0 : eachLine(file, chain);
    return { ...chain.end(), tornBytes };
  } finally {
    file?.close();
  }
}

class Chain {
  readonly #contains: AuditHead | undefined;
  readonly #problems: AuditProblem[] = [];
  #problemCount = 0;
  #lines = 0;
  #records = 0;
  #recoveries = 0;
  #sequence = 0;
  #hash = FIRST_PREVIOUS;
  /** What came since the last record and is none. */
  #garbage = createHash("sha256");
  #garbageBytes = 0;
  #garbageLine = 0;
  #isContained: boolean;

  constructor(contains: AuditHead | undefined) {
    this.#contains = contains;
    this.#isContained = contains === undefined;
  }

  /** Without its end. */
  takeLine(line: Uint8Array): void {
    this.#lines++;
    const record = recordIn(line);
    if (record === undefined) {
      this.takeGarbage(line);
      this.takeGarbage(Uint8Array.of(NEWLINE));
      return;
    }
    this.#checkSkipped(record);
    this.#checkChain(record);
    this.#records++;
    this.#sequence = record.sequence;
    this.#hash = auditLineHash(line);
    const { sequence, hash } = this.#contains ?? {};
    if (sequence === this.#sequence && hash === this.#hash) this.#isContained = true;
  }

  /** A part of a line that is too long for a record. */
  takeGarbage(bytes: Uint8Array): void {
    if (this.#garbageBytes === 0) this.#garbageLine = this.#lines;
    this.#garbage.update(bytes);
    this.#garbageBytes += bytes.length;
  }

  end(): Omit<AuditReport, "tornBytes"> {
    if (this.#garbageBytes > 0) this.#add("is no record", this.#garbageLine);
    if (!this.#isContained) {
      this.#add(
        `the log does not have the record ${this.#contains?.sequence ?? 0} that was once there: it was cut off or written anew`,
      );
    }
    return {
      records: this.#records,
      head: this.#records === 0 ? undefined : { sequence: this.#sequence, hash: this.#hash },
      problems: this.#problems,
      problemCount: this.#problemCount,
      recoveries: this.#recoveries,
    };
  }

  #checkSkipped({ skipped }: AuditRecord): void {
    const bytes = this.#garbageBytes;
    const sha256 = this.#garbage.digest("hex");
    this.#garbage = createHash("sha256");
    this.#garbageBytes = 0;
    if (skipped === undefined) {
      if (bytes > 0) this.#add("is no record", this.#garbageLine);
      return;
    }
    this.#recoveries++;
    if (skipped.bytes === bytes && skipped.sha256 === sha256) return;
    this.#add(`says that a crash left ${skipped.bytes} bytes before it; found are ${bytes}, or others`);
  }

  #checkChain({ sequence, previous }: AuditRecord): void {
    if (sequence !== this.#sequence + 1) this.#add(`has the number ${sequence}, expected ${this.#sequence + 1}`);
    if (previous !== this.#hash) this.#add("does not follow the record before it: the hash it names is another one");
  }

  #add(problem: string, line = this.#lines): void {
    this.#problemCount++;
    if (this.#problems.length < PROBLEMS_LIMIT) this.#problems.push({ line, problem });
  }
}

/** Goes through all lines; returns how many bytes come after the last one. */
function eachLine(file: OpenFile, chain: Chain): number {
  let rest = new Uint8Array();
  const buffer = new Uint8Array(PIECE_BYTES);
  for (let position = 0; ;) {
    const count = file.read(buffer, position);
    if (count === 0) return rest.length;
    position += count;
    const piece = concatBytes(rest, buffer.subarray(0, count));
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      chain.takeLine(piece.subarray(start, end));
      start = end + 1;
    }
    rest = piece.slice(start);
    if (rest.length > AUDIT_LINE_LIMIT) {
      chain.takeGarbage(rest);
      rest = new Uint8Array();
    }
  }
}
