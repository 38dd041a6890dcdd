// Fingerprints: keyed BLAKE3-256. The key belongs to one deduplication domain and one kind of content, so equal
// fingerprints say "the same bytes" inside that domain and nothing outside it.
//
// The native hasher takes any Uint8Array without copying: ordinary memory, WASM memory and SharedArrayBuffer.
// Two of its habits shape this file. A key of a wrong length aborts the whole process, so the length is checked
// here. And `digestBuffer()` hands out external memory that only a turn of the event loop gives back, which a busy
// worker never takes (measured: 900 MB after a million digests); the hexadecimal digest is plain heap text and
// twice as fast for small segments.

import { createRequire } from "node:module";
import { assert } from "../base/assert.ts";
import { HoldfastError } from "../base/errors.ts";
import { FINGERPRINT_BYTES, type Fingerprint } from "../base/fingerprint.ts";

export interface KeyedHasher {
  /** Forgets the input and keeps the key. */
  reset(): void;
  update(input: Uint8Array): unknown;
  digest(format: "hex"): string;
}

/** What is needed of `@napi-rs/blake-hash`. */
export interface BlakeModule {
  readonly Blake3Hasher: { newKeyed(key: Buffer): KeyedHasher };
}

/** The single-file executable cannot resolve packages and brings its own loader. */
export type LoadBlake = () => BlakeModule;

export const FINGERPRINT_KEY_BYTES = 32;

function loadFromPackage(): BlakeModule {
  try {
    return createRequire(import.meta.url)("@napi-rs/blake-hash") as BlakeModule;
  } catch (error) {
    throw new HoldfastError("PLATFORM_UNSUPPORTED", {
      message: `Cannot load the BLAKE3 library for ${process.platform}-${process.arch}`,
      hint: "Install again with optional dependencies allowed: npm ci",
      cause: error,
    });
  }
}

/** One keyed hasher, used over and over. Not shared between threads: each makes its own. */
export class Fingerprinter {
  readonly #hasher: KeyedHasher;
  readonly #digest = Buffer.alloc(FINGERPRINT_BYTES);

  constructor(hasher: KeyedHasher) {
    this.#hasher = hasher;
  }

  /** The fingerprint in 32 bytes of its own. */
  of(bytes: Uint8Array): Fingerprint {
    this.#compute(bytes);
    return new Uint8Array(this.#digest) as Uint8Array as Fingerprint;
  }

  /** Writes the 32 bytes of the fingerprint to `target` at `offset`. */
  into(bytes: Uint8Array, target: Uint8Array, offset: number): void {
    this.#compute(bytes);
    target.set(this.#digest, offset);
  }

  /** Whether `expected`, at `offset`, is the fingerprint of `bytes`. */
  matches(bytes: Uint8Array, expected: Uint8Array, offset = 0): boolean {
    this.#compute(bytes);
    return this.#digest.compare(expected, offset, offset + FINGERPRINT_BYTES) === 0;
  }

  #compute(bytes: Uint8Array): void {
    const hasher = this.#hasher;
    hasher.reset();
    hasher.update(bytes);
    const written = this.#digest.write(hasher.digest("hex"), "hex");
    assert(written === FINGERPRINT_BYTES, "a BLAKE3 digest has 32 bytes");
  }
}

export function createFingerprinter(key: Uint8Array, load: LoadBlake = loadFromPackage): Fingerprinter {
  assert(key.length === FINGERPRINT_KEY_BYTES, "a fingerprint key has 32 bytes");
  return new Fingerprinter(load().Blake3Hasher.newKeyed(Buffer.from(key)));
}
