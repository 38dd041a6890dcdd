// Reads blocks from whichever volume the index names.

import { HoldfastError } from "../base/errors.ts";
import { BlockSealer } from "../engine/engine.ts";
import type { BlockKind } from "../formats/block.ts";
import type { Volume, VolumeId } from "../media/media.ts";
import type { Random } from "../platform/random.ts";
import type { SegmentLocation } from "./central-index.ts";
import { ContainerReader } from "./container-reader.ts";
import type { KeyRing } from "./key-ring.ts";

export interface BlockReaderParts {
  readonly volumes: ReadonlyMap<VolumeId, Volume>;
  readonly keyRing: KeyRing;
  readonly random: Random;
}

export class BlockReader {
  readonly #volumes: ReadonlyMap<VolumeId, Volume>;
  readonly #reader: ContainerReader;

  constructor({ volumes, keyRing, random }: BlockReaderParts) {
    const { repositoryId, block } = keyRing;
    this.#volumes = volumes;
    this.#reader = new ContainerReader({ repositoryId, sealer: new BlockSealer({ blockKey: block, repositoryId, random }) });
  }

  /** The plain bytes, the caller's own; throws what is wrong with this copy. Segments are not compared with their fingerprints. */
  async readBlock(kind: BlockKind, location: SegmentLocation): Promise<Uint8Array> {
    const volume = this.#volumes.get(location.volumeId);
    if (volume !== undefined) return this.#reader.readBlock(volume, kind, location);
    throw new HoldfastError("VOLUME_UNAVAILABLE", {
      message: `Cannot read container ${location.container}: its volume ${location.volumeId} is not available`,
      retry: "later",
      context: { volume: location.volumeId },
      hint: "Mount the volume and try again.",
    });
  }
}
