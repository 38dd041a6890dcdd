// Seals: authenticated encryption of one piece of data under a key of its own (docs/formats/block.md).
//
//   sealed  = salt (32) ‖ commitment (32) ‖ ciphertext ‖ tag (16)
//   key (32) ‖ nonce (12) ‖ commitment (32) = HKDF-SHA-256(ikm = purpose key, salt, info = context)
//   ciphertext ‖ tag = AES-256-GCM(key, nonce, plain, additional data = context)
//
// The context says what is sealed. A key serves one salt and one context, so no counter can repeat a nonce, and a
// cloned machine that repeats its random numbers repeats a key only for the same thing. The commitment is compared first:
// AES-GCM alone lets one ciphertext open under two keys.
//
// Nothing is returned before the tag was found right.

import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  timingSafeEqual,
  type CipherGCM,
  type DecipherGCM,
  type KeyObject,
} from "node:crypto";
import { assert } from "../base/assert.ts";
import { hexOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { BLOCK_IDENTITY_BYTES, SEAL_OVERHEAD_BYTES, type BlockIdentity, type BlockKind } from "../formats/block.ts";
import type { Random } from "../platform/random.ts";
import { releaseNow, uninitializedBytes } from "./release.ts";

export { SEAL_OVERHEAD_BYTES } from "../formats/block.ts";

const SALT_BYTES = 32;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const COMMITMENT_BYTES = 32;
const TAG_BYTES = 16;
const PURPOSE_KEY_BYTES = 32;
const REPOSITORY_ID_BYTES = 16;
const BODY_OFFSET = SALT_BYTES + COMMITMENT_BYTES;

// Small enough that the C library serves it from memory it already holds, large enough that the cost of a call
// vanishes: 6.0 GB/s at 1 MiB against 4.0 with one call a block.
const CIPHER_STEP_BYTES = 65_536;

/** What opening a broken seal says; "SEAL_BROKEN" is its code. */
export type SealFailure = "too short" | "commitment" | "tag";

export interface BlockSealerOptions {
  /** The 32-byte subkey of purpose "block". */
  readonly blockKey: Uint8Array;
  /** 16 bytes. */
  readonly repositoryId: Uint8Array;
  readonly random: Random;
}

/** Seals and opens the blocks of one repository. Keeps buffers of its own, so every thread makes one for itself. */
export class BlockSealer {
  readonly #key: KeyObject;
  readonly #random: Random;
  // "holdfast block 1" (16) ‖ repository (16) ‖ kind (1) ‖ identity (16)
  readonly #context: Uint8Array;

  constructor(options: BlockSealerOptions) {
    assert(options.blockKey.length === PURPOSE_KEY_BYTES, "a block key has 32 bytes");
    assert(options.repositoryId.length === REPOSITORY_ID_BYTES, "a repository identifier has 16 bytes");
    this.#key = createSecretKey(options.blockKey);
    this.#random = options.random;
    this.#context = new Uint8Array(16 + REPOSITORY_ID_BYTES + 1 + BLOCK_IDENTITY_BYTES);
    this.#context.set(utf8("holdfast block 1"));
    this.#context.set(options.repositoryId, 16);
  }

  /** The sealed form of `parts`, joined, in memory of its own. */
  seal(kind: BlockKind, identity: BlockIdentity, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
    const sealed = uninitializedBytes(lengthOf(parts) + SEAL_OVERHEAD_BYTES);
    sealInto(sealed, 0, this.#key, this.#contextOf(kind, identity), this.#random, parts);
    return sealed;
  }

  /** The same, written to `target` at `offset`; returns the number of bytes written. For buffers that are used again. */
  sealInto(target: Uint8Array, offset: number, kind: BlockKind, identity: BlockIdentity, parts: readonly Uint8Array[]): number {
    return sealInto(target, offset, this.#key, this.#contextOf(kind, identity), this.#random, parts);
  }

  /** The payload, in memory of its own. SEAL_BROKEN when kind, identity, repository, key or any bit differs. */
  open(kind: BlockKind, identity: BlockIdentity, stored: Uint8Array): Uint8Array<ArrayBuffer> {
    const payload = uninitializedBytes(Math.max(0, stored.length - SEAL_OVERHEAD_BYTES));
    this.openInto(payload, kind, identity, stored);
    return payload;
  }

  /** The same, written to the beginning of `target`, which is cleared when the seal is broken; returns the length of the payload. */
  openInto(target: Uint8Array, kind: BlockKind, identity: BlockIdentity, stored: Uint8Array): number {
    const what = (): string => `block ${hexOf(identity)} of kind ${kind}`;
    return openInto(target, this.#key, this.#contextOf(kind, identity), stored, what);
  }

  #contextOf(kind: BlockKind, identity: BlockIdentity): Uint8Array {
    assert(identity.length === BLOCK_IDENTITY_BYTES, "a block identity has 16 bytes");
    this.#context[32] = kind;
    this.#context.set(identity, 33);
    return this.#context;
  }
}

/**
 * Seals anything else, such as a record: `key` is the 32-byte subkey of its purpose, `context` names what is sealed
 * (for a record "holdfast record 1" ‖ its 40 header bytes) and must be given again to open it.
 */
export function sealRecord(key: Uint8Array, context: Uint8Array, random: Random, plain: Uint8Array): Uint8Array<ArrayBuffer> {
  assert(key.length === PURPOSE_KEY_BYTES, "a record key has 32 bytes");
  const sealed = uninitializedBytes(plain.length + SEAL_OVERHEAD_BYTES);
  sealInto(sealed, 0, key, context, random, [plain]);
  return sealed;
}

/** Opens what `sealRecord` made. `what` names it in the error: SEAL_BROKEN when the key, the context or any bit differs. */
export function openRecord(key: Uint8Array, context: Uint8Array, sealed: Uint8Array, what: string): Uint8Array<ArrayBuffer> {
  assert(key.length === PURPOSE_KEY_BYTES, "a record key has 32 bytes");
  const plain = uninitializedBytes(Math.max(0, sealed.length - SEAL_OVERHEAD_BYTES));
  openInto(plain, key, context, sealed, () => what);
  return plain;
}

interface DerivedKeys {
  readonly all: Uint8Array;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly commitment: Uint8Array;
}

function derive(key: Uint8Array | KeyObject, salt: Uint8Array, context: Uint8Array): DerivedKeys {
  const all = new Uint8Array(hkdfSync("sha256", key, salt, context, KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES));
  return {
    all,
    key: all.subarray(0, KEY_BYTES),
    nonce: all.subarray(KEY_BYTES, KEY_BYTES + NONCE_BYTES),
    commitment: all.subarray(KEY_BYTES + NONCE_BYTES),
  };
}

function sealInto(
  target: Uint8Array,
  offset: number,
  key: Uint8Array | KeyObject,
  context: Uint8Array,
  random: Random,
  parts: readonly Uint8Array[],
): number {
  const total = lengthOf(parts) + SEAL_OVERHEAD_BYTES;
  assert(offset + total <= target.length, "the sealed bytes fit the target");
  const salt = random.bytes(SALT_BYTES);
  assert(salt.length === SALT_BYTES, "a salt has 32 bytes");
  const derived = derive(key, salt, context);
  const cipher = createCipheriv("aes-256-gcm", derived.key, derived.nonce);
  cipher.setAAD(context);
  target.set(salt, offset);
  target.set(derived.commitment, offset + SALT_BYTES);
  let position = offset + BODY_OFFSET;
  for (const part of parts) position = transform(cipher, part, target, position);
  cipher.final();
  target.set(cipher.getAuthTag(), position);
  derived.all.fill(0);
  return total;
}

function openInto(
  target: Uint8Array,
  key: Uint8Array | KeyObject,
  context: Uint8Array,
  sealed: Uint8Array,
  describe: () => string,
): number {
  const plainLength = sealed.length - SEAL_OVERHEAD_BYTES;
  if (plainLength < 0) broken("too short", sealed, describe);
  assert(plainLength <= target.length, "the opened bytes fit the target");
  const derived = derive(key, sealed.subarray(0, SALT_BYTES), context);
  try {
    if (!timingSafeEqual(derived.commitment, sealed.subarray(SALT_BYTES, BODY_OFFSET))) broken("commitment", sealed, describe);
    const decipher = createDecipheriv("aes-256-gcm", derived.key, derived.nonce);
    decipher.setAAD(context);
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    transform(decipher, sealed.subarray(BODY_OFFSET, sealed.length - TAG_BYTES), target, 0);
    try {
      decipher.final();
    } catch (cause) {
      target.fill(0, 0, plainLength);
      broken("tag", sealed, describe, cause);
    }
    return plainLength;
  } finally {
    derived.all.fill(0);
  }
}

/** Runs `input` through the cipher into `target`; returns the position behind it. */
function transform(cipher: CipherGCM | DecipherGCM, input: Uint8Array, target: Uint8Array, start: number): number {
  let position = start;
  for (let from = 0; from < input.length; from += CIPHER_STEP_BYTES) {
    const step = input.length <= CIPHER_STEP_BYTES ? input : input.subarray(from, from + CIPHER_STEP_BYTES);
    const output = cipher.update(step);
    target.set(output, position);
    position += output.length;
    releaseNow(output);
  }
  return position;
}

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

function broken(failure: SealFailure, sealed: Uint8Array, describe: () => string, cause?: unknown): never {
  const found: Record<SealFailure, string> = {
    "too short": `${sealed.length} bytes are fewer than any sealed data has`,
    commitment: "it was sealed with another key, or as something else, or its first 64 bytes are damaged",
    tag: "its bytes have changed since it was sealed",
  };
  throw new HoldfastError("SEAL_BROKEN", {
    message: `Cannot open ${describe()}: ${found[failure]}`,
    context: { failure, length: sealed.length },
    ...(cause === undefined ? {} : { cause }),
  });
}
