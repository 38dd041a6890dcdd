// The frame of every small plain file and header (docs/formats/README.md). It never changes with the version:
//   offset    size  field
//        0       8  magic
//        8       2  version
//        …          (what the version says)
//   length-4     4  CRC-32 of everything before
// So a damaged file and a file of a newer program are told apart: the checksum is compared before the version is believed.

import { crc32 } from "node:zlib";
import { assert } from "../base/assert.ts";
import { ByteReader, utf8, viewOf } from "../base/bytes.ts";
import type { ByteWriter } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";

export interface FrameRules {
  /** Names the thing in errors: "a key slot". */
  readonly what: string;
  /** Eight ASCII characters. */
  readonly magic: string;
  readonly version: number;
  readonly lengthBytes: number;
}

const MAGIC_BYTES = 8;
const CHECKSUM_BYTES = 4;

/** Checks magic, length, checksum and version; what follows the version is left in the reader, the checksum is not. */
export function openFrame(bytes: Uint8Array, rules: FrameRules): ByteReader {
  const magic = bytes.subarray(0, MAGIC_BYTES);
  if (magic.length === MAGIC_BYTES && Buffer.compare(magic, utf8(rules.magic)) !== 0) {
    throw new HoldfastError("FORMAT_MAGIC", {
      message: `Cannot read ${rules.what}: it begins with ${quoted(magic)}, expected "${rules.magic}"`,
      hint: "It is another kind of file, or it is damaged.",
    });
  }
  if (bytes.length < rules.lengthBytes) {
    throw new HoldfastError("FORMAT_TRUNCATED", {
      message: `Cannot read ${rules.what}: it has ${bytes.length} bytes, expected ${rules.lengthBytes}`,
      context: { length: bytes.length, expected: rules.lengthBytes },
    });
  }
  if (bytes.length > rules.lengthBytes) {
    throw new HoldfastError("FORMAT_INVALID", {
      message: `Cannot read ${rules.what}: it has ${bytes.length} bytes, expected ${rules.lengthBytes}`,
      context: { length: bytes.length, expected: rules.lengthBytes },
    });
  }
  const view = viewOf(bytes);
  const covered = bytes.subarray(0, rules.lengthBytes - CHECKSUM_BYTES);
  const found = view.getUint32(covered.length, true);
  const expected = crc32(covered);
  if (found !== expected) {
    throw new HoldfastError("FORMAT_CHECKSUM", {
      message: `Cannot read ${rules.what}: its checksum is ${hex32(found)}, its bytes give ${hex32(expected)}`,
      hint: "It is damaged.",
    });
  }
  const version = view.getUint16(MAGIC_BYTES, true);
  if (version !== rules.version) {
    throw new HoldfastError("FORMAT_VERSION", {
      message: `Cannot read ${rules.what}: its version is ${version}, this program knows ${rules.version}`,
      context: { version, known: rules.version },
      hint: "Use a newer version of Holdfast.",
    });
  }
  const reader = new ByteReader(covered, rules.what);
  reader.bytes(MAGIC_BYTES + 2);
  return reader;
}

/** Begins a frame: magic and version. */
export function beginFrame(writer: ByteWriter, rules: FrameRules): ByteWriter {
  return writer.bytes(utf8(rules.magic)).u16(rules.version);
}

/** Ends a frame with its checksum. */
export function endFrame(writer: ByteWriter, rules: FrameRules): Uint8Array<ArrayBuffer> {
  assert(writer.length === rules.lengthBytes - CHECKSUM_BYTES, `${rules.what} has ${rules.lengthBytes} bytes`);
  return writer.u32(crc32(writer.peek())).take();
}

/** Text in a field of fixed size: UTF-8, then zeros. The length lies elsewhere. */
export function readPaddedText(reader: ByteReader, lengthBytes: number, fieldBytes: number, field: string): string {
  if (lengthBytes > fieldBytes) reader.invalid(`the ${field} has ${lengthBytes} bytes, the limit is ${fieldBytes}`);
  const encoded = reader.bytes(lengthBytes);
  reader.reservedZeros(fieldBytes - lengthBytes);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(encoded);
  } catch {
    return reader.invalid(`the ${field} is not UTF-8`);
  }
}

/** `text` as UTF-8, cut to whole characters that fit `limitBytes`. */
export function fittingUtf8(text: string, limitBytes: number): Uint8Array {
  const target = new Uint8Array(limitBytes);
  const { written } = new TextEncoder().encodeInto(text, target);
  return target.subarray(0, written);
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}

function quoted(bytes: Uint8Array): string {
  const printable = bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  return printable ? `"${String.fromCharCode(...bytes)}"` : `bytes ${Buffer.from(bytes).toString("hex")}`;
}
