// Which blocks every file of an image needs, found by going through pages and index. What a damage may cost is judged by it.

import type { Opened } from "../../../src/api/opened.ts";
import { textOf } from "../../../src/base/bytes.ts";
import type { Fingerprint } from "../../../src/base/fingerprint.ts";
import { BlockSealer } from "../../../src/engine/engine.ts";
import { ENTRY_FILE, readEntryBody } from "../../../src/formats/entry.ts";
import type { EntryBody } from "../../../src/formats/entry.ts";
import { EntryPageCursor, decodeIndexPage } from "../../../src/formats/entry-page.ts";
import { decodeListIndex, decodeListLeaf } from "../../../src/formats/segment-list.ts";
import type { ContainerName } from "../../../src/media/media.ts";
import { ContainerReader } from "../../../src/repository/repository.ts";
import type { EntryTreeRoot } from "../../../src/repository/repository.ts";

export interface BlockRange {
  /** "<container>:<offset>". */
  readonly key: string;
  readonly from: number;
  readonly to: number;
}

export interface ContainerLayout {
  readonly sizeBytes: number;
  readonly blocks: readonly BlockRange[];
  /** Where the blocks end and the directory begins. */
  readonly directoryFrom: number;
}

export async function containerLayout(opened: Opened, names: readonly string[]): Promise<ReadonlyMap<string, ContainerLayout>> {
  const { keyRing, defaultVolume } = opened.repository;
  const { repositoryId, block: blockKey } = keyRing;
  const reader = new ContainerReader({
    repositoryId,
    sealer: new BlockSealer({ blockKey, repositoryId, random: opened.services.random }),
  });
  const layouts = new Map<string, ContainerLayout>();
  for (const name of names) {
    const { blocks, sizeBytes } = await reader.readDirectory(defaultVolume, name as ContainerName);
    const ranges = Array.from(blocks.offsets, (from, at) => ({
      key: `${name}:${from}`,
      from,
      to: from + (blocks.storedLengths[at] ?? 0),
    }));
    layouts.set(name, { sizeBytes, blocks: ranges, directoryFrom: ranges.at(-1)?.to ?? 0 });
  }
  return layouts;
}

export interface NeededBlocks {
  /** For everything of the image: blocks of its pages. */
  readonly pages: ReadonlySet<string>;
  readonly files: ReadonlyMap<string, ReadonlySet<string>>;
}

export async function neededBlocks(opened: Opened, root: EntryTreeRoot): Promise<NeededBlocks> {
  const pages = new Set<string>();
  const files = new Map<string, ReadonlySet<string>>();
  const walk = async (fingerprint: Fingerprint, pageBytes: number, level: number, above: ReadonlySet<string>): Promise<void> => {
    const here = new Set([...above, ...blocksOf(opened, fingerprint)]);
    for (const block of here) pages.add(block);
    const page = await opened.reader.loadPage("page", fingerprint, pageBytes);
    if (level > 0) {
      for (const child of decodeIndexPage(page, level)) await walk(child.fingerprint, child.pageBytes, level - 1, here);
      return;
    }
    const cursor = new EntryPageCursor();
    cursor.open(page);
    while (cursor.next()) {
      const body = readEntryBody(cursor.body());
      if (body.kind !== ENTRY_FILE) continue;
      const path = `/${textOf(cursor.pathCopy())}`;
      files.set(path, new Set([...here, ...(await contentBlocks(opened, body))]));
    }
  };
  await walk(root.fingerprint, root.pageBytes, root.level, new Set());
  return { pages, files };
}

async function contentBlocks(opened: Opened, { segments = [], segmentList }: EntryBody): Promise<string[]> {
  const blocks: string[] = [];
  for (const reference of segments) if (reference.kind === "data") blocks.push(...blocksOf(opened, reference.fingerprint));
  const walk = async (fingerprint: Fingerprint, pageBytes: number, level: number): Promise<void> => {
    blocks.push(...blocksOf(opened, fingerprint));
    const page = await opened.reader.loadPage("list", fingerprint, pageBytes);
    if (level > 0) for (const child of decodeListIndex(page, level)) await walk(child.fingerprint, child.pageBytes, level - 1);
    else
      for (const reference of decodeListLeaf(page))
        if (reference.kind === "data") blocks.push(...blocksOf(opened, reference.fingerprint));
  };
  if (segmentList !== undefined) await walk(segmentList.fingerprint, segmentList.pageBytes, segmentList.level);
  return blocks;
}

/** The block of a segment; none when there are several copies, for then no single one is needed. */
function blocksOf(opened: Opened, fingerprint: Fingerprint): string[] {
  const locations = opened.index.findAll(fingerprint);
  return locations.length === 1 ? locations.map(({ container, blockOffset }) => `${container}:${blockOffset}`) : [];
}
