// Choices that come again for the same seed: every input of the fuzzer can be made once more from its number alone.

import { seededNumbers } from "../../src/engine/testing.ts";

export class Chance {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seededNumbers(seed);
  }

  /** For the `number`-th input of a target: nothing depends on the inputs before it. */
  static of(seed: string, target: string, number: number): Chance {
    let hash = 0x811c9dc5;
    const text = `${seed} ${target} ${number}`;
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
    return new Chance(hash >>> 0);
  }

  /** 0 to `limit` - 1; 0 when there is nothing to choose from. */
  below(limit: number): number {
    return limit <= 0 ? 0 : this.#next() % limit;
  }

  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }

  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new Error("Nothing to pick from");
    return list[this.below(list.length)] as T;
  }

  bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => this.#next() & 0xff);
  }

  /** Whole numbers, small ones as often as large ones. */
  size(limit: number): number {
    return this.below(Math.min(limit, 2 ** this.below(31)) + 1);
  }
}
