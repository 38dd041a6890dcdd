// What a client knows of segments it may read: the grant and the place of each, as they came with the pages that refer to them. The
// latest are kept: a restore asks soon after it has read the pages.

import type { Fingerprint } from "../../base/fingerprint.ts";
import type { BlockIdentity } from "../../formats/block.ts";
import type { GrantedPlace } from "../../formats/granted-pages.ts";
import type { ContainerName, VolumeId } from "../../media/media.ts";
import type { LocationBuffer, SegmentLocation } from "../../repository/repository.ts";
import type { SegmentLookup } from "../../restore/restore.ts";

/** Several times what a restore plans ahead. */
const SEGMENTS_KEPT = 128 * 1024;

export interface KnownSegment {
  readonly fingerprint: Fingerprint;
  readonly grant: Uint8Array;
  readonly place: GrantedPlace | undefined;
}

export class SegmentBook implements SegmentLookup {
  readonly #segments = new Map<string, KnownSegment>();
  /** By volume, container and position. */
  readonly #blocks = new Map<string, Map<string, KnownSegment>>();
  /** Each container has a number, as in an index. */
  readonly #containers: { readonly volumeId: VolumeId; readonly container: ContainerName }[] = [];
  readonly #numbers = new Map<string, number>();

  note(segment: KnownSegment): void {
    const key = keyOf(segment.fingerprint);
    const known = this.#segments.get(key);
    if (known !== undefined) this.#forget(key, known);
    this.#segments.set(key, segment);
    if (segment.place !== undefined) this.#blockOf(segment.place).set(key, segment);
    for (const [oldest, old] of this.#segments) {
      if (this.#segments.size <= SEGMENTS_KEPT) break;
      this.#forget(oldest, old);
    }
  }

  find(fingerprint: Uint8Array): KnownSegment | undefined {
    return this.#segments.get(keyOf(fingerprint));
  }

  /** Those that lie in the block, as far as they are known. */
  inBlock(place: Pick<SegmentLocation, "volumeId" | "container" | "blockOffset">): readonly KnownSegment[] {
    return [...(this.#blocks.get(keyOfBlock(place))?.values() ?? [])];
  }

  locate(fingerprint: Uint8Array, into: LocationBuffer): boolean {
    const place = this.find(fingerprint)?.place;
    if (place === undefined) return false;
    const { blockOffset, storedLength, plainLength, offset, length } = place;
    Object.assign(into, { run: 0, block: blockOffset, blockOffset, storedLength, plainLength, offset, length });
    into.container = this.#numberOf(place);
    into.identity.set(place.identity);
    return true;
  }

  containerOf({ container }: { readonly container: number }): { readonly volumeId: VolumeId; readonly container: ContainerName } {
    const found = this.#containers[container];
    if (found === undefined) throw new Error("Broken invariant: a container is asked for by a number that was given");
    return found;
  }

  findAll(fingerprint: Uint8Array): readonly SegmentLocation[] {
    const place = this.find(fingerprint)?.place;
    return place === undefined ? [] : [{ ...place, ...namesOf(place), identity: place.identity as BlockIdentity }];
  }

  /** Nothing is written here by others. */
  refresh(): boolean {
    return false;
  }

  #forget(key: string, segment: KnownSegment): void {
    this.#segments.delete(key);
    if (segment.place === undefined) return;
    const blockKey = keyOfBlock(segment.place);
    const block = this.#blocks.get(blockKey);
    block?.delete(key);
    if (block?.size === 0) this.#blocks.delete(blockKey);
  }

  #blockOf(place: GrantedPlace): Map<string, KnownSegment> {
    const key = keyOfBlock(place);
    const block = this.#blocks.get(key) ?? new Map<string, KnownSegment>();
    this.#blocks.set(key, block);
    return block;
  }

  #numberOf(place: GrantedPlace): number {
    const key = `${place.volumeId} ${place.container}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#containers.length;
      this.#numbers.set(key, number);
      this.#containers.push(namesOf(place));
    }
    return number;
  }
}

function namesOf({ volumeId, container }: GrantedPlace): { readonly volumeId: VolumeId; readonly container: ContainerName } {
  return { volumeId: volumeId as VolumeId, container: container as ContainerName };
}

function keyOf(fingerprint: Uint8Array): string {
  return Buffer.from(fingerprint.buffer, fingerprint.byteOffset, fingerprint.byteLength).toString("latin1");
}

function keyOfBlock({ volumeId, container, blockOffset }: Pick<GrantedPlace, "volumeId" | "container" | "blockOffset">): string {
  return `${volumeId} ${container} ${blockOffset}`;
}
