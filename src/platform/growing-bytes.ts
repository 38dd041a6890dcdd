/**
 * Bytes that are written to at any position, and of which many views are taken meanwhile: a view never changes, and appending
 * copies nothing that is in a view.
 */
export class GrowingBytes {
  #memory: Uint8Array;
  #length: number;
  /** Bytes before this are in a view. */
  #viewed: number;
  #view: Uint8Array | undefined;

  constructor(bytes: Uint8Array) {
    this.#memory = bytes;
    this.#length = bytes.length;
    this.#viewed = bytes.length;
    this.#view = bytes;
  }

  get length(): number {
    return this.#length;
  }

  /** The same object until something is written. */
  view(): Uint8Array {
    this.#view ??= this.#memory.subarray(0, this.#length);
    this.#viewed = this.#length;
    return this.#view;
  }

  copy(): GrowingBytes {
    return new GrowingBytes(this.view());
  }

  /** Other bytes altogether. */
  become(bytes: Uint8Array): void {
    this.#memory = bytes;
    this.#length = bytes.length;
    this.#viewed = bytes.length;
    this.#view = bytes;
  }

  write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    const length = Math.max(this.#length, position + bytes.length);
    if (position < this.#viewed || length > this.#memory.length) {
      const memory = new Uint8Array(length > this.#memory.length ? Math.max(length, 2 * this.#memory.length) : length);
      memory.set(this.#memory.subarray(0, this.#length));
      this.#memory = memory;
      this.#viewed = 0;
    }
    this.#memory.set(bytes, position);
    this.#length = length;
    this.#view = undefined;
  }
}
