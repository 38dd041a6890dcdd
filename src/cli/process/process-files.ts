// A person's own files, as the command line needs them: a passphrase, lists of paths, and for the demonstration a place to
// work in. None of it is a repository or a source, so neither Files nor FileTree of the platform fits: those keep to
// absolute paths of ours, or never follow what a person may well point us to, such as /dev/fd/3.

// oxlint-disable-next-line no-restricted-imports
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import type { CommandFiles, EntryComparison, EntryDifference } from "../world.ts";

const PIECE_BYTES = 1024 * 1024;
/** Comparing goes on without pause so long; then timers and signals have their turn. */
const PIECES_PER_TURN = 16;

export function processFiles(): CommandFiles {
  return {
    read: (file) => fs.promises.readFile(file),
    makeTemporaryDirectory: () => fs.promises.mkdtemp(path.join(os.tmpdir(), "holdfast-")),
    removeDirectory: (directory) => fs.promises.rm(directory, { recursive: true, force: true }),
    compareEntries,
  };
}

async function compareEntries(originalPath: Uint8Array, copyPath: Uint8Array): Promise<EntryComparison> {
  const original = examine(originalPath);
  const copy = examine(copyPath);
  if (original === undefined) return { differences: ["original missing"], originalModifiedSeconds: undefined };
  const originalModifiedSeconds = Number(original.mtimeNs / 1_000_000_000n);
  if (copy === undefined) return { differences: ["copy missing"], originalModifiedSeconds };
  if (kindOf(original) !== kindOf(copy)) return { differences: ["kind"], originalModifiedSeconds };
  const differences: EntryDifference[] = [];
  if (original.isSymbolicLink()) {
    // The mode of a link means nothing.
    if (!linkTarget(originalPath).equals(linkTarget(copyPath))) differences.push("target");
  } else if (original.mode !== copy.mode) {
    differences.push("mode");
  }
  if (original.mtimeNs !== copy.mtimeNs) differences.push("time");
  if (original.isFile() && (original.size !== copy.size || !(await haveEqualContent(originalPath, copyPath)))) {
    differences.push("content");
  }
  return { differences, originalModifiedSeconds };
}

function examine(entry: Uint8Array): fs.BigIntStats | undefined {
  return fs.lstatSync(Buffer.from(entry), { bigint: true, throwIfNoEntry: false });
}

function kindOf(stats: fs.BigIntStats): bigint {
  return stats.mode & BigInt(fs.constants.S_IFMT);
}

function linkTarget(link: Uint8Array): Buffer {
  return fs.readlinkSync(Buffer.from(link), { encoding: "buffer" });
}

async function haveEqualContent(original: Uint8Array, copy: Uint8Array): Promise<boolean> {
  const files: number[] = [];
  try {
    for (const file of [original, copy]) files.push(fs.openSync(Buffer.from(file), "r"));
    const [first = -1, second = -1] = files;
    const [one, other] = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)];
    for (let pieces = 1; ; pieces++) {
      const length = fs.readSync(first, one);
      if (length !== readFully(second, other, length) || !one.subarray(0, length).equals(other.subarray(0, length))) return false;
      if (length === 0) return true;
      if (pieces % PIECES_PER_TURN === 0) await setImmediate();
    }
  } finally {
    for (const file of files) fs.closeSync(file);
  }
}

/** As many bytes as are asked for, or one more byte's worth of proof that there are more when none are. */
function readFully(file: number, into: Buffer, length: number): number {
  if (length === 0) return fs.readSync(file, into, 0, 1, null);
  let done = 0;
  while (done < length) {
    const count = fs.readSync(file, into, done, length - done, null);
    if (count === 0) break;
    done += count;
  }
  return done;
}
