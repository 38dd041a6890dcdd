// Very many small files, written by one worker thread per processor: creating a million files is bound by system calls. The
// content of a directory depends on its number alone, so the split over threads does not show in the data.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Worker, isMainThread, workerData } from "node:worker_threads";
import { createGenerator } from "./generate.ts";

export interface SmallFilesShape {
  readonly directories: number;
  readonly filesEach: number;
}

interface Share extends SmallFilesShape {
  readonly tree: string;
  readonly first: number;
  readonly step: number;
}

const AVERAGE_BYTES = 1024;
const LARGEST_BYTES = 16 * AVERAGE_BYTES;

/** Fills the directory `tree`: directories nested two deep, sizes spread exponentially around 1 KiB. */
export async function makeSmallFiles(tree: string, shape: SmallFilesShape): Promise<void> {
  const threads = Math.min(os.availableParallelism(), shape.directories);
  const shares = Array.from({ length: threads }, (_, first): Share => ({ ...shape, tree, first, step: threads }));
  await Promise.all(
    shares.map(
      (share) =>
        new Promise<void>((resolve, reject) => {
          const worker = new Worker(new URL(import.meta.url), { workerData: share });
          worker.once("error", reject);
          worker.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`small-file writer ended with ${code}`))));
        }),
    ),
  );
}

function writeShare({ tree, directories, filesEach, first, step }: Share): void {
  const buffer = Buffer.alloc(LARGEST_BYTES);
  for (let directory = first; directory < directories; directory += step) {
    const { below, fillRandom, fillText } = createGenerator(directory);
    const place = path.join(tree, `group-${Math.floor(directory / 100)}`, `part-${directory % 100}`);
    fs.mkdirSync(place, { recursive: true });
    for (let number = 0; number < filesEach; number++) {
      const share = (1 + below(1_000_000)) / 1_000_000;
      const content = buffer.subarray(0, Math.min(LARGEST_BYTES, 1 + Math.floor(-Math.log(share) * AVERAGE_BYTES)));
      // Five in six are text; the rest are keys, thumbnails and archives, which do not compress.
      const isText = below(6) !== 0;
      if (isText) fillText(content);
      else fillRandom(content);
      fs.writeFileSync(path.join(place, `${isText ? "note" : "blob"}-${directory}-${number}.${isText ? "txt" : "bin"}`), content);
    }
  }
}

if (!isMainThread) writeShare(workerData as Share);
