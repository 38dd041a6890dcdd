// A set of fingerprints that may grow to millions: eight bytes of each. Two fingerprints that agree in those are taken for
// one, which among ten million happens once in 400,000 sets; so it serves to skip what was seen, not to prove anything.

import { viewOf } from "../base/bytes.ts";

const FIRST_CAPACITY = 1 << 12;

export class FingerprintSet {
  #slots = new Uint32Array(FIRST_CAPACITY * 2);
  #count = 0;

  /** True when it was not there. */
  add(fingerprint: Uint8Array): boolean {
    if (this.#count * 4 >= this.#slots.length) this.#grow();
    const view = viewOf(fingerprint);
    // A slot of two zeros is free; a fingerprint of that kind counts as another.
    return this.#insert(view.getUint32(0, true), view.getUint32(4, true) || 1);
  }

  #insert(low: number, high: number): boolean {
    const slots = this.#slots;
    const mask = slots.length / 2 - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const found = slots[slot * 2 + 1] as number;
      if (found === 0) {
        slots[slot * 2] = low;
        slots[slot * 2 + 1] = high;
        this.#count++;
        return true;
      }
      if (found === high && slots[slot * 2] === low) return false;
    }
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Uint32Array(before.length * 2);
    this.#count = 0;
    for (let at = 0; at < before.length; at += 2) {
      const high = before[at + 1] as number;
      if (high !== 0) this.#insert(before[at] as number, high);
    }
  }
}
