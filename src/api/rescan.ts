// Reading unchanged files all the same, a share of them each time, so that within a known number of runs every file has
// been compared with its content: that is what finds a disk that lies and a program that sets times back.

import type { Random } from "../platform/random.ts";

/** Undefined when no unchanged file is to be read. A share of 1/30 reads each file about every thirtieth time. */
export function rescanChooser(fraction: number, random: Random): ((path: Uint8Array, pathLength: number) => boolean) | undefined {
  if (fraction <= 0) return undefined;
  if (fraction >= 1) return () => true;
  const [a, b, c, d] = random.bytes(4) as unknown as [number, number, number, number];
  const seed = (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  const limit = fraction * 2 ** 32;
  return (path, pathLength) => {
    let hash = 0x811c9dc5 ^ seed;
    for (let i = 0; i < pathLength; i++) hash = Math.imul(hash ^ (path[i] as number), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return (hash ^ (hash >>> 13)) >>> 0 < limit;
  };
}
