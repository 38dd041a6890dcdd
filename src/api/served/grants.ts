// Who may read which page and which segment. A client is granted the roots of its own images; with every page it is given the
// grants of what that page refers to. A grant is a code that the server alone can make, for one client and one fingerprint, so nothing
// has to be remembered, and knowing a fingerprint is not enough to read what it names.

import { createHmac, timingSafeEqual } from "node:crypto";
import { utf8 } from "../../base/bytes.ts";
import { createFingerprinter } from "../../engine/engine.ts";
import type { Fingerprinter, LoadBlake } from "../../engine/engine.ts";
import { GRANT_BYTES } from "../../formats/granted-pages.ts";
import type { FingerprintKind } from "../../repository/repository.ts";

const KINDS: Readonly<Record<FingerprintKind, number>> = { data: 1, page: 2, list: 3 };

export class Grants {
  readonly #codes: Fingerprinter;
  readonly #message: Uint8Array;

  /** `secret`: 32 bytes that only the server has. */
  constructor(secret: Uint8Array, client: string, loadBlake: LoadBlake) {
    const key = createHmac("sha256", secret).update("holdfast grants 1").digest();
    this.#codes = createFingerprinter(new Uint8Array(key), loadBlake);
    const name = createHmac("sha256", key).update(utf8(client)).digest();
    this.#message = new Uint8Array(name.length + 1 + 32);
    this.#message.set(name);
  }

  of(kind: FingerprintKind, fingerprint: Uint8Array): Uint8Array {
    const message = this.#message;
    message[message.length - 33] = KINDS[kind];
    message.set(fingerprint, message.length - 32);
    return this.#codes.of(message).subarray(0, GRANT_BYTES);
  }

  isGranted(kind: FingerprintKind, fingerprint: Uint8Array, grant: Uint8Array): boolean {
    return grant.length === GRANT_BYTES && timingSafeEqual(this.of(kind, fingerprint), grant);
  }
}
