// What the verifying threads are asked and answer, packed; it never leaves the process.
//   task     volume (16), container (32)
//   report   u64 bytes read, u32 blocks, u32 segments, then damages: u8 1 when a second reading did not find it,
//            u16 code length, u32 text length, i64 offset of the block (-1: the whole container), u32 segments affected, code, text

import { ByteReader, ByteWriter, bytesOfHex, hexOf, textOf, utf8 } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import type { ContainerName, VolumeId } from "../media/volume.ts";

export interface ContainerPlace {
  readonly volumeId: VolumeId;
  readonly container: ContainerName;
}

export interface ContainerDamage {
  readonly code: string;
  readonly problem: string;
  /** Undefined when it concerns the container as a whole. */
  readonly blockOffset: number | undefined;
  /** Segments that cannot be read because of it; 0 when that is not known. */
  readonly segments: number;
}

export interface ContainerReport {
  readonly bytesRead: number;
  readonly blocks: number;
  readonly segments: number;
  readonly damages: readonly ContainerDamage[];
  /** What the first reading found and the second did not: a fault of the way there, not of what is stored. */
  readonly transients: readonly ContainerDamage[];
}

const VOLUME_BYTES = 16;
const CONTAINER_BYTES = 32;
/** A destroyed container may have thousands of damaged blocks; these say enough. */
const DAMAGES_LISTED = 100;

export function encodeContainerTask({ volumeId, container }: ContainerPlace): Uint8Array<ArrayBuffer> {
  return new ByteWriter(VOLUME_BYTES + CONTAINER_BYTES).bytes(bytesOfHex(volumeId)).bytes(bytesOfHex(container)).take();
}

export function decodeContainerTask(task: Uint8Array): ContainerPlace {
  const reader = new ByteReader(task, "a verification task");
  return {
    volumeId: hexOf(reader.bytes(VOLUME_BYTES)) as VolumeId,
    container: hexOf(reader.bytes(CONTAINER_BYTES)) as ContainerName,
  };
}

export class ContainerReportWriter {
  bytesRead = 0;
  blocks = 0;
  segments = 0;
  #damages: ContainerDamage[] = [];
  #transients: readonly ContainerDamage[] = [];
  #unlisted = 0;

  get isIntact(): boolean {
    return this.#damages.length === 0;
  }

  /** Takes over what this report lacks of an earlier one about the same container: it did not show a second time. */
  addTransients(earlier: ContainerReportWriter): void {
    const key = ({ code, blockOffset }: ContainerDamage): string => `${code} ${blockOffset}`;
    const shown = new Set(this.#damages.map(key));
    this.#transients = earlier.#damages.filter((damage) => !shown.has(key(damage)));
  }

  damage(code: string, problem: string): void {
    this.#add({ code, problem, blockOffset: undefined, segments: 0 });
  }

  blockDamage(code: string, problem: string, blockOffset: number, segments: number): void {
    this.#add({ code, problem, blockOffset, segments });
  }

  /** Anything but a failure of the repository is thrown on. */
  failure(error: unknown, blockOffset?: number, segments = 0): void {
    if (!(error instanceof HoldfastError)) throw error;
    this.#add({ code: error.code, problem: error.message, blockOffset, segments });
  }

  #add(damage: ContainerDamage): void {
    if (this.#damages.length < DAMAGES_LISTED) this.#damages.push(damage);
    else this.#unlisted++;
  }

  take(): Uint8Array<ArrayBuffer> {
    if (this.#unlisted > 0) {
      this.#damages.push({
        code: "REPOSITORY_DAMAGED",
        problem: `${this.#unlisted} more of its blocks are damaged`,
        blockOffset: undefined,
        segments: 0,
      });
    }
    const writer = new ByteWriter(256).u64(this.bytesRead).u32(this.blocks).u32(this.segments);
    const all = [
      ...this.#damages.map((damage) => [0, damage] as const),
      ...this.#transients.map((damage) => [1, damage] as const),
    ];
    for (const [flag, { code, problem, blockOffset, segments }] of all) {
      const codeBytes = utf8(code);
      const text = utf8(problem);
      writer
        .u8(flag)
        .u16(codeBytes.length)
        .u32(text.length)
        .i64(blockOffset ?? -1)
        .u32(segments)
        .bytes(codeBytes)
        .bytes(text);
    }
    return writer.take();
  }
}

export function decodeContainerReport(bytes: Uint8Array): ContainerReport {
  const reader = new ByteReader(bytes, "a verification report");
  const totals = { bytesRead: reader.size(), blocks: reader.u32(), segments: reader.u32() };
  const damages: ContainerDamage[] = [];
  const transients: ContainerDamage[] = [];
  while (reader.remaining > 0) {
    const isTransient = reader.u8() === 1;
    const codeLength = reader.u16();
    const textLength = reader.u32();
    const blockOffset = Number(reader.i64());
    const segments = reader.u32();
    const code = textOf(reader.bytes(codeLength));
    const problem = textOf(reader.bytes(textLength));
    const damage = { code, problem, blockOffset: blockOffset < 0 ? undefined : blockOffset, segments };
    (isTransient ? transients : damages).push(damage);
  }
  return { ...totals, damages, transients };
}
