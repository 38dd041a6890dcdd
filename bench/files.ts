// Small help with files for the benchmark: the program under test is elsewhere, so node:fs is used plainly here.

import fs from "node:fs";
import path from "node:path";

export interface TreeTotals {
  readonly files: number;
  readonly directories: number;
  readonly bytes: number;
}

/** Counts regular files and their bytes (apparent size, as `du --apparent-size` without the directories). */
export function treeTotals(root: string): TreeTotals {
  let files = 0;
  let directories = 0;
  let bytes = 0;
  visitTree(root, (file, entry) => {
    if (entry.isDirectory()) directories++;
    else if (entry.isFile()) {
      files++;
      bytes += fs.lstatSync(file).size;
    }
  });
  return { files, directories, bytes };
}

/** Reads every file once, so that the first tool of a case does not pay for a cold cache. */
export function readTree(root: string): void {
  const buffer = Buffer.allocUnsafe(4 << 20);
  visitTree(root, (file, entry) => {
    if (!entry.isFile()) return;
    const open = fs.openSync(file, "r");
    try {
      while (fs.readSync(open, buffer) > 0);
    } finally {
      fs.closeSync(open);
    }
  });
}

function visitTree(directory: string, visit: (file: string, entry: fs.Dirent) => void): void {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name);
    visit(file, entry);
    if (entry.isDirectory()) visitTree(file, visit);
  }
}

/** Removes a tree, also one that holds read-only directories. */
export function removeTree(root: string): void {
  try {
    fs.rmSync(root, { recursive: true, force: true });
  } catch {
    makeWritable(root);
    fs.rmSync(root, { recursive: true, force: true });
  }
}

function makeWritable(directory: string): void {
  fs.chmodSync(directory, 0o700);
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) makeWritable(path.join(directory, entry.name));
  }
}

/** Gives back the space of all files below, but not their names. */
export function emptyFiles(root: string): void {
  visitTree(root, (file, entry) => {
    if (entry.isFile()) fs.truncateSync(file);
  });
}

export function emptyDirectory(directory: string): string {
  removeTree(directory);
  fs.mkdirSync(directory, { recursive: true });
  return directory;
}

/**
 * Takes the directory for this process until disposed of: two benchmarks at once would measure each other, and one would
 * take the trees that the other has swapped for the leftovers of a killed run.
 */
export function occupy(directory: string): Disposable {
  fs.mkdirSync(directory, { recursive: true });
  const file = path.join(directory, "in-use-by");
  const owner = fs.existsSync(file) ? fs.readFileSync(file, "utf8") : "";
  if (owner !== "" && fs.existsSync(`/proc/${owner}`)) {
    throw new Error(`another benchmark (process ${owner}) works in ${directory}; if it does not, remove ${file}`);
  }
  fs.writeFileSync(file, String(process.pid));
  return { [Symbol.dispose]: () => fs.rmSync(file, { force: true }) };
}

/** The newest modification time below the paths, in milliseconds; 0 when none of them exists. */
export function newestModification(paths: readonly string[]): number {
  let newest = 0;
  for (const root of paths) {
    if (!fs.existsSync(root)) continue;
    newest = Math.max(newest, fs.statSync(root).mtimeMs);
    if (!fs.statSync(root).isDirectory()) continue;
    visitTree(root, (file) => {
      newest = Math.max(newest, fs.lstatSync(file).mtimeMs);
    });
  }
  return newest;
}

/** Appends a line to one file in `share`, other files for each `round`; always the same ones for the same tree. */
export function editTree(tree: string, round: number, share: number): void {
  let number = 0;
  for (const entry of fs.readdirSync(tree, { recursive: true, withFileTypes: true }).toSorted(byPath)) {
    if (!entry.isFile() || number++ % share !== round % share) continue;
    fs.appendFileSync(path.join(entry.parentPath, entry.name), `edited in round ${round}\n`);
  }
}

function byPath(a: fs.Dirent, b: fs.Dirent): number {
  const [x, y] = [path.join(a.parentPath, a.name), path.join(b.parentPath, b.name)];
  return x < y ? -1 : x > y ? 1 : 0;
}
