// For tests: trees made by chance, with what file systems allow and programs get wrong; and changes to them.

import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { randomBytes, wordyBytes } from "../../src/engine/testing.ts";
import type { Chance } from "./chance.ts";
import { isRoot } from "./holdfast-process.ts";

const SLASH = Buffer.from("/");
const MOST_ENTRIES = 120;
const DEEPEST = 24;
/** The system takes no longer path in one call, and these helpers make no shorter ones. */
const LONGEST_PATH = 3_000;

/** Fills an empty directory. */
export function growTree(chance: Chance, root: string): void {
  const directories: Buffer[] = [Buffer.from(root)];
  const files: Buffer[] = [];
  for (let left = chance.size(MOST_ENTRIES); left > 0; left--) {
    // Rather below what was made last: deep trees come of it.
    const parent = chance.oneIn(2) ? directories.at(-1)! : chance.pick(directories);
    const path = join(parent, nameOf(chance));
    if (path.length > LONGEST_PATH || exists(path)) continue;
    if (chance.oneIn(3) && depthOf(path, root) < DEEPEST) {
      mkdirSync(path);
      directories.push(path);
    } else if (chance.oneIn(8) && files.length > 0) linkSync(chance.pick(files), path);
    else if (chance.oneIn(8)) symlinkSync(targetOf(chance), path);
    else {
      writeFile(chance, path);
      files.push(path);
    }
  }
  finish(chance, root);
}

/** Some entries changed, replaced, removed, renamed and added; sometimes none. */
export function editTree(chance: Chance, root: string): void {
  for (let left = chance.size(30); left > 0; left--) {
    const paths = pathsBelow(Buffer.from(root));
    const path = paths.length === 0 ? undefined : chance.pick(paths);
    const beside = path === undefined ? Buffer.from(root) : path.subarray(0, path.lastIndexOf(0x2f));
    const added = join(beside, nameOf(chance));
    const isFree = !exists(added) && added.length < LONGEST_PATH;
    if (path === undefined) {
      if (isFree) writeFile(chance, added);
      continue;
    }
    const kind = lstatSync(path);
    switch (chance.below(6)) {
      case 0:
        if (isFree) writeFile(chance, added);
        break;
      case 1:
        rmSync(path, { recursive: true, force: true });
        break;
      case 2:
        if (isFree) renameSync(path, added);
        break;
      case 3:
        // Something else of the same name.
        rmSync(path, { recursive: true, force: true });
        if (kind.isDirectory()) symlinkSync(targetOf(chance), path);
        else mkdirSync(path);
        break;
      default:
        if (kind.isFile()) changeFile(chance, path);
    }
  }
  finish(chance, root);
}

function changeFile(chance: Chance, path: Buffer): void {
  chmodSync(path, 0o600);
  if (chance.oneIn(3)) truncateSync(path, chance.size(100_000));
  else writeFile(chance, path);
}

function nameOf(chance: Chance): Buffer {
  const name = chance.pick([
    () => `file-${chance.below(30)}`,
    () => chance.pick([" ", "-rf", "*", "\\", "'", '"', "...", "a\nb", "\t", "con", "a:b", ".hidden", "~", "%41", "trailing."]),
    // One word, composed and decomposed.
    () => chance.pick(["\u00e4", "a\u0308", "\u{1f600}", "\u202e"]),
    () => Buffer.alloc(chance.pick([254, 255]), chance.pick(["n", "m"])),
    () => Buffer.from(chance.bytes(1 + chance.below(12)).map((byte) => (byte === 0 || byte === 0x2f ? 0xff : byte))),
  ])();
  const bytes = Buffer.from(name);
  return bytes.equals(Buffer.from(".")) || bytes.equals(Buffer.from("..")) ? Buffer.from("dots") : bytes;
}

function targetOf(chance: Chance): Buffer {
  return chance.pick([
    Buffer.from("nowhere"),
    Buffer.from(".."),
    Buffer.from("."),
    Buffer.from([0xff, 0x2f, 0xfe]),
    Buffer.alloc(1 + chance.size(4_000), "t"),
  ]);
}

function writeFile(chance: Chance, path: Buffer): void {
  const length = chance.pick([0, 1, chance.size(5_000), chance.size(300_000), 32_768, 32_769, chance.size(2_000_000)]);
  const bytes = chance.oneIn(2) ? randomBytes(chance.below(2 ** 31), length) : wordyBytes(chance.below(2 ** 31), length);
  if (!chance.oneIn(6)) {
    writeFileSync(path, bytes);
    return;
  }
  // Data between holes, and a hole at the end or not.
  const file = openSync(path, "w");
  for (let island = chance.below(5); island > 0; island--)
    writeSync(file, bytes.subarray(0, 5_000), 0, undefined, chance.size(20_000_000));
  if (chance.oneIn(2)) ftruncateSync(file, chance.size(30_000_000));
  closeSync(file);
}

/** Modes and times, from the leaves up: whatever is made in a directory changes its times. */
function finish(chance: Chance, root: string): void {
  for (const path of pathsBelow(Buffer.from(root)).toReversed()) {
    const stat = lstatSync(path);
    // An ordinary user must be able to read what is backed up, and to remove what is restored.
    const least = isRoot ? 0 : stat.isDirectory() ? 0o700 : 0o400;
    if (!stat.isSymbolicLink() && chance.oneIn(2))
      chmodSync(path, chance.pick([0o644, 0o600, 0o4755, 0o2711, 0o1777, 0o000]) | least);
    if (chance.oneIn(2)) {
      const time = chance.pick([
        0,
        -1.5,
        -2_000_000_000.000001,
        0.999999,
        1_234_567_890.123456,
        4_294_967_297.5,
        chance.below(2 ** 31) + 0.123456,
      ]);
      lutimesSync(path, time, time);
    }
  }
}

/** Everything below, directories before what is in them. */
function pathsBelow(directory: Buffer): Buffer[] {
  return readdirSync(directory, { encoding: "buffer" })
    .toSorted(Buffer.compare)
    .flatMap((name) => {
      const path = join(directory, name);
      return lstatSync(path).isDirectory() ? [path, ...pathsBelow(path)] : [path];
    });
}

function join(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, SLASH, name]);
}

function depthOf(path: Buffer, root: string): number {
  return path.toString("latin1").split("/").length - root.split("/").length;
}

function exists(path: Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
