// For tests: content that takes as much room in a repository as it has bytes.

/** Bytes that do not compress and do not repeat, the same for the same seed. */
export function noise(seed: number, length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let i = 0, x = seed; i < words.length; i++) words[i] = x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
  return Buffer.from(words.buffer, 0, length);
}
