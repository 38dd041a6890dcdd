// The data that is backed up: made or fetched on first use, kept in the cache, the same in every later run. A dataset counts as
// there only when its stamp file is, which is written last; anything else is made again.
//
//   kernel       the Linux 6.1 source as Debian ships it (about 79,000 files, 1.3 GB): the oldest version that Debian still
//                offers; for the case of a changed tree, the newest one takes its place under the same path
//   large        4 GiB in 8 files: four random, two of kernel sources one after another, two of generated text
//   million      1,000,000 files of about 1 KiB in 1,000 directories
//
// The scale `small` keeps the shapes, needs no network and is made in a second or two; its figures say nothing.

import fs from "node:fs";
import path from "node:path";
import { emptyDirectory, treeTotals, type TreeTotals } from "./files.ts";
import { createGenerator } from "./generate.ts";
import { makeKernelTree } from "./kernel.ts";
import { makeSmallFiles } from "./small-files.ts";

export type DatasetName = "kernel" | "large" | "million";
export type Scale = "small" | "full";

export interface DatasetOptions {
  readonly directory: string;
  readonly scale: Scale;
  readonly mirror: string | undefined;
  readonly say: (line: string) => void;
}

export interface Dataset {
  readonly name: DatasetName;
  /** The directory that the tools back up. */
  readonly tree: string;
  readonly description: string;
  readonly totals: TreeTotals;
  /**
   * Puts the changed tree in place of the first one, under the same path, until the result is disposed of. As after unpacking
   * a new version over an old one, every file has a new inode, change time and modification time, whether its bytes changed or
   * not: metadata saves no tool the reading.
   */
  readonly swapInNext?: () => Disposable;
}

interface Stamp {
  readonly description: string;
  readonly totals: TreeTotals;
}

/** Makes the dataset unless the cache has it. With `next`, its changed version too (kernel only). */
export async function requireDataset(name: DatasetName, next: boolean, options: DatasetOptions): Promise<Dataset> {
  const place = path.join(options.directory, options.scale, name);
  const tree = path.join(place, "tree");
  if (name === "kernel") return requireKernel(place, tree, next, options);
  const stamp = await stamped(
    `${place}.json`,
    async () => {
      options.say(`making the data "${name}" (${options.scale}) in ${place}`);
      emptyDirectory(tree);
      if (name === "million") {
        const shape = options.scale === "full" ? { directories: 1000, filesEach: 1000 } : { directories: 20, filesEach: 50 };
        await makeSmallFiles(tree, shape);
        return `${shape.directories * shape.filesEach} small generated files`;
      }
      const sources = await requireDataset("kernel", false, options);
      makeLargeFiles(tree, options.scale === "full" ? 512 << 20 : 1 << 20, sources.tree);
      return `8 large files: random, ${sources.description} joined, generated text`;
    },
    tree,
  );
  return { name, tree, ...stamp };
}

async function requireKernel(place: string, tree: string, next: boolean, options: DatasetOptions): Promise<Dataset> {
  const other = path.join(place, "tree-next");
  const aside = path.join(place, "tree-first");
  // A run that was killed with the trees swapped left the first one aside.
  if (fs.existsSync(aside)) {
    fs.renameSync(tree, other);
    fs.renameSync(aside, tree);
  }
  const first = await stamped(`${place}.json`, () => makeKernelTree(tree, "first", options), tree);
  if (!next) return { name: "kernel", tree, ...first };
  await stamped(`${place}-next.json`, () => makeKernelTree(other, "next", options), other);
  return {
    name: "kernel",
    tree,
    ...first,
    swapInNext: () => {
      fs.renameSync(tree, aside);
      fs.renameSync(other, tree);
      return {
        [Symbol.dispose]: () => {
          fs.renameSync(tree, other);
          fs.renameSync(aside, tree);
        },
      };
    },
  };
}

async function stamped(file: string, make: () => Promise<string> | string, tree: string): Promise<Stamp> {
  if (fs.existsSync(file)) return JSON.parse(fs.readFileSync(file, "utf8")) as Stamp;
  const description = await make();
  const stamp: Stamp = { description, totals: treeTotals(tree) };
  fs.writeFileSync(file, `${JSON.stringify(stamp, undefined, 2)}\n`);
  return stamp;
}

function makeLargeFiles(tree: string, sizeBytes: number, sources: string): void {
  const joined = joinedFiles(sources);
  for (let number = 0; number < 8; number++) {
    const { fillRandom, fillText } = createGenerator(1000 + number);
    const kind = number % 2 === 0 ? "random" : number < 4 ? "sources" : "text";
    const out = fs.openSync(path.join(tree, `${kind}-${number}.${kind === "random" ? "bin" : "txt"}`), "w");
    const buffer = Buffer.allocUnsafe(Math.min(sizeBytes, 8 << 20));
    for (let written = 0; written < sizeBytes; written += buffer.length) {
      if (kind === "random") fillRandom(buffer);
      else fillText(buffer.subarray(kind === "sources" ? joined(buffer) : 0));
      fs.writeSync(out, buffer);
    }
    fs.closeSync(out);
  }
}

// The files of a tree one after another in path order; returns how much of the buffer it could fill.
function joinedFiles(root: string): (target: Buffer) => number {
  const names = fs
    .readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .toSorted();
  let next = 0;
  let rest = Buffer.alloc(0);
  return (target) => {
    let filled = 0;
    while (filled < target.length) {
      if (rest.length === 0) {
        const name = names[next++];
        if (name === undefined) break;
        rest = fs.readFileSync(name);
      }
      const taken = rest.copy(target, filled);
      rest = rest.subarray(taken);
      filled += taken;
    }
    return filled;
  };
}
