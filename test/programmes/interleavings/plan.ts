// Who does what in the run of a seed.

import { seededNumbers } from "../../../src/engine/testing.ts";

export type Task =
  | { readonly kind: "backup"; readonly source: string; readonly version: number }
  | { readonly kind: "forget"; readonly choice: number }
  | { readonly kind: "prune"; readonly assumeDead: boolean }
  | { readonly kind: "verify" }
  | { readonly kind: "rebuild" }
  | { readonly kind: "change-key" };

export interface ActorPlan {
  readonly name: string;
  /** On another machine than the rest. */
  readonly isElsewhere: boolean;
  readonly tasks: readonly Task[];
}

export interface Plan {
  readonly seed: number;
  readonly actors: readonly ActorPlan[];
  /** Versions of source 0 that are backed up before the actors begin. */
  readonly prepared: readonly number[];
  /** Which actor is killed when it has had so many turns. */
  readonly kill: { readonly actor: number; readonly turns: number } | undefined;
  /** The same actor goes on with this probability, in 256ths: long turns find other things than short ones. */
  readonly stay: number;
}

export const MOST_WRITERS = 8;
/** Writers, two collectors, one who verifies, one who changes the key, one who forgets. */
export const MOST_ACTORS = MOST_WRITERS + 5;
const VERSIONS = 6;

export function planOf(seed: number): Plan {
  const next = seededNumbers(seed * 2 + 1);
  const below = (limit: number): number => next() % limit;
  const chance = (percent: number): boolean => below(100) < percent;
  const writers = 2 + (chance(25) ? below(MOST_WRITERS - 1) : below(3));
  const actors: ActorPlan[] = [];
  for (let i = 0; i < writers; i++) {
    const tasks: Task[] = [];
    for (let left = 1 + below(2); left > 0; left--) {
      tasks.push({ kind: "backup", source: `source ${below(2)}`, version: 1 + below(VERSIONS) });
    }
    if (chance(15)) tasks.splice(below(tasks.length + 1), 0, { kind: "rebuild" });
    actors.push({ name: `writer ${i}`, isElsewhere: chance(20), tasks });
  }
  const ends = chance(40);
  for (let i = 0; i < 2; i++) {
    const tasks: Task[] = Array.from({ length: 1 + below(3) }, () => ({ kind: "prune", assumeDead: ends }));
    actors.push({ name: `collector ${i}`, isElsewhere: false, tasks });
  }
  const forgets: Task[] = Array.from({ length: 1 + below(4) }, () => ({ kind: "forget", choice: below(1000) }));
  actors.push({ name: "forgetter", isElsewhere: false, tasks: forgets });
  if (chance(50)) actors.push({ name: "verifier", isElsewhere: false, tasks: [{ kind: "verify" }] });
  if (chance(30)) actors.push({ name: "key changer", isElsewhere: false, tasks: [{ kind: "change-key" }] });
  const kill = chance(40) ? { actor: below(actors.length), turns: 1 + below(250) } : undefined;
  const prepared = Array.from({ length: 1 + below(3) }, () => 1 + below(VERSIONS));
  return { seed, actors, prepared, kill, stay: [0, 128, 220, 250][below(4)] as number };
}
