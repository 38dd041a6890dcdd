// struct statx of Linux, the same on every 64-bit machine:
//   offset  size  field                 offset  size  field
//        8     8  attributes                80    16  birth time
//       16     4  links                     96    16  change time
//       20     4  user                     112    16  modification time
//       24     4  group                    128     8  device node: major, minor
//       28     2  type and mode            136     8  device it lies on: major, minor
//       32     8  inode
//       40     8  size                  A time is 8 bytes of seconds, 4 of nanoseconds, 4 of nothing.
//       48     8  512-byte blocks

import { kindOfMode } from "./entry-kinds.ts";
import type { StatBuffer } from "./file-tree.ts";

const STATX_BYTES = 256;
/** All basic fields and the birth time. */
export const STATX_MASK = 0x7ff | 0x800;
const STATX_BTIME = 0x800;
/** Immutable, append-only, no-dump, compressed: the bits of stx_attributes are those of the FS_*_FL flags. */
export const CARRIED_FLAGS = 0x10 | 0x20 | 0x40 | 0x4;
const TWO_32 = 2 ** 32;

/** One struct statx, filled by the kernel again and again. */
export class StatxBuffer {
  readonly bytes = new Uint8Array(new ArrayBuffer(STATX_BYTES));
  // Both machines are little-endian, and the kernel aligns every field.
  readonly #words = new Uint32Array(this.bytes.buffer);
  readonly #signed = new Int32Array(this.bytes.buffer);

  copyTo(into: StatBuffer): void {
    const words = this.#words;
    const signed = this.#signed;
    const mode = words[7] as number;
    into.kind = kindOfMode(mode);
    into.mode = mode & 0o7777;
    into.userId = words[5] as number;
    into.groupId = words[6] as number;
    into.linkCount = words[4] as number;
    into.sizeBytes = (words[11] as number) * TWO_32 + (words[10] as number);
    into.allocatedBytes = ((words[13] as number) * TWO_32 + (words[12] as number)) * 512;
    into.inodeLow = words[8] as number;
    into.inodeHigh = words[9] as number;
    into.deviceMajor = words[34] as number;
    into.deviceMinor = words[35] as number;
    into.nodeMajor = words[32] as number;
    into.nodeMinor = words[33] as number;
    into.modifiedSeconds = (signed[29] as number) * TWO_32 + (words[28] as number);
    into.modifiedNanoseconds = words[30] as number;
    into.changedSeconds = (signed[25] as number) * TWO_32 + (words[24] as number);
    into.changedNanoseconds = words[26] as number;
    into.hasBirthTime = ((words[0] as number) & STATX_BTIME) !== 0;
    into.birthSeconds = (signed[21] as number) * TWO_32 + (words[20] as number);
    into.birthNanoseconds = words[22] as number;
    into.fileFlags = (words[2] as number) & CARRIED_FLAGS;
  }
}
