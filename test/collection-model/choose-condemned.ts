// Which containers a collector condemns, and what of them it copies: the model's own simple policies.

import { contentsOf } from "./scenario.ts";
import type { CollectorRole } from "./scenario.ts";
import type { World } from "./world.ts";

export interface Choice {
  readonly condemned: number;
  /** Live segments of condemned containers that no other container holds. */
  readonly copied: number;
}

/** One copy of every live segment counts; a container with anything else in it is superfluous in part. */
export function chooseCondemned(world: World, listed: number, live: number, role: CollectorRole): Choice {
  const useful = (container: number): number => bitCount(world.contents[container]! & live);
  const containers = world.contents.map((_, container) => container).filter((container) => (listed & (1 << container)) !== 0);
  let counted = 0;
  let superfluous = 0;
  for (const container of (role.prefers === "newer" ? containers.reverse() : containers).sort((a, b) => useful(b) - useful(a))) {
    const contents = world.contents[container]!;
    if ((contents & live & ~counted) === contents) counted |= contents;
    else superfluous |= 1 << container;
  }
  const condemned = role.condemns === "all" ? superfluous : worstOf(world, superfluous, live);
  return { condemned, copied: contentsOf(world, condemned) & live & ~contentsOf(world, listed & ~condemned) };
}

/** On a full disk nothing is copied and nothing taken into the index. Undefined when something live is in no container of the index. */
export function chooseUnindexed(world: World, listed: number, live: number): Choice | undefined {
  const known = listed & world.index;
  if ((live & ~contentsOf(world, known)) !== 0) return undefined;
  return { condemned: (listed & ~world.index) | deadOf(world, known, live), copied: 0 };
}

function worstOf(world: World, superfluous: number, live: number): number {
  const dead = deadOf(world, superfluous, live);
  return dead === 0 ? superfluous & -superfluous : dead;
}

function deadOf(world: World, containers: number, live: number): number {
  let dead = 0;
  for (let i = 0, rest = containers; rest !== 0; i++, rest >>= 1) {
    if ((rest & 1) !== 0 && (world.contents[i]! & live) === 0) dead |= 1 << i;
  }
  return dead;
}

function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
