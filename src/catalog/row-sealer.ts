// Seals what the catalog keeps of sources, paths and people. Each value is bound to its table and key, so rows cannot
// be exchanged.

import { utf8 } from "../base/bytes.ts";
import { openRecord, sealRecord } from "../engine/engine.ts";
import type { Random } from "../platform/random.ts";

export class RowSealer {
  readonly #key: Uint8Array;
  readonly #random: Random;

  /** `key` is the 32-byte record key of the repository. */
  constructor(key: Uint8Array, random: Random) {
    this.#key = key;
    this.#random = random;
  }

  seal(table: string, name: string, plain: Uint8Array): Uint8Array {
    return sealRecord(this.#key, contextOf(table, name), this.#random, plain);
  }

  /** SEAL_BROKEN when it is not what was sealed for this row. */
  open(table: string, name: string, sealed: unknown): Uint8Array {
    const bytes = sealed instanceof Uint8Array ? sealed : new Uint8Array(0);
    return openRecord(this.#key, contextOf(table, name), bytes, `row ${name} of the catalog's table ${table}`);
  }
}

function contextOf(table: string, name: string): Uint8Array {
  return utf8(`holdfast catalog 1 ${table} ${name}`);
}
