// A directory of an image as a tar stream (docs/formats/export-tar.md), names being full paths as in the image.

import { ByteReader, hexOf } from "../base/bytes.ts";
import {
  ENTRY_BLOCK_DEVICE,
  ENTRY_CHARACTER_DEVICE,
  ENTRY_DIRECTORY,
  ENTRY_FIFO,
  ENTRY_FILE,
  ENTRY_SYMBOLIC_LINK,
  readAttributes,
} from "../formats/entry.ts";
import type { EntryAttribute, EntryBody, EntryKindCode } from "../formats/entry.ts";
import { TAR_END, encodeTarHeaders, tarPadding } from "../formats/pax.ts";
import type { TarMember } from "../formats/pax.ts";
import type { ImageRecord } from "../model/image.ts";
import { treeRootOf } from "../server/server.ts";
import { rawEntries } from "./entries.ts";
import { contentOf } from "./file-content.ts";
import type { ContentSource } from "./file-content.ts";
import type { OwnerNames, RawEntry } from "./listed-entry.ts";

type TarImage = Pick<ImageRecord, "root"> & OwnerNames;

/** The directory itself and all that lies below it. */
export async function* tarOf(source: ContentSource, image: TarImage, directory: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* inLargerPieces(membersOf(source, image, directory));
}

async function* membersOf(source: ContentSource, image: TarImage, directory: Uint8Array): AsyncGenerator<Uint8Array> {
  const links = new HardLinks();
  const root = treeRootOf(image.root);
  for await (const entry of rawEntries(source.reader, root, { path: directory, recursive: true })) {
    const original = links.originalOf(entry);
    if (original !== undefined) {
      yield encodeTarHeaders({ ...memberOf(entry, image), type: "hard-link", linkTarget: original });
      continue;
    }
    yield encodeTarHeaders({ ...memberOf(entry, image), attributes: await attributesOf(source, entry.body) });
    if (entry.body.kind !== ENTRY_FILE) continue;
    yield* contentOf(source, entry);
    const padding = tarPadding(entry.body.sizeBytes);
    if (padding > 0) yield TAR_END.subarray(0, padding);
  }
  yield TAR_END;
}

const TYPES: Readonly<Record<EntryKindCode, TarMember["type"]>> = {
  [ENTRY_DIRECTORY]: "directory",
  [ENTRY_FILE]: "file",
  [ENTRY_SYMBOLIC_LINK]: "symbolic-link",
  [ENTRY_FIFO]: "fifo",
  [ENTRY_CHARACTER_DEVICE]: "character-device",
  [ENTRY_BLOCK_DEVICE]: "block-device",
};

function memberOf({ path, body }: RawEntry, names: OwnerNames): TarMember {
  const { kind, mode, userId, groupId, modified, sizeBytes, linkTarget, node } = body;
  return {
    type: TYPES[kind],
    path,
    mode,
    userId,
    groupId,
    userName: names.owners[userId],
    groupName: names.groups[groupId],
    modified,
    sizeBytes,
    linkTarget,
    node,
  };
}

async function attributesOf(
  { reader }: ContentSource,
  { attributes, storedAttributes }: EntryBody,
): Promise<readonly EntryAttribute[]> {
  if (storedAttributes?.kind !== "data") return attributes ?? [];
  const bytes = new ByteReader(await reader.load("data", storedAttributes.fingerprint), "stored attributes");
  const stored = readAttributes(bytes);
  bytes.end();
  return stored;
}

/** Remembers the first name of every file with several, until all of them have come. */
class HardLinks {
  readonly #files = new Map<string, { readonly path: Uint8Array; readonly content: string; left: number }>();

  /** The path that `entry` is another name of; undefined for the first one. */
  originalOf({ path, body }: RawEntry): Uint8Array | undefined {
    const { hardLink, inode } = body;
    if (hardLink === undefined || hardLink.linkCount < 2) return undefined;
    const key = `${hardLink.deviceMajor} ${hardLink.deviceMinor} ${inode}`;
    const content = contentKeyOf(body);
    const file = this.#files.get(key);
    if (file === undefined) {
      this.#files.set(key, { path, content, left: hardLink.linkCount - 1 });
      return undefined;
    }
    if (--file.left <= 0) this.#files.delete(key);
    // It changed between the readings of its two names; each gets what was read there.
    return file.content === content ? file.path : undefined;
  }
}

/** Equal for equal references. Text, because a view would keep its page, and the block around it, in memory. */
function contentKeyOf({ sizeBytes, segments = [], segmentList }: EntryBody): string {
  const listed = segmentList === undefined ? "" : hexOf(segmentList.fingerprint);
  const inline = segments.map((segment) => `${segment.length} ${segment.kind === "data" ? hexOf(segment.fingerprint) : "hole"}`);
  return [sizeBytes, listed, ...inline].join(" ");
}

const PIECE_BYTES = 64 * 1024;

/** Gathers small pieces: a tree of small files would cost whoever writes them three calls a file. */
async function* inLargerPieces(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let gathered = new Uint8Array(PIECE_BYTES);
  let length = 0;
  for await (const piece of pieces) {
    if (length > 0 && length + piece.length > PIECE_BYTES) {
      yield gathered.subarray(0, length);
      gathered = new Uint8Array(PIECE_BYTES);
      length = 0;
    }
    if (piece.length > PIECE_BYTES) yield piece;
    else {
      gathered.set(piece, length);
      length += piece.length;
    }
  }
  if (length > 0) yield gathered.subarray(0, length);
}
