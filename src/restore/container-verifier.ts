// Verifies containers in a worker thread: each is read once, whole. Its bytes must have the SHA-256 that names it, its
// directory must open, and so must every block; every segment must have its fingerprint. What is wrong is listed block by
// block, and nothing stops at the first.

import { createHash } from "node:crypto";
import { equalBytes, hexOf } from "../base/bytes.ts";
import { HoldfastError } from "../base/errors.ts";
import { FINGERPRINT_BYTES } from "../base/fingerprint.ts";
import { decompressBlock, releaseNow, uninitializedBytes } from "../engine/engine.ts";
import type { BlockIdentifier, BlockSealer, Fingerprinter } from "../engine/engine.ts";
import { BLOCK_DATA, BLOCK_DIRECTORY, decodeBlockPayload } from "../formats/block.ts";
import type { BlockIdentity, BlockKind } from "../formats/block.ts";
import {
  CONTAINER_HEADER_BYTES,
  CONTAINER_TRAILER_BYTES,
  MAX_CONTAINER_BYTES,
  decodeContainerHeader,
  decodeContainerTrailer,
} from "../formats/container.ts";
import type { ContainerHeader } from "../formats/container.ts";
import { blockIdentityAt, decodeContainerDirectory } from "../formats/container-directory.ts";
import type { ContainerDirectory } from "../formats/container-directory.ts";
import type { ContainerName, Volume, VolumeId } from "../media/volume.ts";
import type { FingerprintKind } from "../repository/repository.ts";
import { ContainerReportWriter, decodeContainerTask } from "./container-report.ts";

export interface ContainerVerifierParts {
  readonly volumes: ReadonlyMap<VolumeId, Volume>;
  /** 16 bytes. */
  readonly repositoryId: Uint8Array;
  readonly sealer: BlockSealer;
  readonly identifier: BlockIdentifier;
  readonly fingerprinters: Readonly<Record<FingerprintKind, Fingerprinter>>;
}

export class ContainerVerifier {
  readonly #parts: ContainerVerifierParts;
  #payload = new Uint8Array(0);

  constructor(parts: ContainerVerifierParts) {
    this.#parts = parts;
  }

  /** Verifies the container that the task names. Damage is in the report; only a failure of the thread itself throws. */
  async serve(task: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const { volumeId, container } = decodeContainerTask(task);
    const report = await this.#verify(volumeId, container);
    if (report.isIntact) return report.take();
    // A fault of a cable, of memory or of the network shows once; damage shows every time.
    const again = await this.#verify(volumeId, container);
    again.addTransients(report);
    again.bytesRead += report.bytesRead;
    return again.take();
  }

  async #verify(volumeId: VolumeId, container: ContainerName): Promise<ContainerReportWriter> {
    const report = new ContainerReportWriter();
    const bytes = await this.#read(volumeId, container, report);
    if (bytes === undefined) return report;
    report.bytesRead = bytes.length;
    const hash = createHash("sha256").update(bytes).digest("hex");
    if (hash !== container) report.damage("REPOSITORY_DAMAGED", `its bytes have the SHA-256 ${hash}`);
    const opened = this.#openDirectory(bytes, container, report);
    if (opened !== undefined) this.#verifyBlocks(bytes, opened, report);
    releaseNow(bytes);
    return report;
  }

  async #read(volumeId: VolumeId, container: ContainerName, report: ContainerReportWriter): Promise<Uint8Array | undefined> {
    const volume = this.#parts.volumes.get(volumeId);
    try {
      if (volume === undefined)
        throw new HoldfastError("VOLUME_UNAVAILABLE", { message: `its volume ${volumeId} is not available` });
      const sizeBytes = await volume.containerSize(container);
      if (sizeBytes === undefined) throw new HoldfastError("SEGMENT_MISSING", { message: "it does not exist" });
      if (sizeBytes > MAX_CONTAINER_BYTES) {
        throw new HoldfastError("FORMAT_INVALID", { message: `it has ${sizeBytes} bytes, the limit is ${MAX_CONTAINER_BYTES}` });
      }
      return await volume.readContainer(container, 0, sizeBytes);
    } catch (error) {
      report.failure(error);
      return undefined;
    }
  }

  #openDirectory(bytes: Uint8Array, container: ContainerName, report: ContainerReportWriter): ContainerDirectory | undefined {
    const what = `container ${container}`;
    try {
      const header = decodeContainerHeader(bytes.subarray(0, CONTAINER_HEADER_BYTES), what);
      this.#requireOurs(header);
      const trailer = decodeContainerTrailer(
        bytes.subarray(Math.max(0, bytes.length - CONTAINER_TRAILER_BYTES)),
        bytes.length,
        what,
      );
      const { directoryOffset, directoryStoredLength } = trailer;
      const sealed = bytes.subarray(directoryOffset, directoryOffset + directoryStoredLength);
      const plain = this.#open(BLOCK_DIRECTORY, header.nonce as BlockIdentity, sealed);
      return decodeContainerDirectory(plain, trailer, what);
    } catch (error) {
      report.failure(error);
      return undefined;
    }
  }

  #requireOurs(header: ContainerHeader): void {
    if (equalBytes(header.repositoryId, this.#parts.repositoryId)) return;
    throw new HoldfastError("REPOSITORY_DAMAGED", { message: `it belongs to the repository ${hexOf(header.repositoryId)}` });
  }

  #verifyBlocks(bytes: Uint8Array, directory: ContainerDirectory, report: ContainerReportWriter): void {
    const { blocks } = directory;
    let first = 0;
    for (let block = 0; block < blocks.offsets.length; block++) {
      const count = blocks.segmentCounts[block] as number;
      const offset = blocks.offsets[block] as number;
      report.blocks++;
      report.segments += count;
      try {
        const damaged = this.#verifyBlock(bytes, directory, block, first);
        if (damaged > 0) report.blockDamage("REPOSITORY_DAMAGED", "segments do not have their fingerprints", offset, damaged);
      } catch (error) {
        report.failure(error, offset, count);
      }
      first += count;
    }
  }

  /** How many of its segments are not what their fingerprints say. Throws what is wrong with the block as a whole. */
  #verifyBlock(bytes: Uint8Array, { blocks, segments }: ContainerDirectory, block: number, first: number): number {
    const offset = blocks.offsets[block] as number;
    const count = blocks.segmentCounts[block] as number;
    const kind = blocks.kinds[block] as BlockKind;
    const identity = blockIdentityAt(blocks, block);
    if (!equalBytes(this.#parts.identifier.identityOf(segments.fingerprints, segments.lengths, first, count), identity)) {
      throw new HoldfastError("REPOSITORY_DAMAGED", {
        message: "the block is not made of the segments that its directory lists",
      });
    }
    const plain = this.#open(kind, identity, bytes.subarray(offset, offset + (blocks.storedLengths[block] as number)));
    const plainLength = blocks.plainLengths[block] as number;
    if (plain.length !== plainLength) {
      throw new HoldfastError("REPOSITORY_DAMAGED", {
        message: `the block has ${plain.length} plain bytes, expected ${plainLength}`,
      });
    }
    let damaged = 0;
    let position = 0;
    for (let segment = first; segment < first + count; segment++) {
      const end = position + (segments.lengths[segment] as number);
      if (!this.#isSegment(kind, plain.subarray(position, end), segments.fingerprints, segment * FINGERPRINT_BYTES)) damaged++;
      position = end;
    }
    // What was stored as it is lies in the buffer that the next block is opened into.
    if (plain.buffer !== this.#payload.buffer) releaseNow(plain);
    return damaged;
  }

  /** A block of metadata holds pages of both kinds; which, only the fingerprint tells. */
  #isSegment(kind: BlockKind, bytes: Uint8Array, fingerprints: Uint8Array, at: number): boolean {
    const { data, page, list } = this.#parts.fingerprinters;
    if (kind === BLOCK_DATA) return data.matches(bytes, fingerprints, at);
    return page.matches(bytes, fingerprints, at) || list.matches(bytes, fingerprints, at);
  }

  /** A view of the buffer when the block is stored uncompressed: valid until the next call. */
  #open(kind: BlockKind, identity: BlockIdentity, sealed: Uint8Array): Uint8Array {
    if (this.#payload.length < sealed.length)
      this.#payload = uninitializedBytes(Math.max(sealed.length, 2 * this.#payload.length));
    const length = this.#parts.sealer.openInto(this.#payload, kind, identity, sealed);
    return decompressBlock(decodeBlockPayload(this.#payload.subarray(0, length)));
  }
}
