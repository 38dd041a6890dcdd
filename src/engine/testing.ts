// Deterministic stand-ins for tests and benchmarks. Frozen test vectors depend on every byte that these give.

import { createHash } from "node:crypto";
import type { Random } from "../platform/random.ts";

/** Repeatable bytes: SHA-256 of the seed and a counter. Never for production. */
export function seededRandom(seed: string | number): Random {
  let counter = 0;
  return {
    bytes(count) {
      const bytes = new Uint8Array(count);
      for (let offset = 0; offset < count; offset += 32) {
        const digest = createHash("sha256").update(`${seed} ${counter++}`).digest();
        bytes.set(digest.subarray(0, Math.min(32, count - offset)), offset);
      }
      return bytes;
    },
  };
}

/** A fast repeatable stream of 32-bit numbers (xorshift128). */
export function seededNumbers(seed: number): () => number {
  let a = seed | 1;
  let b = 0x9e3779b9;
  let c = 0x243f6a88;
  let d = 0xb7e15162;
  const next = (): number => {
    const t = a ^ (a << 11);
    a = b;
    b = c;
    c = d;
    d = d ^ (d >>> 19) ^ t ^ (t >>> 8);
    return d >>> 0;
  };
  for (let warmUp = 0; warmUp < 16; warmUp++) next();
  return next;
}

/** Incompressible bytes. */
export function randomBytes(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const next = seededNumbers(seed);
  const words = new Uint32Array(Math.ceil(length / 4));
  for (let position = 0; position < words.length; position++) words[position] = next();
  return new Uint8Array(words.buffer, 0, length);
}

/** Text that compresses about as well as source code. */
export function wordyBytes(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const next = seededNumbers(seed);
  const words = Array.from({ length: 600 }, () => {
    let word = "";
    for (let letters = (next() % 9) + 2; letters > 0; letters--) word += String.fromCharCode(97 + (next() % 26));
    return word;
  });
  const bytes = new Uint8Array(length);
  const encoder = new TextEncoder();
  for (let offset = 0; offset < length;) {
    // The product favours the first words, as language does.
    const word = words[Math.floor(((next() % 600) * (next() % 600)) / 600)] ?? "";
    const end = next() % 9 === 0 ? ";\n" : " ";
    offset += encoder.encodeInto(word + end, bytes.subarray(offset)).written || 1;
  }
  return bytes;
}
