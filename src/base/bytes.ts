// Byte strings: comparison, text forms, and a reader and writer with bounds. Little-endian throughout.

import { HoldfastError } from "./errors.ts";

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

export function utf8(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

/** Decodes for people to read; bytes that are not UTF-8 become U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  return utf8Decoder.decode(bytes);
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** Reads hexadecimal text; anything else is refused. */
export function bytesOfHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) {
    throw new HoldfastError("FORMAT_INVALID", { message: `Not hexadecimal text: "${text.slice(0, 80)}"` });
  }
  return new Uint8Array(Buffer.from(text, "hex"));
}

/** Bytewise order, shorter first on a common prefix. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** A DataView over exactly the bytes of `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const ARENA_BYTES = 64 * 1024;

/**
 * Copies short byte strings into blocks that many of them share. A block lives as long as any copy in it, so this is for what
 * is made and dropped in about the same order; there an allocation for each costs more than everything that is done with it.
 */
export class ByteArena {
  #block = new Uint8Array(ARENA_BYTES);
  #used = 0;

  /** A copy of the first `length` bytes. */
  copy(bytes: Uint8Array, length: number = bytes.length): Uint8Array {
    if (length > ARENA_BYTES / 4) return bytes.slice(0, length);
    if (this.#used + length > ARENA_BYTES) {
      this.#block = new Uint8Array(ARENA_BYTES);
      this.#used = 0;
    }
    const copy = this.#block.subarray(this.#used, this.#used + length);
    for (let i = 0; i < length; i++) copy[i] = bytes[i] as number;
    this.#used += length;
    return copy;
  }
}

/** Appends little-endian values to a buffer that grows. `take()` returns a copy and starts anew. */
export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(initialCapacity = 256) {
    this.#bytes = new Uint8Array(initialCapacity);
    this.#view = viewOf(this.#bytes);
  }

  get length(): number {
    return this.#length;
  }

  #reserve(size: number): number {
    const offset = this.#length;
    const needed = offset + size;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, offset));
      this.#bytes = grown;
      this.#view = viewOf(grown);
    }
    this.#length = needed;
    return offset;
  }

  u8(value: number): this {
    const offset = this.#reserve(1);
    this.#view.setUint8(offset, value);
    return this;
  }
  u16(value: number): this {
    const offset = this.#reserve(2);
    this.#view.setUint16(offset, value, true);
    return this;
  }
  u32(value: number): this {
    const offset = this.#reserve(4);
    this.#view.setUint32(offset, value, true);
    return this;
  }
  u64(value: number | bigint): this {
    return this.i64(value);
  }
  /** Two's complement. Numbers must be whole and safe; they are written without a detour over bigint. */
  i64(value: number | bigint): this {
    const offset = this.#reserve(8);
    if (typeof value === "number") {
      this.#view.setUint32(offset, value >>> 0, true);
      this.#view.setInt32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
    } else {
      this.#view.setBigInt64(offset, value, true);
    }
    return this;
  }
  bytes(value: Uint8Array): this {
    const offset = this.#reserve(value.length);
    this.#bytes.set(value, offset);
    return this;
  }
  /** The bytes of `value` from `start` up to `end`, which are few. */
  part(value: Uint8Array, start: number, end: number): this {
    let offset = this.#reserve(end - start);
    for (let i = start; i < end; i++) this.#bytes[offset++] = value[i] as number;
    return this;
  }
  zeros(count: number): this {
    const offset = this.#reserve(count);
    this.#bytes.fill(0, offset, offset + count);
    return this;
  }
  /** Overwrites an earlier u32, for lengths that are known late. */
  patchU32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, true);
  }
  /** The bytes so far, valid until the next write. */
  peek(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }
  /** A copy of the bytes so far; the writer is empty afterwards. */
  take(): Uint8Array<ArrayBuffer> {
    const copy = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return copy;
  }
  clear(): void {
    this.#length = 0;
  }
}

/** Reads little-endian values and refuses to read past the end. `what` names the thing read in errors. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  #offset = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#what = what;
  }

  get offset(): number {
    return this.#offset;
  }
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  #advance(size: number): number {
    const offset = this.#offset;
    if (size > this.#bytes.length - offset) {
      throw new HoldfastError("FORMAT_TRUNCATED", {
        message: `Cannot read ${this.#what}: ${size} bytes wanted at offset ${offset}, ${this.#bytes.length - offset} left`,
        context: { offset, wanted: size, length: this.#bytes.length },
      });
    }
    this.#offset = offset + size;
    return offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }
  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }
  u64(): bigint {
    return this.#view.getBigUint64(this.#advance(8), true);
  }
  i64(): bigint {
    return this.#view.getBigInt64(this.#advance(8), true);
  }
  /** An unsigned 64-bit value that must be exact as a number (at most 2^53-1). */
  size(): number {
    const low = this.u32();
    const high = this.u32();
    if (high >= 0x20_0000) this.invalid(`the size ${(BigInt(high) << 32n) | BigInt(low)} is beyond 2^53-1`);
    return high * 0x1_0000_0000 + low;
  }
  /** A signed 64-bit value that must be exact as a number. */
  safeInteger(): number {
    const low = this.u32();
    const high = this.u32() | 0;
    const value = high * 0x1_0000_0000 + low;
    if (!Number.isSafeInteger(value)) this.invalid(`the number ${(BigInt(high) << 32n) | BigInt(low)} is beyond 2^53-1`);
    return value;
  }
  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    const offset = this.#advance(length);
    return this.#bytes.subarray(offset, offset + length);
  }
  /** Consumes `count` bytes that must be zero. */
  reservedZeros(count: number): void {
    const offset = this.#advance(count);
    for (let i = 0; i < count; i++) {
      if (this.#bytes[offset + i] !== 0) {
        throw new HoldfastError("FORMAT_RESERVED", {
          message: `Cannot read ${this.#what}: reserved bytes at offset ${offset} are not zero`,
          context: { offset },
          hint: "It was written by a newer version of Holdfast, or it is damaged.",
        });
      }
    }
  }
  /** Nothing may follow. */
  end(): void {
    if (this.remaining !== 0) this.invalid(`${this.remaining} bytes follow the end`);
  }
  invalid(problem: string): never {
    throw new HoldfastError("FORMAT_INVALID", {
      message: `Cannot read ${this.#what}: ${problem}`,
      context: { offset: this.#offset },
    });
  }
}
