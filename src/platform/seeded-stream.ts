/** Repeatable chance for simulations (xorshift128). Never for keys. */
export interface SeededStream {
  /** A whole number from 0 up to, and without, `limit`. */
  below(limit: number): number;
  bytes(count: number): Uint8Array;
}

export function seededStream(seed: number): SeededStream {
  let [a, b, c, d] = [seed | 1, Math.trunc(seed / 2 ** 32) ^ 0x9e3779b9, seed ^ 0x243f6a88, 0xb7e15162];
  const next = (): number => {
    const t = a ^ (a << 11);
    [a, b, c] = [b, c, d];
    d = d ^ (d >>> 19) ^ t ^ (t >>> 8);
    return d >>> 0;
  };
  for (let warmUp = 0; warmUp < 16; warmUp++) next();
  return {
    below: (limit) => next() % limit,
    bytes: (count) => {
      const words = new Uint32Array(Math.ceil(count / 4));
      for (let position = 0; position < words.length; position++) words[position] = next();
      return new Uint8Array(words.buffer, 0, count);
    },
  };
}
