// Where segments are read from. Copies that turned out to be damaged are remembered, and the next best one is given.

import { bytesOfHex, hexOf } from "../base/bytes.ts";
import type { ByteReader, ByteWriter } from "../base/bytes.ts";
import { BLOCK_IDENTITY_BYTES } from "../formats/block.ts";
import type { BlockIdentity } from "../formats/block.ts";
import type { ContainerName, VolumeId } from "../media/volume.ts";
import { LocationBuffer, isRunVanished } from "../repository/repository.ts";
import type { SegmentLocation } from "../repository/repository.ts";
import type { SegmentLookup } from "./parts.ts";

/** A location with the container's number in this run in the place of its names; refilled by `find`. */
export interface SegmentPlace {
  container: number;
  blockOffset: number;
  storedLength: number;
  plainLength: number;
  identity: BlockIdentity;
  offset: number;
  length: number;
}

export function newSegmentPlace(): SegmentPlace {
  const identity = new Uint8Array(BLOCK_IDENTITY_BYTES) as Uint8Array as BlockIdentity;
  return { container: 0, blockOffset: 0, storedLength: 0, plainLength: 0, identity, offset: 0, length: 0 };
}

const VOLUME_BYTES = 16;
const CONTAINER_BYTES = 32;

export class SegmentPlaces {
  readonly #index: SegmentLookup;
  readonly #buffer = new LocationBuffer();
  /** 48 bytes each: volume and name. */
  readonly #needed = new Set<number>();
  readonly #names: Uint8Array[] = [];
  readonly #numbers = new Map<string, number>();
  /** By the ordinals of the index. Whoever reads pages may refresh it, so they hold for a stretch of code without waiting. */
  readonly #byOrdinal = new Map<number, number>();
  readonly #bad = new Map<string, string>();
  #hasRefreshed = false;
  /** A container was not there: a collection may have moved what it held since the index was opened. */
  #isStale = false;
  /** After a `find` that gave a code: which container, and what is wrong. */
  failure = "";

  constructor(index: SegmentLookup) {
    this.#index = index;
  }

  /** Distinct containers that were noted as needed. */
  get neededContainers(): number {
    return this.#needed.size;
  }

  /** Something of the container, as `SegmentPlace` numbers it, is to be read. */
  noteNeeded(container: number): void {
    this.#needed.add(container);
  }

  containerAt(number: number): { readonly volumeId: VolumeId; readonly container: ContainerName } {
    const names = hexOf(this.#names[number] as Uint8Array);
    return { volumeId: names.slice(0, VOLUME_BYTES * 2) as VolumeId, container: names.slice(VOLUME_BYTES * 2) as ContainerName };
  }

  /** Fills `into` and returns undefined; or returns the code of why no copy can be read. */
  find(fingerprint: Uint8Array, length: number, into: SegmentPlace): string | undefined {
    if (!this.#locate(fingerprint)) {
      this.failure = "a segment is in no container that the index knows";
      return "SEGMENT_MISSING";
    }
    const found = this.#buffer;
    const container = this.#containerNumber(found.run, found.container);
    if (this.#bad.size === 0 && isSound(found, length)) {
      into.container = container;
      into.blockOffset = found.blockOffset;
      into.storedLength = found.storedLength;
      into.plainLength = found.plainLength;
      into.identity.set(found.identity);
      into.offset = found.offset;
      into.length = found.length;
      return undefined;
    }
    return this.#findOther(fingerprint, length, into);
  }

  /** Every place that is not known to be bad, for those who try one after the other themselves. */
  findAll(fingerprint: Uint8Array, length: number): readonly SegmentLocation[] {
    if (!this.#locate(fingerprint)) return [];
    return this.#index
      .findAll(fingerprint)
      .filter((location) => isSound(location, length) && this.#badCode(location) === undefined);
  }

  /** This copy of a block cannot be read. */
  noteBadBlock(location: SegmentLocation, code: string): void {
    if (code === "SEGMENT_MISSING") this.#isStale = true;
    this.#bad.set(keyOfBlock(location), code);
  }

  /** The block is whole, but this segment is not where the index says. */
  noteBadSegment(location: SegmentLocation, code: string): void {
    this.#bad.set(keyOfSegment(location), code);
  }

  /** Appends the place as workers read it. */
  write(writer: ByteWriter, place: SegmentPlace): void {
    writer.bytes(this.#names[place.container] as Uint8Array);
    writer.u32(place.blockOffset).u32(place.storedLength).u32(place.plainLength).bytes(place.identity);
    writer.u32(place.offset).u32(place.length);
  }

  #findOther(fingerprint: Uint8Array, length: number, into: SegmentPlace): string | undefined {
    let failure = "REPOSITORY_DAMAGED";
    for (const location of this.#index.findAll(fingerprint)) {
      const code = this.#badCode(location);
      if (code !== undefined) failure = code;
      this.failure = failureOf(location, code ?? failure);
      if (code !== undefined || !isSound(location, length)) continue;
      const { blockOffset, storedLength, plainLength, offset } = location;
      Object.assign(into, { blockOffset, storedLength, plainLength, offset, length });
      into.container = this.#numberOf(location);
      into.identity.set(location.identity);
      return undefined;
    }
    return failure;
  }

  #badCode(location: SegmentLocation): string | undefined {
    return this.#bad.get(keyOfBlock(location)) ?? this.#bad.get(keyOfSegment(location));
  }

  #locate(fingerprint: Uint8Array): boolean {
    if (this.#isStale) {
      this.#isStale = false;
      this.#index.refresh();
      this.#byOrdinal.clear();
    }
    try {
      if (this.#index.locate(fingerprint, this.#buffer)) return true;
      // Another process may have stored it since the index was opened; looking once is enough.
      if (this.#hasRefreshed) return false;
    } catch (error) {
      if (!isRunVanished(error)) throw error;
    }
    this.#hasRefreshed = true;
    this.#index.refresh();
    this.#byOrdinal.clear();
    return this.#index.locate(fingerprint, this.#buffer);
  }

  #containerNumber(run: number, container: number): number {
    const ordinal = run * 0x1_0000_0000 + container;
    let number = this.#byOrdinal.get(ordinal);
    if (number === undefined) {
      number = this.#numberOf(this.#index.containerOf({ run, container }));
      if (this.#byOrdinal.size === 0) queueMicrotask(() => this.#byOrdinal.clear());
      this.#byOrdinal.set(ordinal, number);
    }
    return number;
  }

  #numberOf({ volumeId, container }: { readonly volumeId: VolumeId; readonly container: ContainerName }): number {
    const key = `${volumeId} ${container}`;
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#names.length;
      this.#numbers.set(key, number);
      this.#names.push(bytesOfHex(volumeId + container));
    }
    return number;
  }
}

/** Writes a location as `SegmentPlaces.write` writes a place. */
export function writeLocation(writer: ByteWriter, location: SegmentLocation): void {
  writer.bytes(bytesOfHex(location.volumeId)).bytes(bytesOfHex(location.container));
  writer.u32(location.blockOffset).u32(location.storedLength).u32(location.plainLength).bytes(location.identity);
  writer.u32(location.offset).u32(location.length);
}

export function readLocation(reader: ByteReader): SegmentLocation {
  return {
    volumeId: hexOf(reader.bytes(VOLUME_BYTES)) as VolumeId,
    container: hexOf(reader.bytes(CONTAINER_BYTES)) as ContainerName,
    blockOffset: reader.u32(),
    storedLength: reader.u32(),
    plainLength: reader.u32(),
    identity: reader.bytes(BLOCK_IDENTITY_BYTES) as BlockIdentity,
    offset: reader.u32(),
    length: reader.u32(),
  };
}

export function isSameBlock(a: SegmentLocation, b: SegmentLocation): boolean {
  return a.blockOffset === b.blockOffset && a.container === b.container && a.volumeId === b.volumeId;
}

/** An index that does not fit the entry, or itself, must not make a worker read beyond a block. */
function isSound(
  found: { readonly offset: number; readonly length: number; readonly plainLength: number },
  length: number,
): boolean {
  return found.length === length && found.offset + found.length <= found.plainLength;
}

/** For people. */
function failureOf({ container, blockOffset }: SegmentLocation, code: string): string {
  if (code === "SEGMENT_MISSING") return `container ${container} is missing`;
  return `container ${container}: the block at byte ${blockOffset} cannot be read`;
}

function keyOfBlock({ volumeId, container, blockOffset }: SegmentLocation): string {
  return `${volumeId} ${container} ${blockOffset}`;
}

function keyOfSegment(location: SegmentLocation): string {
  return `${keyOfBlock(location)} ${location.offset}`;
}
