// Which segments a client may refer to in the image it sends: those it has sent or proved to have in this backup. A reference may come
// before its segment does, so what is not held yet is looked at once more when everything has arrived.

import { hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { SessionSegments } from "../repository/repository.ts";

/** So many references may wait for their segments; a client that goes on in order has some thousands on their way. */
const WAITING_LIMIT = 1_000_000;

export class HeldSegments {
  readonly #held: Pick<SessionSegments, "has">;
  readonly #waiting = new Set<string>();
  readonly #fingerprint = new Uint8Array(FINGERPRINT_BYTES);

  constructor(held: Pick<SessionSegments, "has">) {
    this.#held = held;
  }

  note(fingerprint: Uint8Array): void {
    if (this.#held.has(fingerprint)) return;
    if (this.#waiting.size >= WAITING_LIMIT) throw notHeld(this.#waiting.size, fingerprint);
    this.#waiting.add(Buffer.from(fingerprint).toString("latin1"));
  }

  /** Everything has been sent. SEGMENT_MISSING when something that was referred to has not come. */
  requireAll(): void {
    for (const text of this.#waiting) {
      Buffer.from(this.#fingerprint.buffer).write(text, "latin1");
      if (!this.#held.has(this.#fingerprint)) throw notHeld(this.#waiting.size, this.#fingerprint);
    }
    this.#waiting.clear();
  }
}

function notHeld(count: number, fingerprint: Uint8Array): HoldfastError {
  return new HoldfastError("SEGMENT_MISSING", {
    message: `The image refers to content that was neither sent nor proved to be there (up to ${count} segments), among it ${hexOf(fingerprint).slice(0, 16)}…`,
    hint: "The sending half is faulty or of another version. Nothing was committed.",
  });
}
