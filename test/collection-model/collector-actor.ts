// What the two halves of a collector's work share.

import { endCollector } from "./world.ts";
import type { Collector } from "./world.ts";
import { contentsOf } from "./scenario.ts";
import type { CollectorRole, Stage } from "./scenario.ts";

/** The steps in their order; the marking half ends with `lookForHigher`. */
export const STEP = {
  register: 0,
  readCollections: 1,
  openIndex: 2,
  listContainers: 3,
  listImages: 4,
  publishCopy: 5,
  publishCopyRun: 6,
  publishCondemned: 7,
  lookForHigher: 8,
  readWaits: 9,
  publishWaits: 10,
  check: 11,
  removeTemporaries: 12,
  removeEndedSession: 13,
  listNewImages: 14,
  takeInCondemned: 15,
  readGeneration: 16,
  publishTakenIn: 17,
  stopTakingIn: 18,
  readCover: 19,
  publishRescue: 20,
  publishRescueRun: 21,
  publishReleased: 22,
  checkRebuilds: 23,
  cleanIndex: 24,
  prove: 25,
  deleteContainers: 26,
  publishFinished: 27,
  clearRecords: 28,
  leave: 29,
} as const;

export interface CollectorActor {
  readonly number: number;
  readonly role: CollectorRole;
  readonly collector: Collector;
  readonly session: number;
}

export type CollectorStep = (stage: Stage, actor: CollectorActor) => void;

/** Forgets everything but the step. */
export function goTo(collector: Collector, step: number): void {
  endCollector(collector, step, collector.life);
}

/** Copies segments out of condemned containers into a new one, whose number it returns; undefined when one of them is gone. */
export function copySegments({ world, places }: Stage, { number, collector }: CollectorActor): number | undefined {
  if ((collector.copied & ~contentsOf(world, collector.condemned & world.present)) !== 0) return undefined;
  const container = places.freeContainer(world, number)!;
  world.contents[container] = collector.copied;
  world.present |= 1 << container;
  collector.container = 1 << container;
  collector.copied = 0;
  return container;
}

/** As for writers: true when the index run can get its name now. */
export function isFenced({ world, rules, took }: Stage, { number, role, collector, session }: CollectorActor): boolean {
  if (role.isElsewhere !== true) return true;
  const isThere = (world.temporaries & session) !== 0;
  if (collector.ready === 1 && isThere) {
    collector.ready = 0;
    world.temporaries &= ~session;
    return true;
  }
  if (collector.ready === 0 && (isRegistered({ world }, session) || rules.publishesIndexUnfenced)) {
    collector.ready = 1;
    world.temporaries |= session;
    took(`collector ${number} writes a temporary file and sees its session`);
    return false;
  }
  goTo(collector, STEP.leave);
  took(`collector ${number} finds that it was ended`);
  return false;
}

function isRegistered({ world }: Pick<Stage, "world">, session: number): boolean {
  return (world.sessions & session) !== 0 && (world.ended & session) === 0;
}

/** Something is missing that must not be. Whoever was ended meanwhile cannot judge. */
export function raiseAlarm({ world, took }: Stage, { number, collector, session }: CollectorActor, problem: string): void {
  if (isRegistered({ world }, session)) world.alarm = 1;
  goTo(collector, STEP.leave);
  took(`collector ${number} stops: ${problem}`);
}
