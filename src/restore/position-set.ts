// A set of positions of entries in an image: a bit each, in chunks that are made when they are needed.

const CHUNK_BITS = 1 << 16;

export class PositionSet {
  readonly #chunks = new Map<number, Uint32Array>();

  add(position: number): void {
    const number = Math.floor(position / CHUNK_BITS);
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = new Uint32Array(CHUNK_BITS / 32);
      this.#chunks.set(number, chunk);
    }
    const bit = position % CHUNK_BITS;
    chunk[bit >>> 5] = (chunk[bit >>> 5] as number) | (1 << (bit & 31));
  }

  has(position: number): boolean {
    const chunk = this.#chunks.get(Math.floor(position / CHUNK_BITS));
    if (chunk === undefined) return false;
    const bit = position % CHUNK_BITS;
    return ((chunk[bit >>> 5] as number) & (1 << (bit & 31))) !== 0;
  }
}
