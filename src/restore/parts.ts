// What a restore needs of the rest of the house, as narrow as it can be.

import type { BlockKind } from "../formats/block.ts";
import type { ContainerName, VolumeId } from "../media/volume.ts";
import type { LocationBuffer, SegmentLocation } from "../repository/repository.ts";

/** The central index, as far as a restore or a verification asks it. */
export interface SegmentLookup {
  locate(fingerprint: Uint8Array, into: LocationBuffer, at?: number): boolean;
  containerOf(place: { readonly run: number; readonly container: number }): {
    readonly volumeId: VolumeId;
    readonly container: ContainerName;
  };
  findAll(fingerprint: Uint8Array, at?: number): readonly SegmentLocation[];
  /** Looks for index runs written since; true when there are any. Ordinals are out of date then. */
  refresh(): boolean;
}

export interface BlockSource {
  /** The plain bytes in memory that is the caller's alone: it is freed after use. Throws what is wrong with this copy. */
  readBlock(kind: BlockKind, location: SegmentLocation): Promise<Uint8Array>;
}

/** With the key of file content. */
export interface ContentFingerprinter {
  matches(bytes: Uint8Array, expected: Uint8Array, offset?: number): boolean;
}

/** One worker thread. `serve` resolves with the packed results; it rejects when the thread itself failed. */
export interface RestoreThread {
  serve(task: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}
