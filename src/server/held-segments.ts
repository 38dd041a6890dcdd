// Which segments a client may refer to in the image it sends: those it has sent or proved to have in this backup. A reference may come
// before its segment does, so what is not held yet is looked at once more when everything has arrived.

import { hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import type { SessionSegments } from "../repository/repository.ts";

/**
 * So many references may wait for their segments. Small files are told of before the block that has them is full, so of every file of a
 * hundred thousand the reference may come first; what waits at a time is on its way, and that is some thousands.
 */
const WAITING_LIMIT = 512 * 1024;
/** From so many on, those whose segments have come are forgotten. */
const FIRST_LOOK = 64 * 1024;

export interface HeldSegmentsLimits {
  readonly waiting?: number;
  readonly firstLook?: number;
}

export class HeldSegments {
  readonly #held: Pick<SessionSegments, "has">;
  readonly #waiting = new Set<string>();
  readonly #fingerprint = new Uint8Array(FINGERPRINT_BYTES);
  readonly #limits: Required<HeldSegmentsLimits>;
  #lookAt: number;

  constructor(held: Pick<SessionSegments, "has">, { waiting = WAITING_LIMIT, firstLook = FIRST_LOOK }: HeldSegmentsLimits = {}) {
    this.#held = held;
    this.#limits = { waiting, firstLook };
    this.#lookAt = firstLook;
  }

  /** SEGMENT_MISSING when so many wait that they cannot all be on their way. */
  note(fingerprint: Uint8Array): void {
    if (this.#held.has(fingerprint)) return;
    this.#waiting.add(Buffer.from(fingerprint).toString("latin1"));
    if (this.#waiting.size >= this.#lookAt) this.#forgetHeld(fingerprint);
  }

  /** Everything has been sent. SEGMENT_MISSING when something that was referred to has not come. */
  requireAll(): void {
    for (const text of this.#waiting) if (!this.#isHeld(text)) throw notHeld(this.#waiting.size, this.#fingerprint);
    this.#waiting.clear();
    this.#lookAt = this.#limits.firstLook;
  }

  /** The next look comes when as many again have gathered: so each reference costs few of them. */
  #forgetHeld(fingerprint: Uint8Array): void {
    for (const text of this.#waiting) if (this.#isHeld(text)) this.#waiting.delete(text);
    const { size } = this.#waiting;
    if (size >= this.#limits.waiting) throw notHeld(size, fingerprint);
    this.#lookAt = Math.max(this.#limits.firstLook, 2 * size);
  }

  #isHeld(text: string): boolean {
    Buffer.from(this.#fingerprint.buffer).write(text, "latin1");
    return this.#held.has(this.#fingerprint);
  }
}

function notHeld(count: number, fingerprint: Uint8Array): HoldfastError {
  return new HoldfastError("SEGMENT_MISSING", {
    message: `The image refers to content that was neither sent nor proved to be there (up to ${count} segments), among it ${hexOf(fingerprint).slice(0, 16)}…`,
    hint: "The sending half is faulty or of another version. Nothing was committed.",
  });
}
