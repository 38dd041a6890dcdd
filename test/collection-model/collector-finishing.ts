// The second half of a collector's work: wait, rescue, prove, delete. Any collector may do it, several at once too.

import { CONDEMNED, FINISHED, KILLED, RELEASED, WAITS, DONE, endCollector } from "./world.ts";
import { STEP, copySegments, goTo, isFenced, raiseAlarm } from "./collector-actor.ts";
import type { CollectorActor, CollectorStep } from "./collector-actor.ts";
import { NO_RECORDS } from "./collector-marking.ts";
import { LIVES, contentsOf, referencesOf } from "./scenario.ts";
import type { Stage } from "./scenario.ts";

/** In the order of STEP, from `readWaits` on. */
export const FINISHING_STEPS: readonly CollectorStep[] = [
  readWaits,
  publishWaits,
  check,
  removeTemporaries,
  removeEndedSession,
  listNewImages,
  takeInCondemned,
  readGeneration,
  publishTakenIn,
  stopTakingIn,
  readCover,
  publishRescue,
  publishRescueRun,
  publishReleased,
  checkRebuilds,
  cleanIndex,
  prove,
  deleteContainers,
  publishFinished,
  clearRecords,
  leave,
];

function readWaits({ world, rules, took }: Stage, { number, collector, session }: CollectorActor): void {
  const { files, sessions, images } = world.generations[collector.generation - 1]!;
  if (files === 0 || (files & FINISHED) !== 0) {
    goTo(collector, STEP.readCollections);
    took(`collector ${number} finds the generation finished by another`);
    return;
  }
  const isThere = (files & WAITS) !== 0;
  collector.waits = isThere ? sessions : world.sessions;
  if (!rules.waitsForItself) collector.waits &= ~session;
  collector.step = isThere ? STEP.check : STEP.publishWaits;
  if (rules.listsNewImagesBeforeWaiting) collector.images = world.images & ~images;
  if (rules.doesNotWait) {
    collector.waits = 0;
    collector.step = STEP.listNewImages;
  }
  took(`collector ${number} ${isThere ? "reads whom it has to wait for" : "lists the sessions"}`);
}

function publishWaits({ world, took }: Stage, { number, collector }: CollectorActor): void {
  const records = world.generations[collector.generation - 1]!;
  const isTaken = (records.files & WAITS) !== 0;
  if (isTaken) {
    collector.waits = 0;
    collector.images = 0;
    collector.step = STEP.readWaits;
  } else {
    records.files |= WAITS;
    records.sessions = collector.waits;
    collector.step = STEP.check;
  }
  took(`collector ${number} ${isTaken ? "finds waits published by another" : "publishes waits"}`);
}

/** Looks for each session by its name. One that is gone never comes back, so looking for all of them is one step. */
function check(stage: Stage, actor: CollectorActor): void {
  const { world, rules, took } = stage;
  const { number, collector } = actor;
  if ((collector.waits & world.sessions) !== 0) {
    endSessions(stage, actor);
    stopWaiting(stage, actor);
    return;
  }
  collector.waits = 0;
  collector.step = rules.listsNewImagesBeforeWaiting ? STEP.readCover : STEP.listNewImages;
  if (rules.coversByOldIndex) collector.listed = world.index;
  took(`collector ${number} sees that all whom it waits for are gone`);
}

/** Those killed on this machine are seen to be dead; one of another machine is ended by a person's word, whether it lives or not. */
function endSessions({ world, places, rules, took, happened }: Stage, { number, collector }: CollectorActor): void {
  const there = collector.waits & world.sessions;
  for (let session = 1; session <= there; session <<= 1) {
    if ((there & session) === 0) continue;
    const owner = ownerOf(places, session);
    if (!owner.isElsewhere) {
      if (!owner.isKilled(world)) continue;
      world.sessions &= ~session;
      took(`collector ${number} clears the session of ${owner.name}, which was killed`);
      continue;
    }
    const isMarked = (world.ended & session) !== 0;
    if (!isMarked && world.endings === 0) continue;
    if (!isMarked) world.endings--;
    world.ended |= session;
    if (rules.endsBeforeClearing) world.sessions &= ~session;
    collector.ending = session;
    collector.step = rules.leavesTemporaries ? STEP.removeEndedSession : STEP.removeTemporaries;
    if (isMarked) took(`collector ${number} goes on ending the session of ${owner.name}`);
    else happened(`collector ${number} marks the session of ${owner.name} as ended`);
  }
}

/** It looks at the collections again: two that wait in two generations for each other would do so forever. Or it goes. */
function stopWaiting({ world, took, happened }: Stage, { number, collector }: CollectorActor): void {
  const { files } = world.generations[collector.generation - 1]!;
  if (files === 0 || (files & FINISHED) !== 0) {
    goTo(collector, STEP.readCollections);
    took(`collector ${number} finds the generation finished by another`);
  }
  goTo(collector, STEP.leave);
  happened(`collector ${number} says whom it waits for, to go`);
}

interface SessionOwner {
  readonly name: string;
  readonly isElsewhere: boolean;
  isKilled(world: Stage["world"]): boolean;
}

export function ownerOf(places: Stage["places"], session: number): SessionOwner {
  const { writers, collectors } = places.scenario;
  for (const [number, role] of writers.entries()) {
    if (places.sessionOfWriter(number) !== session) continue;
    const isKilled = (world: Stage["world"]): boolean => world.writers[number]!.step === KILLED;
    return { name: `writer ${number}`, isElsewhere: role.isElsewhere === true, isKilled };
  }
  for (const [number, role] of collectors.entries()) {
    for (let life = 0; life < LIVES; life++) {
      if (((places.sessionOfCollector(number, life) | places.rebuildOfCollector(number, life)) & session) === 0) continue;
      const isKilled = (world: Stage["world"]): boolean =>
        world.collectors[number]!.life > life || world.collectors[number]!.step === KILLED;
      return { name: `collector ${number}`, isElsewhere: role.isElsewhere === true, isKilled };
    }
  }
  throw new Error(`Session ${session} is nobody's`);
}

function removeTemporaries({ world, took }: Stage, { number, collector }: CollectorActor): void {
  world.temporaries &= ~collector.ending;
  collector.step = STEP.removeEndedSession;
  took(`collector ${number} removes the temporary files of the session it ends`);
}

function removeEndedSession({ world, took }: Stage, { number, collector }: CollectorActor): void {
  world.sessions &= ~collector.ending;
  world.ended &= ~collector.ending;
  collector.ending = 0;
  collector.step = STEP.check;
  took(`collector ${number} removes the session it ends, and its mark`);
}

function listNewImages({ world, rules, took }: Stage, { number, collector }: CollectorActor): void {
  const records = world.generations[collector.generation - 1]!;
  if ((records.files & CONDEMNED) === 0) {
    goTo(collector, STEP.readCollections);
    took(`collector ${number} finds the records of its generation gone`);
    return;
  }
  collector.images = world.images & ~records.images;
  if (rules.releasesBeforeRescue) records.files |= RELEASED;
  collector.step = STEP.readCover;
  took(`collector ${number} lists new images`);
}

/** Opens the index. While the generation is not released, that names what is condemned, or is made to. */
function readCover(stage: Stage, actor: CollectorActor): void {
  const { world, places, rules, took } = stage;
  const { number, collector } = actor;
  const { files } = world.generations[collector.generation - 1]!;
  const index = rules.coversByOldIndex ? collector.listed : world.index;
  if ((files & (RELEASED | FINISHED)) === 0 && (collector.condemned & world.present & ~world.index) !== 0) {
    collector.step = rules.takesInUnregistered ? STEP.readGeneration : STEP.takeInCondemned;
    took(`collector ${number} finds condemned containers that the index does not name`);
    return;
  }
  const uncovered = referencesOf(world, collector.images) & ~contentsOf(world, index & ~collector.condemned);
  const isRescuable = (uncovered & ~contentsOf(world, collector.condemned & world.index & world.present)) === 0;
  collector.listed = 0;
  if (rules.listsRebuildsBeforeReleasing) collector.waits = world.sessions & places.rebuilds;
  if (uncovered === 0 || rules.doesNotRescue) {
    collector.images = 0;
    collector.step = STEP.publishReleased;
    took(`collector ${number} finds all that new images reference outside of what is condemned`);
  } else if (isRescuable) {
    collector.images = 0;
    collector.copied = uncovered;
    collector.step = STEP.publishRescue;
    if (places.freeContainer(world, number) === undefined) goTo(collector, STEP.leave);
    took(`collector ${number} finds segments of new images in condemned containers alone`);
  } else if (files === 0 || (files & FINISHED) !== 0) {
    goTo(collector, STEP.readCollections);
    took(`collector ${number} finds the generation finished by another`);
  } else if ((files & RELEASED) !== 0 || (collector.condemned & ~world.present) !== 0) {
    collector.images = 0;
    collector.step = STEP.listNewImages;
    took(`collector ${number} sees that another collector was faster, and looks again`);
  } else {
    raiseAlarm(stage, actor, "a new image references a segment that is nowhere");
  }
}

/** What is condemned is taken into the index by registered rebuilds alone, so the collector becomes one for a moment. */
function takeInCondemned({ world, places, took }: Stage, { number, collector }: CollectorActor): void {
  world.sessions |= places.rebuildOfCollector(number, collector.life);
  collector.step = STEP.readGeneration;
  took(`collector ${number} registers as a rebuild of the index`);
}

function readGeneration({ world, took }: Stage, { number, collector }: CollectorActor): void {
  const { files } = world.generations[collector.generation - 1]!;
  const isReleased = files === 0 || (files & (RELEASED | FINISHED)) !== 0;
  collector.step = isReleased ? STEP.stopTakingIn : STEP.publishTakenIn;
  took(`collector ${number} finds its generation ${isReleased ? "released by another" : "as it was"}`);
}

function publishTakenIn(stage: Stage, actor: CollectorActor): void {
  const { world, places, rules, took } = stage;
  const { number, collector } = actor;
  const session = rules.takesInUnregistered ? actor.session : places.rebuildOfCollector(number, collector.life);
  if (!isFenced(stage, { ...actor, session })) return;
  world.index |= collector.condemned & world.present;
  collector.step = STEP.stopTakingIn;
  took(`collector ${number} publishes an index run of the condemned containers that are there`);
}

/** It looks again then: what has been released is not to be found in the index any more. */
function stopTakingIn({ world, places, took }: Stage, { number, collector }: CollectorActor): void {
  world.sessions &= ~places.rebuildOfCollector(number, collector.life);
  collector.step = STEP.listNewImages;
  took(`collector ${number} is a rebuild no more`);
}

function publishRescue(stage: Stage, actor: CollectorActor): void {
  const { collector, number } = actor;
  const container = copySegments(stage, actor);
  if (container === undefined) collector.copied = 0;
  collector.step = container === undefined ? STEP.listNewImages : STEP.publishRescueRun;
  stage.took(
    container === undefined
      ? `collector ${number} finds a condemned container deleted by another, and looks again`
      : `collector ${number} rescues segments into container ${container}`,
  );
}

function publishRescueRun(stage: Stage, actor: CollectorActor): void {
  if (!isFenced(stage, actor)) return;
  stage.world.index |= actor.collector.container;
  actor.collector.container = 0;
  actor.collector.step = STEP.publishReleased;
  stage.took(`collector ${actor.number} publishes an index run of what it has rescued`);
}

/** From here on nobody who registers takes any of the containers into the index. */
function publishReleased({ world, took }: Stage, { number, collector }: CollectorActor): void {
  const records = world.generations[collector.generation - 1]!;
  if (records.files !== 0) records.files |= RELEASED;
  collector.step = STEP.checkRebuilds;
  took(`collector ${number} publishes released ${collector.generation}`);
}

function checkRebuilds(stage: Stage, actor: CollectorActor): void {
  const { world, places, rules, took } = stage;
  const { number, collector } = actor;
  const listed = rules.listsRebuildsBeforeReleasing ? collector.waits : places.rebuilds;
  collector.waits = rules.doesNotWaitForRebuilds ? 0 : listed & world.sessions;
  if (collector.waits !== 0) {
    endSessions(stage, actor);
    stopWaiting(stage, actor);
    return;
  }
  collector.step = STEP.cleanIndex;
  took(`collector ${number} sees that nobody makes the index anew`);
}

function cleanIndex(stage: Stage, actor: CollectorActor): void {
  const { world, rules, took } = stage;
  const { number, collector } = actor;
  const isNamed = (world.index & collector.condemned) !== 0;
  if (isNamed && !rules.doesNotClean && !isFenced(stage, actor)) return;
  if (!rules.doesNotClean) world.index &= ~collector.condemned;
  collector.listed = world.index & ~collector.condemned;
  collector.step = STEP.prove;
  took(`collector ${number} ${isNamed ? "writes the index without what is condemned" : "finds nothing condemned in the index"}`);
}

function prove(stage: Stage, actor: CollectorActor): void {
  const { collector } = actor;
  if ((collector.listed & ~stage.world.present) !== 0) {
    raiseAlarm(stage, actor, "a container of the index is missing");
    return;
  }
  collector.listed = 0;
  collector.step = STEP.deleteContainers;
  stage.took(`collector ${actor.number} proves that all containers of the index are there`);
}

/** One after another. Nobody asks in which order. */
function deleteContainers({ world, took }: Stage, { number, collector }: CollectorActor): void {
  const left = world.present & collector.condemned;
  const next = left & -left;
  world.present &= ~next;
  if (next === left) {
    collector.condemned = 0;
    collector.step = STEP.publishFinished;
  }
  took(
    next === 0 ? `collector ${number} has nothing to delete` : `collector ${number} deletes container ${31 - Math.clz32(next)}`,
  );
}

function publishFinished({ world, took }: Stage, { number, collector }: CollectorActor): void {
  world.generations[collector.generation - 1]!.files |= FINISHED;
  collector.step = STEP.clearRecords;
  took(`collector ${number} publishes finished ${collector.generation}`);
}

function clearRecords({ world, took }: Stage, { number, collector }: CollectorActor): void {
  for (let i = 0; i < collector.generation - 1; i++) Object.assign(world.generations[i]!, NO_RECORDS);
  goTo(collector, collector.own === 1 ? STEP.leave : STEP.readCollections);
  took(`collector ${number} removes older records`);
}

function leave({ world, took }: Stage, { number, collector, session }: CollectorActor): void {
  world.sessions &= ~session;
  endCollector(collector, DONE, collector.life);
  took(`collector ${number} leaves`);
}
