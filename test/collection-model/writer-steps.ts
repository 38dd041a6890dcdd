// A writer: backup, repair, rebuild-index. It registers, THEN reads the collections, THEN opens the index; condemned
// containers of an outstanding generation count as absent for it.
//
// What only the writer itself sees is no step of its own but part of the one before: no other actor can tell the difference.

import { CONDEMNED, DONE, FINISHED, KILLED, RELEASED, endWriter } from "./world.ts";
import type { Writer } from "./world.ts";
import { contentsOf, highestGeneration } from "./scenario.ts";
import type { Places, Rules, Stage, WriterRole } from "./scenario.ts";

interface Actor {
  readonly number: number;
  readonly role: WriterRole;
  readonly writer: Writer;
  readonly session: number;
}

type Step = (stage: Stage, actor: Actor) => void;

/** What a writer of this role does, in order. Steps that could do nothing are left out. */
function stepsOf(role: WriterRole, rules: Rules): readonly Step[] {
  if (role.rebuilds === true) return [register, readCollections, lookForOthers, listForRebuild, publishRebuilt, leave];
  const opening = role.merges === true || rules.opensIndexBeforeRegistering ? [openIndex] : [];
  const adopting = role.merges === true ? [listContainers, adopt] : [];
  const building = [...(role.takesBase === true ? [chooseBase] : []), decide, publishContainer, publishRun, publishImage, leave];
  if (rules.opensIndexBeforeRegistering) return [...opening, register, readCollections, ...adopting, ...building];
  const beginning = rules.readsCollectionsBeforeRegistering ? [readCollections, register] : [register, readCollections];
  return [...beginning, ...opening, ...adopting, ...building];
}

/**
 * For coarse writers these are one with the step after them. An image that is not followed by leaving at once, or a session that does not
 * read the collections at once, can only be waited for the longer; a container without its run is what others do in small steps.
 */
const FIRST_OF_TWO: ReadonlySet<Step> = new Set([register, publishContainer, publishImage]);

/** For every writer, a function that takes each step that is possible for it. */
export function writersOf({ scenario, sessionOfWriter }: Places, rules: Rules): readonly ((stage: Stage) => void)[] {
  return scenario.writers.map((role, number) => {
    const steps = stepsOf(role, rules);
    const session = sessionOfWriter(number);
    return (stage) => {
      const writer = stage.world.writers[number]!;
      if (writer.step === DONE || writer.step === KILLED) return;
      const actor = { number, role, writer, session };
      if (role.isCoarse === true && FIRST_OF_TWO.has(steps[writer.step]!))
        steps[writer.step]!({ ...stage, took: () => undefined }, actor);
      steps[writer.step]!(stage, actor);
      killWriter(stage, number, session);
    };
  });
}

/** Its session's file stays; temporary files of the dead are never renamed, so they need not be remembered. */
function killWriter({ world, happened }: Stage, number: number, session: number): void {
  const writer = world.writers[number]!;
  if (world.kills === 0 || (world.sessions & session) === 0) return;
  world.kills--;
  world.temporaries &= ~session;
  endWriter(writer, KILLED);
  happened(`writer ${number} is killed`);
}

function register({ world, took }: Stage, { number, writer, session }: Actor): void {
  world.sessions |= session;
  writer.step++;
  took(`writer ${number} registers`);
}

function readCollections({ world, rules, took }: Stage, { number, role, writer }: Actor): void {
  const generation = highestGeneration(world);
  const records = world.generations[generation - 1];
  const isOutstanding = records !== undefined && (records.files & FINISHED) === 0 && (records.files & CONDEMNED) !== 0;
  if (isOutstanding && !rules.ignoresOutstanding) {
    writer.knows = 1;
    writer.condemned = records.condemned;
    writer.knownImages = records.images;
  }
  // What is condemned and not released is part of the new index: images may lean on it.
  if (role.rebuilds === true) {
    writer.knownImages = 0;
    const isReleased = records !== undefined && (records.files & (RELEASED | FINISHED)) !== 0 && !rules.rebuildsReleased;
    writer.condemned = isReleased ? records.condemned : 0;
    writer.knows = isReleased && (records.files & FINISHED) === 0 ? 1 : 0;
  }
  writer.step++;
  took(`writer ${number} reads the collections: ${isOutstanding ? `${generation} is outstanding` : "none is outstanding"}`);
}

function openIndex({ world, rules, took }: Stage, { number, writer }: Actor): void {
  writer.view = world.index & ~writer.condemned;
  writer.step++;
  took(`writer ${number} opens the index${rules.opensIndexBeforeRegistering ? " (too early)" : ""}`);
}

/** Whoever removes is registered, and whoever comes now waits for this rebuild: alone, it may take in what is released as well. */
function lookForOthers({ world, places, rules, took }: Stage, { number, writer, session }: Actor): void {
  const others = world.sessions & ~session & ~places.rebuilds;
  const isAlone = others === 0 || rules.looksForNobody;
  if (writer.knows === 1 && isAlone) writer.condemned = 0;
  writer.knows = 0;
  writer.step++;
  took(`writer ${number} ${isAlone ? "is alone" : "sees others at work"}`);
}

function listForRebuild({ world, took }: Stage, { number, writer }: Actor): void {
  writer.view = world.present & ~writer.condemned;
  writer.step++;
  took(`writer ${number} lists the containers for a new index`);
}

/** It takes the place of the runs that were there when it began; what came since stays. */
function publishRebuilt(stage: Stage, actor: Actor): void {
  const { world, took } = stage;
  const { number, writer } = actor;
  if (!isFenced(stage, actor, stage.rules.publishesIndexUnfenced)) return;
  takeName(stage, actor);
  world.index |= writer.view;
  afterRun(writer);
  took(`writer ${number} publishes an index made anew`);
}

/** Containers that the index does not know are taken into it. */
function listContainers({ world, took }: Stage, { number, writer }: Actor): void {
  const unknown = world.present & ~writer.view & ~writer.condemned;
  writer.view |= unknown;
  writer.step += unknown === 0 ? 2 : 1;
  took(`writer ${number} lists the containers`);
}

function adopt(stage: Stage, actor: Actor): void {
  const { world, took } = stage;
  const { number, writer } = actor;
  if (!isFenced(stage, actor, stage.rules.publishesIndexUnfenced)) return;
  takeName(stage, actor);
  world.index |= writer.view;
  writer.step++;
  took(`writer ${number} publishes an index run of what it has adopted`);
}

/** Only marked images while a generation is outstanding: others may reference what is in condemned containers alone. */
function chooseBase({ world, places, rules, took }: Stage, { number, role, writer }: Actor): void {
  for (let image = 0; role.takesBase === true && image < places.imageCount; image++) {
    if ((world.images & (1 << image)) === 0) continue;
    const isAllowed = writer.knows === 0 || (writer.knownImages & (1 << image)) !== 0 || rules.takesAnyBase;
    if (!isAllowed) continue;
    writer.references = world.references[image]!;
    writer.knownImages = 0;
    writer.step++;
    took(`writer ${number} takes image ${image} as its base`);
  }
  writer.knownImages = 0;
  writer.step++;
  took(`writer ${number} takes no base`);
}

/** One segment after another, each asked of the index as it is at that moment: between two questions the writer may refresh it. */
function decide({ world, rules, took }: Stage, { number, role, writer }: Actor): void {
  const open = role.wants & ~writer.decided;
  const segment = open & -open;
  const index = rules.opensIndexBeforeRegistering ? writer.view : world.index & ~writer.condemned;
  const isStored = (contentsOf(world, index) & segment) !== 0;
  writer.references |= segment;
  if (!isStored) writer.stored |= segment;
  writer.decided |= segment;
  if (writer.decided === role.wants) {
    writer.decided = 0;
    writer.step += writer.stored === 0 ? 2 : 1;
    // Nothing to publish before the image.
    if (writer.stored === 0 && role.merges !== true) afterRun(writer);
  }
  took(`writer ${number} ${isStored ? "finds" : "stores"} segment ${31 - Math.clz32(segment)}`);
}

function publishContainer({ world, places, took }: Stage, { number, writer }: Actor): void {
  const container = places.containerOfWriter(number);
  world.contents[container] = writer.stored;
  world.present |= 1 << container;
  writer.step++;
  took(`writer ${number} publishes container ${container}`);
}

/** Either a run of its own container, or one merged with all that it has seen before, late perhaps, and without what it knows to be condemned. */
function publishRun(stage: Stage, actor: Actor): void {
  const { world, places, took } = stage;
  const { number, writer } = actor;
  const { condemned } = writer;
  const own = writer.stored === 0 ? 0 : 1 << places.containerOfWriter(number);
  const merged = own | (writer.view & ~condemned);
  const isMergeDifferent =
    (merged & ~world.index & ~own) !== 0 || (actor.role.merges === true && (world.index & condemned) !== 0);
  if (own === 0 && !isMergeDifferent) {
    afterRun(writer);
    took(`writer ${number} has no index run to publish`);
    return;
  }
  if (!isFenced(stage, actor, stage.rules.publishesIndexUnfenced)) return;
  if (own !== 0) {
    takeName(stage, actor);
    world.index |= own;
    afterRun(writer);
    took(`writer ${number} publishes an index run`);
  }
  if (isMergeDifferent) {
    takeName(stage, actor);
    world.index = (world.index | merged) & ~condemned;
    afterRun(writer);
    took(`writer ${number} publishes a merged index run`);
  }
}

function afterRun(writer: Writer): void {
  writer.view = 0;
  writer.condemned = 0;
  writer.stored = 0;
  writer.knows = 0;
  writer.step++;
}

function publishImage(stage: Stage, actor: Actor): void {
  const { world, places, took } = stage;
  const { number, writer } = actor;
  if (!isFenced(stage, actor, stage.rules.publishesImageUnfenced)) return;
  takeName(stage, actor);
  const image = places.imageOfWriter(number);
  world.images |= 1 << image;
  world.references[image] = writer.references;
  writer.references = 0;
  writer.step++;
  took(`writer ${number} publishes image ${image}`);
}

function leave({ world, took }: Stage, { number, writer, session }: Actor): void {
  world.sessions &= ~session;
  endWriter(writer, DONE);
  took(`writer ${number} leaves`);
}

/**
 * Publishing something that has a meaning takes two steps where a writer can be ended while it lives: the temporary file is there and
 * the session is looked for; then the file gets its name, which fails when it is gone. True when it can get its name now.
 */
function isFenced({ world, took }: Stage, { number, role, writer, session }: Actor, isUnfenced: boolean): boolean {
  if (role.isElsewhere !== true) return true;
  if (writer.ready === 1 && (world.temporaries & session) !== 0) return true;
  const isRegistered = (world.sessions & session) !== 0 && (world.ended & session) === 0;
  if (writer.ready === 0 && (isRegistered || isUnfenced)) {
    writer.ready = 1;
    world.temporaries |= session;
    took(`writer ${number} writes a temporary file${isUnfenced ? "" : " and sees its session"}`);
    return false;
  }
  const missing = writer.ready === 0 ? "session" : "temporary file";
  world.sessions &= ~session;
  endWriter(writer, DONE);
  took(`writer ${number} finds its ${missing} gone and gives up`);
  return false;
}

function takeName({ world }: Stage, { writer, session }: Actor): void {
  writer.ready = 0;
  world.temporaries &= ~session;
}
