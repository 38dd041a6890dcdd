// Key slot, version 1 (docs/formats/key-slot.md). Little-endian.
//   offset  size  field
//        0     8  magic "HFKEYSLT"
//        8     2  version
//       10     2  how the passphrase becomes a key: 1 = Argon2id, version 0x13
//       12     4  Argon2 memory in KiB
//       16     4  Argon2 passes
//       20     4  Argon2 lanes
//       24    16  repository identifier
//       40     8  created, milliseconds since 1970
//       48     2  length of the label
//       50     2  reserved, zero
//       52    64  label, UTF-8, then zeros
//      116    16  Argon2 salt
//      132     8  reserved, zero
//      140   112  the 32-byte master key, sealed: salt 32 ‖ commitment 32 ‖ ciphertext 32 ‖ tag 16
//      252     4  CRC-32 of bytes 0–251
// Bytes 0–139 are part of what the seal binds, so nobody can change parameters or label unnoticed.

import { assert } from "../base/assert.ts";
import { ByteWriter, concatBytes, utf8 } from "../base/bytes.ts";
import type { ByteReader } from "../base/bytes.ts";
import { SEAL_OVERHEAD_BYTES } from "./block.ts";
import { beginFrame, endFrame, fittingUtf8, openFrame, readPaddedText } from "./fixed-frame.ts";
import { REPOSITORY_ID_BYTES } from "./repository-record.ts";

export const KEY_SLOT_BYTES = 256;
export const KEY_SLOT_LABEL_BYTES = 64;
export const ARGON2_SALT_BYTES = 16;
export const MASTER_KEY_BYTES = 32;
export const SEALED_MASTER_KEY_BYTES = MASTER_KEY_BYTES + SEAL_OVERHEAD_BYTES;

const HEADER_BYTES = 140;
const KDF_ARGON2ID = 1;
const RULES = { what: "a key slot", magic: "HFKEYSLT", version: 1, lengthBytes: KEY_SLOT_BYTES };

/** What is spent on each guess of a passphrase. */
export interface KdfParameters {
  readonly memoryKiB: number;
  readonly passes: number;
  readonly lanes: number;
}

// A slot is read before anything about it is proven: whoever can write to the repository chooses these numbers.
/** Beyond this a hostile slot could exhaust the memory of the machine that tries it. */
export const KDF_MEMORY_LIMIT_KIB = 1_048_576;
/** Beyond this a hostile slot could keep a processor busy for minutes. */
export const KDF_PASSES_LIMIT = 16;
/** Beyond this a hostile slot could start threads without end. */
export const KDF_LANES_LIMIT = 16;
/** RFC 9106 needs eight blocks of 1 KiB per lane. */
const KDF_MEMORY_PER_LANE_KIB = 8;

/** Everything of a slot that is known before the passphrase. */
export interface KeySlotHeader {
  readonly kdf: KdfParameters;
  /** 16 bytes. */
  readonly argon2Salt: Uint8Array;
  readonly repositoryId: Uint8Array;
  readonly createdAtMs: number;
  /** For people; at most 64 bytes of UTF-8. */
  readonly label: string;
}

export interface KeySlot extends KeySlotHeader {
  readonly sealedMasterKey: Uint8Array;
}

export function encodeKeySlot(slot: KeySlot): Uint8Array<ArrayBuffer> {
  assert(slot.sealedMasterKey.length === SEALED_MASTER_KEY_BYTES, "a sealed master key has 112 bytes");
  const writer = writeHeader(slot).bytes(slot.sealedMasterKey);
  return endFrame(writer, RULES);
}

/** What the master key of this slot is sealed under: "holdfast key slot 1" and the 140 bytes before the seal. */
export function keySlotContext(header: KeySlotHeader): Uint8Array {
  return concatBytes(utf8("holdfast key slot 1"), writeHeader(header).peek());
}

/** `label` as a slot can hold it: cut to 64 bytes. */
export function fittingLabel(label: string): string {
  return new TextDecoder().decode(fittingUtf8(label, KEY_SLOT_LABEL_BYTES));
}

export function decodeKeySlot(bytes: Uint8Array): KeySlot {
  const reader = openFrame(bytes, RULES);
  const method = reader.u16();
  if (method !== KDF_ARGON2ID) reader.invalid(`it derives its key by method ${method}, known is ${KDF_ARGON2ID} (Argon2id)`);
  const kdf = readKdf(reader);
  const repositoryId = reader.bytes(REPOSITORY_ID_BYTES).slice();
  const createdAtMs = reader.size();
  const labelBytes = reader.u16();
  reader.reservedZeros(2);
  const label = readPaddedText(reader, labelBytes, KEY_SLOT_LABEL_BYTES, "label");
  const argon2Salt = reader.bytes(ARGON2_SALT_BYTES).slice();
  reader.reservedZeros(8);
  const sealedMasterKey = reader.bytes(SEALED_MASTER_KEY_BYTES).slice();
  return { kdf, argon2Salt, repositoryId, createdAtMs, label, sealedMasterKey };
}

/** Says what is wrong with parameters, or undefined when they are acceptable. */
export function kdfProblem(kdf: KdfParameters): string | undefined {
  const { memoryKiB, passes, lanes } = kdf;
  if (!(lanes >= 1 && lanes <= KDF_LANES_LIMIT)) return `${lanes} lanes, allowed are 1 to ${KDF_LANES_LIMIT}`;
  if (!(passes >= 1 && passes <= KDF_PASSES_LIMIT)) return `${passes} passes, allowed are 1 to ${KDF_PASSES_LIMIT}`;
  const least = KDF_MEMORY_PER_LANE_KIB * lanes;
  if (!(memoryKiB >= least && memoryKiB <= KDF_MEMORY_LIMIT_KIB)) {
    return `${memoryKiB} KiB of memory, allowed are ${least} to ${KDF_MEMORY_LIMIT_KIB}`;
  }
  return undefined;
}

function readKdf(reader: ByteReader): KdfParameters {
  const kdf = { memoryKiB: reader.u32(), passes: reader.u32(), lanes: reader.u32() };
  const problem = kdfProblem(kdf);
  if (problem !== undefined) reader.invalid(`it asks for ${problem}`);
  return kdf;
}

function writeHeader(header: KeySlotHeader): ByteWriter {
  const problem = kdfProblem(header.kdf);
  assert(problem === undefined, `acceptable Argon2 parameters, not ${problem}`);
  assert(header.repositoryId.length === REPOSITORY_ID_BYTES, "a repository identifier has 16 bytes");
  assert(header.argon2Salt.length === ARGON2_SALT_BYTES, "an Argon2 salt has 16 bytes");
  const label = utf8(header.label);
  assert(label.length <= KEY_SLOT_LABEL_BYTES, "a label has at most 64 bytes");
  const writer = beginFrame(new ByteWriter(KEY_SLOT_BYTES), RULES).u16(KDF_ARGON2ID);
  writer.u32(header.kdf.memoryKiB).u32(header.kdf.passes).u32(header.kdf.lanes);
  writer.bytes(header.repositoryId).u64(header.createdAtMs);
  writer
    .u16(label.length)
    .zeros(2)
    .bytes(label)
    .zeros(KEY_SLOT_LABEL_BYTES - label.length);
  writer.bytes(header.argon2Salt).zeros(8);
  assert(writer.length === HEADER_BYTES, "the seal begins at offset 140");
  return writer;
}
