import { createHash } from "node:crypto";
import type { SimulatedDisk } from "./simulated-disk.ts";

/** Bytes that are in many states are hashed once. */
const hashes = new WeakMap<Uint8Array, string>();

/** The same text for disks whose names and bytes are the same, as far as `counts` lets a path count. */
export function fingerprintOf(disk: SimulatedDisk, counts: (path: string) => boolean = () => true): string {
  const lines: string[] = [];
  disk.visit((node, path) => {
    if (counts(path)) lines.push(node.kind === "directory" ? path : `${path} ${hashOf(node.content.view())}`);
  });
  return createHash("sha256").update(lines.toSorted().join("\n")).digest("base64");
}

function hashOf(bytes: Uint8Array): string {
  let hash = hashes.get(bytes);
  if (hash === undefined) {
    hash = createHash("sha256").update(bytes).digest("base64");
    hashes.set(bytes, hash);
  }
  return hash;
}
