// The subkeys of a repository, each for one purpose, all from the master key (docs/formats/key-slot.md):
//   HKDF-SHA-256(ikm = master key, salt = repository identifier, info = "holdfast <purpose> 1", 32 bytes)
// Whoever holds one of them learns nothing of the others.

import { hkdfSync } from "node:crypto";
import { assert } from "../base/assert.ts";
import { utf8 } from "../base/bytes.ts";
import { MASTER_KEY_BYTES } from "../formats/key-slot.ts";
import { REPOSITORY_ID_BYTES } from "../formats/repository-record.ts";

const SUBKEY_BYTES = 32;

/** File data, pages of entries, pages of segment lists: none can ever pass for another. */
export type FingerprintKind = "data" | "page" | "list";

/** A key ring as plain data, to be posted to a worker. */
export interface KeyRingData {
  readonly repositoryId: Uint8Array;
  readonly block: Uint8Array;
  readonly record: Uint8Array;
  readonly index: Uint8Array;
  readonly identity: Uint8Array;
  readonly trackLog: Uint8Array;
  readonly cut: Uint8Array;
  readonly fingerprintData: Uint8Array;
  readonly fingerprintPage: Uint8Array;
  readonly fingerprintList: Uint8Array;
}

export class KeyRing {
  readonly repositoryId: Uint8Array;
  /** Seals blocks. */
  readonly block: Uint8Array;
  /** Seals records. */
  readonly record: Uint8Array;
  readonly index: Uint8Array;
  /** Makes block identities from segment tables. */
  readonly identity: Uint8Array;
  readonly trackLog: Uint8Array;
  /** Decides where content is cut, within the deduplication domain. */
  readonly cut: Uint8Array;
  readonly #data: KeyRingData;

  constructor(data: KeyRingData) {
    this.#data = data;
    this.repositoryId = data.repositoryId;
    this.block = data.block;
    this.record = data.record;
    this.index = data.index;
    this.identity = data.identity;
    this.trackLog = data.trackLog;
    this.cut = data.cut;
  }

  /** Fingerprints and cuts are equal only within one deduplication domain. */
  static derive(masterKey: Uint8Array, repositoryId: Uint8Array, domain = "default"): KeyRing {
    assert(masterKey.length === MASTER_KEY_BYTES, "a master key has 32 bytes");
    assert(repositoryId.length === REPOSITORY_ID_BYTES, "a repository identifier has 16 bytes");
    const subkey = (purpose: string): Uint8Array =>
      new Uint8Array(hkdfSync("sha256", masterKey, repositoryId, utf8(`holdfast ${purpose} 1`), SUBKEY_BYTES));
    return new KeyRing({
      repositoryId,
      block: subkey("block"),
      record: subkey("record"),
      index: subkey("index"),
      identity: subkey("identity"),
      trackLog: subkey("track log"),
      cut: subkey(`cut ${domain}`),
      fingerprintData: subkey(`fingerprint data ${domain}`),
      fingerprintPage: subkey(`fingerprint page ${domain}`),
      fingerprintList: subkey(`fingerprint list ${domain}`),
    });
  }

  /** The key of the fingerprints of one kind of content. */
  fingerprint(kind: FingerprintKind): Uint8Array {
    switch (kind) {
      case "data":
        return this.#data.fingerprintData;
      case "page":
        return this.#data.fingerprintPage;
      case "list":
        return this.#data.fingerprintList;
    }
  }

  /** What `new KeyRing(…)` takes in another thread. */
  toData(): KeyRingData {
    return this.#data;
  }
}
