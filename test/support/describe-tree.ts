// For tests: a tree as lines of text, one for every entry, from what the system says of it and not from our own code.

import { createHash } from "node:crypto";
import { lstatSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import type { BigIntStats } from "node:fs";

const SLASH = Buffer.from("/");

export interface DescribeOptions {
  /** Without numbers of owners, and what only root can make: for whoever restores as somebody else. */
  readonly asOrdinaryUser?: boolean;
}

/**
 * "kind mode owner:group size modified content path [-> target] [= first name of the same file]"; content is the beginning of its
 * SHA-256. Names are bytes, written as Latin-1 with everything unprintable escaped. The directory itself comes first, as "".
 */
export function describeTree(root: string | Buffer, options: DescribeOptions = {}): string[] {
  const lines: string[] = [];
  const firstNames = new Map<bigint, string>();
  const visit = (path: Buffer, shown: string): void => {
    const stat = lstatSync(path, { bigint: true });
    const line = lineOf(path, shown, stat, options);
    if (line === undefined) return;
    const first = stat.isDirectory() || stat.nlink === 1n ? undefined : firstNames.get(stat.ino);
    if (first === undefined) firstNames.set(stat.ino, shown);
    lines.push(first === undefined ? line : `${line} = ${first}`);
    if (!stat.isDirectory()) return;
    const names = readdirSync(path, { encoding: "buffer" }).toSorted(Buffer.compare);
    for (const name of names) visit(Buffer.concat([path, SLASH, name]), `${shown}/${textOf(name)}`);
  };
  visit(Buffer.from(root), "");
  return lines;
}

function lineOf(path: Buffer, shown: string, stat: BigIntStats, { asOrdinaryUser = false }: DescribeOptions): string | undefined {
  const kind = kindOf(stat);
  if (asOrdinaryUser && (kind === "character-device" || kind === "block-device")) return undefined;
  const mode = (stat.mode & 0o7777n).toString(8).padStart(4, "0");
  const owner = asOrdinaryUser ? "-" : `${stat.uid}:${stat.gid}`;
  const isFile = kind === "file";
  const content = isFile ? createHash("sha256").update(readFileSync(path)).digest("hex").slice(0, 16) : "-";
  const device = kind.endsWith("device") ? ` device ${stat.rdev}` : "";
  const target = kind === "link" ? ` -> ${textOf(readlinkSync(path, { encoding: "buffer" }))}` : "";
  return `${kind} ${mode} ${owner} ${isFile ? stat.size : "-"} ${stat.mtimeNs} ${content} ${shown}${device}${target}`;
}

function kindOf(stat: BigIntStats): string {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  if (stat.isSymbolicLink()) return "link";
  if (stat.isFIFO()) return "fifo";
  if (stat.isCharacterDevice()) return "character-device";
  return stat.isBlockDevice() ? "block-device" : "socket";
}

function textOf(name: Buffer): string {
  return name
    .toString("latin1")
    .replaceAll(/[^\x21-\x5b\x5d-\x7e]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
