import { PATH_SEPARATOR } from "../../model/path-order.ts";

const DOT = 0x2e;

/** The path of a walk, used again for each entry. */
export class PathBuffer {
  /** Leading "/", the path, and room for "/." behind it. */
  #absolute = new Uint8Array(4096);
  /** The path without its leading "/". Another array after the buffer has grown. */
  bytes: Uint8Array = this.#absolute.subarray(1);

  constructor() {
    this.#absolute[0] = PATH_SEPARATOR;
  }

  /** Puts `part` at `start`; what lies before it stays. Returns the end. */
  put(start: number, part: Uint8Array): number {
    const end = start + part.length;
    if (end + 4 > this.#absolute.length) this.#grow(end + 4);
    const bytes = this.bytes;
    // Shorter names than a call to `set` is worth.
    for (let i = 0; i < part.length; i++) bytes[start + i] = part[i]!;
    return end;
  }

  /** Makes the path of `length` bytes the beginning of another. */
  putSeparator(length: number): void {
    if (length + 4 > this.#absolute.length) this.#grow(length + 4);
    this.bytes[length] = PATH_SEPARATOR;
  }

  /** A copy of the first `length` bytes. */
  copy(length: number): Uint8Array {
    return this.bytes.slice(0, length);
  }

  /** The absolute path of the first `length` bytes, followed by "/." when a link at its end is to be followed. */
  absolute(length: number, followsLink: boolean): Uint8Array {
    const absolute = this.#absolute.slice(0, length + 1 + (followsLink ? 2 : 0));
    if (followsLink) {
      absolute[length + 1] = PATH_SEPARATOR;
      absolute[length + 2] = DOT;
    }
    return absolute;
  }

  #grow(needed: number): void {
    const grown = new Uint8Array(Math.max(needed, this.#absolute.length * 2));
    grown.set(this.#absolute);
    this.#absolute = grown;
    this.bytes = grown.subarray(1);
  }
}
