// The first half of a collector's work: mark, copy what lives, condemn.

import { CONDEMNED, FINISHED, WAITS } from "./world.ts";
import type { GenerationRecords } from "./world.ts";
import { chooseCondemned, chooseUnindexed } from "./choose-condemned.ts";
import { STEP, copySegments, goTo, isFenced, raiseAlarm } from "./collector-actor.ts";
import type { CollectorActor, CollectorStep } from "./collector-actor.ts";
import { highestGeneration, referencesOf } from "./scenario.ts";
import type { Stage } from "./scenario.ts";

export const NO_RECORDS: GenerationRecords = { files: 0, condemned: 0, images: 0, sessions: 0 };

export const MARKING_STEPS: readonly CollectorStep[] = [
  register,
  readCollections,
  openIndex,
  listContainers,
  listImages,
  publishCopy,
  publishCopyRun,
  publishCondemned,
  lookForHigher,
];

function register({ world, took }: Stage, { number, collector, session }: CollectorActor): void {
  world.sessions |= session;
  collector.step = STEP.readCollections;
  took(`collector ${number} registers`);
}

function readCollections({ world, took }: Stage, { number, collector }: CollectorActor): void {
  const highest = highestGeneration(world);
  const records = world.generations[highest - 1];
  if (records !== undefined && (records.files & FINISHED) === 0) {
    collector.generation = highest;
    collector.condemned = records.condemned;
    collector.step = STEP.readWaits;
    took(`collector ${number} finds generation ${highest} outstanding`);
    return;
  }
  const isLast = highest === world.generations.length;
  collector.generation = isLast ? 0 : highest + 1;
  collector.step = isLast ? STEP.leave : STEP.openIndex;
  took(`collector ${number} finds nothing outstanding`);
}

function openIndex({ world, rules, took }: Stage, { number, collector }: CollectorActor): void {
  collector.listed = world.index;
  collector.step = rules.marksBeforeListing ? STEP.listImages : STEP.listContainers;
  took(`collector ${number} opens the index`);
}

function listContainers(stage: Stage, actor: CollectorActor): void {
  const { world, rules, took } = stage;
  const { number, collector } = actor;
  if ((collector.listed & ~world.present) !== 0) {
    raiseAlarm(stage, actor, "a container of the index is missing");
    return;
  }
  collector.listed = world.present;
  collector.step = STEP.listImages;
  if (rules.marksBeforeListing) choose(stage, actor);
  took(`collector ${number} lists the containers`);
}

/** Reads their pages too: what happens to a record in between is as if it had happened before or after. */
function listImages(stage: Stage, actor: CollectorActor): void {
  const { world, rules, took } = stage;
  actor.collector.images = world.images;
  actor.collector.step = STEP.listContainers;
  if (!rules.marksBeforeListing) choose(stage, actor);
  took(`collector ${actor.number} lists and marks the images`);
}

function choose({ world, places, rules }: Stage, { number, role, collector }: CollectorActor): void {
  const live = referencesOf(world, collector.images);
  const choice = rules.condemnsUnknown
    ? chooseUnindexed(world, collector.listed, live)
    : chooseCondemned(world, collector.listed, live, role);
  if (
    choice === undefined ||
    choice.condemned === 0 ||
    (choice.copied !== 0 && places.freeContainer(world, number) === undefined)
  ) {
    goTo(collector, STEP.leave);
    return;
  }
  collector.condemned = choice.condemned;
  collector.copied = choice.copied;
  if (rules.listsSessionsBeforeCondemning) collector.waits = world.sessions;
  const adopts = !rules.condemnsUnknown && (collector.listed & ~world.index) !== 0;
  if (!adopts) collector.listed = 0;
  if (choice.copied !== 0) collector.step = STEP.publishCopy;
  else collector.step = adopts ? STEP.publishCopyRun : STEP.publishCondemned;
}

function publishCopy(stage: Stage, actor: CollectorActor): void {
  const container = copySegments(stage, actor);
  if (container === undefined) goTo(actor.collector, STEP.leave);
  else actor.collector.step = STEP.publishCopyRun;
  stage.took(
    container === undefined
      ? `collector ${actor.number} finds a container gone that it copies from`
      : `collector ${actor.number} publishes container ${container} with what lives in those it will condemn`,
  );
}

function publishCopyRun(stage: Stage, actor: CollectorActor): void {
  if (!isFenced(stage, actor)) return;
  const { number, collector } = actor;
  stage.world.index |= collector.container | collector.listed;
  collector.listed = 0;
  collector.container = 0;
  collector.step = STEP.publishCondemned;
  stage.took(`collector ${number} publishes an index run of copied and adopted containers`);
}

function publishCondemned({ world, rules, took }: Stage, { number, collector, session }: CollectorActor): void {
  if (rules.marksWhatOthersCondemn) {
    collector.generation = Math.min(highestGeneration(world) + 1, world.generations.length);
  }
  const { generation } = collector;
  const records = world.generations[generation - 1]!;
  if (records.files !== 0 && !rules.condemnsNotExclusively) {
    goTo(collector, STEP.readCollections);
    took(`collector ${number} finds generation ${generation} taken`);
    return;
  }
  records.files |= CONDEMNED;
  records.condemned = collector.condemned;
  records.images = rules.recordsMoreThanMarked ? world.images : collector.images;
  if (rules.listsSessionsBeforeCondemning) {
    records.files |= WAITS;
    records.sessions = collector.waits & ~session;
    collector.waits = 0;
  }
  collector.images = 0;
  collector.own = 1;
  collector.step = STEP.lookForHigher;
  took(`collector ${number} publishes condemned ${generation}`);
}

function lookForHigher({ world, took }: Stage, { number, collector }: CollectorActor): void {
  const isHighest = highestGeneration(world) === collector.generation;
  if (isHighest) {
    collector.step = STEP.readWaits;
  } else {
    Object.assign(world.generations[collector.generation - 1]!, NO_RECORDS);
    goTo(collector, STEP.readCollections);
  }
  took(`collector ${number} ${isHighest ? "finds no higher generation" : "withdraws: there is a higher generation"}`);
}
