import type { ImageSummary, ListedEntry } from "../library.ts";

/** Up to here everything is restored; beyond, what a demonstration shows would take longer than anyone watches. */
const ALL_FILES = 100_000;
const ALL_BYTES = 2 * 1024 ** 3;
const SAMPLE_FILES = 2_000;
const SAMPLE_BYTES = 256 * 1024 ** 2;

export function isLarge({ record }: Pick<ImageSummary, "record">): boolean {
  return record.statistics.files > ALL_FILES || record.statistics.contentBytes > ALL_BYTES;
}

/** Files from all over the image, as many as can be restored and compared in moments. */
export async function sampleOf(entries: AsyncIterable<ListedEntry>, fileCount: number): Promise<ListedEntry[]> {
  const every = Math.max(1, Math.ceil(fileCount / SAMPLE_FILES));
  const sample: ListedEntry[] = [];
  let room = SAMPLE_BYTES;
  let position = 0;
  for await (const entry of entries) {
    if (entry.kind !== "file" || position++ % every !== 0 || entry.sizeBytes > room) continue;
    room -= entry.sizeBytes;
    sample.push(entry);
  }
  return sample;
}
