// Volume label, version 1 (docs/formats/volume.md). Little-endian.
//   offset  size  field
//        0     8  magic "HFVOLUME"
//        8     2  version
//       10     2  media type: 1 = directory
//       12    16  volume identifier
//       28    16  repository identifier
//       44     8  created, milliseconds since 1970
//       52     8  capacity in bytes, 0 = whatever the medium offers
//       60     2  length of the name
//       62     2  reserved, zero
//       64   128  name, UTF-8, then zeros
//      192    60  reserved, zero
//      252     4  CRC-32 of bytes 0–251
// Plain, because it must be readable by someone who stands before a shelf of media without the key.

import { assert } from "../base/assert.ts";
import { ByteWriter, utf8 } from "../base/bytes.ts";
import { beginFrame, endFrame, openFrame, readPaddedText } from "./fixed-frame.ts";
import { REPOSITORY_ID_BYTES } from "./repository-record.ts";

export const VOLUME_LABEL_BYTES = 256;
export const VOLUME_ID_BYTES = 16;
export const VOLUME_NAME_BYTES = 128;

const RULES = { what: "a volume label", magic: "HFVOLUME", version: 1, lengthBytes: VOLUME_LABEL_BYTES };

export const MEDIA_DIRECTORY = 1;
export type MediaType = typeof MEDIA_DIRECTORY;

export interface VolumeLabel {
  readonly mediaType: MediaType;
  /** 16 random bytes. */
  readonly id: Uint8Array;
  readonly repositoryId: Uint8Array;
  readonly createdAtMs: number;
  /** 0 when the medium alone decides. */
  readonly capacityBytes: number;
  /** At most 128 bytes of UTF-8. */
  readonly name: string;
}

export function encodeVolumeLabel(label: VolumeLabel): Uint8Array<ArrayBuffer> {
  assert(label.id.length === VOLUME_ID_BYTES, "a volume identifier has 16 bytes");
  assert(label.repositoryId.length === REPOSITORY_ID_BYTES, "a repository identifier has 16 bytes");
  const name = utf8(label.name);
  assert(name.length <= VOLUME_NAME_BYTES, "a volume name has at most 128 bytes");
  const writer = beginFrame(new ByteWriter(VOLUME_LABEL_BYTES), RULES).u16(label.mediaType);
  writer.bytes(label.id).bytes(label.repositoryId).u64(label.createdAtMs).u64(label.capacityBytes);
  writer
    .u16(name.length)
    .zeros(2)
    .bytes(name)
    .zeros(VOLUME_NAME_BYTES - name.length)
    .zeros(60);
  return endFrame(writer, RULES);
}

export function decodeVolumeLabel(bytes: Uint8Array): VolumeLabel {
  const reader = openFrame(bytes, RULES);
  const mediaType = reader.u16();
  if (mediaType !== MEDIA_DIRECTORY) reader.invalid(`its media type is ${mediaType}, known is ${MEDIA_DIRECTORY} (directory)`);
  const id = reader.bytes(VOLUME_ID_BYTES).slice();
  const repositoryId = reader.bytes(REPOSITORY_ID_BYTES).slice();
  const createdAtMs = reader.size();
  const capacityBytes = reader.size();
  const nameBytes = reader.u16();
  reader.reservedZeros(2);
  const name = readPaddedText(reader, nameBytes, VOLUME_NAME_BYTES, "name");
  reader.reservedZeros(60);
  return { mediaType: MEDIA_DIRECTORY, id, repositoryId, createdAtMs, capacityBytes, name };
}
