// For tests: the files of a repository by kind, and ways to damage one of them for a while.

import { chmodSync, readFileSync, readdirSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Damage {
  readonly what: string;
  /** Undefined: the file is gone. */
  readonly bytes: Buffer | undefined;
}

export const GONE: Damage = { what: "gone", bytes: undefined };

export function cutAt(bytes: Buffer, length: number): Damage {
  return { what: `cut off at ${length}`, bytes: bytes.subarray(0, length) };
}

export function flipped(bytes: Buffer, position: number, bit: number): Damage {
  const changed = Buffer.from(bytes);
  changed[position] = (changed[position] ?? 0) ^ (1 << bit);
  return { what: `bit ${bit} of byte ${position} flipped`, bytes: changed };
}

/** A few lengths of every kind. */
export function truncations(bytes: Buffer): Damage[] {
  const lengths = new Set([0, 40, bytes.length >> 1, bytes.length - 1].filter((length) => length >= 0 && length < bytes.length));
  return [...lengths].map((length) => cutAt(bytes, length));
}

/** `count` bytes all over it with one bit each; a byte for each step when there are fewer. */
export function flips(bytes: Buffer, count: number): Damage[] {
  const step = Math.max(1, bytes.length / count);
  const damages: Damage[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    const position = Math.floor(at);
    damages.push(flipped(bytes, position, position % 8));
  }
  return damages;
}

export function otherwiseBroken(bytes: Buffer): Damage[] {
  return [
    { what: "bytes behind its end", bytes: Buffer.concat([bytes, Buffer.from("more")]) },
    { what: "all zeros", bytes: Buffer.alloc(bytes.length) },
    { what: "text instead", bytes: Buffer.from("This is not what it should be.\n".repeat(200)) },
  ];
}

/** The file damaged while `use` runs, and as it was afterwards. */
export async function withDamagedFile<T>(path: string, damage: Damage, use: () => Promise<T>): Promise<T> {
  const bytes = readFileSync(path);
  const { mode } = statSync(path);
  unlinkSync(path);
  try {
    if (damage.bytes !== undefined) writeFileSync(path, damage.bytes);
    return await use();
  } finally {
    rmSync(path, { force: true });
    writeFileSync(path, bytes);
    chmodSync(path, mode);
  }
}

export const KINDS_OF_FILES = [
  { name: "repository record", directory: "", file: "repository" },
  { name: "key slot", directory: "keys" },
  { name: "trail", directory: "trails" },
  { name: "volume label", directory: "volumes/main", file: "label" },
  { name: "image record", directory: "volumes/main/images" },
  { name: "annotation", directory: "volumes/main/annotations" },
  { name: "index run", directory: "index" },
  { name: "container", directory: "volumes/main/containers" },
] as const;

export type KindOfFile = (typeof KINDS_OF_FILES)[number]["name"];

/** The paths of all files of one kind, sorted. */
export function filesOfKind(kind: KindOfFile, repository: string): string[] {
  const found = KINDS_OF_FILES.find(({ name }) => name === kind);
  if (found === undefined) throw new Error(`There is no kind of file named ${kind}`);
  const directory = join(repository, found.directory);
  if ("file" in found) return [join(directory, found.file)];
  const paths = readdirSync(directory, { recursive: true, encoding: "utf8" }).map((name) => join(directory, name));
  return paths.filter((path) => statSync(path).isFile()).toSorted();
}
