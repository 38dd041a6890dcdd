// The receiving half of a backup as the sending half sees it, on this machine or on a server.

import { ByteWriter } from "../base/bytes.ts";
import type { Fingerprint } from "../base/fingerprint.ts";
import { attributesSize } from "../client/client.ts";
import type { BackupConnection, ReadingThread } from "../client/client.ts";
import { INLINE_ATTRIBUTES_LIMIT, writeAttributes } from "../formats/entry.ts";
import type { EntryAttribute, EntryBody } from "../formats/entry.ts";
import type { ImageRoot, ImageStatistics } from "../model/image.ts";
import type { PageSource, SegmentSink } from "../repository/repository.ts";

export interface OtherHalf extends AsyncDisposable {
  /** How far an interrupted run had come; offered before the images. */
  readonly checkpoint: OfferedBase | undefined;
  /** To be offered one after another until one is accepted. */
  readonly images: readonly OfferedBase[];
  /** Which files of the bases must be read whatever their attributes say; undefined when none. */
  readonly mustRead: ((path: Uint8Array, pathLength: number) => boolean) | undefined;
  readonly connection: BackupConnection;
  /** The pages of bases of which there is no track log. */
  readonly pages: PageSource;
  readonly threads: readonly ReadingThread[];
  /** For data that no thread has read. */
  readonly data: WaitingSink;
  /** Does what only later backups profit from, once the image is committed. What goes wrong with that is told and does no harm. */
  afterCommit(imageId: string): Promise<StoredFigures>;
}

/** `settle`: resolves when there is room for more; call it between two pieces of work. */
export type WaitingSink = SegmentSink & { settle(): Promise<void> };

export interface OfferedBase {
  /** Of an image, or the name of a checkpoint. */
  readonly id: string;
  readonly root: ImageRoot;
  /** What the next image is expected to have. */
  readonly statistics: Pick<ImageStatistics, "files" | "contentBytes">;
}

/** What the repository grew by, before compression and as it is stored. */
export interface StoredFigures {
  readonly plainBytes: number;
  readonly storedBytes: number;
}

/** Small attributes lie in the entry, large ones in a segment of their own. */
export function storeAttributes(
  attributes: readonly EntryAttribute[],
  sink: SegmentSink,
  fingerprintOf: (bytes: Uint8Array) => Fingerprint,
): Pick<EntryBody, "attributes" | "storedAttributes"> {
  if (attributesSize(attributes) <= INLINE_ATTRIBUTES_LIMIT) return { attributes };
  const writer = new ByteWriter();
  writeAttributes(writer, attributes);
  const bytes = writer.take();
  const fingerprint = fingerprintOf(bytes);
  sink.put(fingerprint, bytes);
  return { storedAttributes: { kind: "data", length: bytes.length, fingerprint } };
}
