// The collection protocol (docs/design/collection.md) as a model that can be explored whole: writers, collectors, a person who
// forgets images and ends sessions, and whatever kills processes.

import { DONE, KILLED, emptyWorld, endCollector, readRow, rowLength, writeRow } from "./world.ts";
import type { World } from "./world.ts";
import { STEP } from "./collector-actor.ts";
import { FINISHING_STEPS, ownerOf } from "./collector-finishing.ts";
import { MARKING_STEPS } from "./collector-marking.ts";
import type { Model, StepKind } from "./explore.ts";
import { Places, contentsOf, referencesOf } from "./scenario.ts";
import type { Rules, Scenario, Stage } from "./scenario.ts";
import { writersOf } from "./writer-steps.ts";

const COLLECTOR_STEPS = [...MARKING_STEPS, ...FINISHING_STEPS];

export function collectionModel(scenario: Scenario, rules: Rules): Model {
  const places = new Places(scenario);
  const size = {
    containers: places.containerCount,
    images: places.imageCount,
    generations: scenario.generations,
    writers: scenario.writers.length,
    collectors: scenario.collectors.length,
  };
  const world = emptyWorld(size);
  const writers = writersOf(places, rules);
  let current: {
    rows: Uint16Array;
    start: number;
    next: Uint16Array;
    emit: (label: string, kind: StepKind) => void;
    steps: number;
  };
  const leaveTo = (label: string, kind: StepKind): void => {
    writeRow(world, current.next);
    current.emit(label, kind);
    readRow(current.rows, current.start, world);
    if (kind === "step") current.steps++;
  };
  const stage: Stage = {
    world,
    places,
    rules,
    took: (label) => leaveTo(label, "step"),
    happened: (label) => leaveTo(label, "event"),
  };
  return {
    rowLength: rowLength(size),
    writeInitial(row) {
      prepare(world, scenario);
      writeRow(world, row);
    },
    expand(rows, start, next, emit) {
      current = { rows, start, next, emit, steps: 0 };
      readRow(rows, start, world);
      if (isSettled(world)) return;
      for (const [number, stepsOfWriter] of writers.entries()) {
        const before = current.steps;
        const { step } = world.writers[number]!;
        stepsOfWriter(stage);
        if (current.steps === before && step !== DONE && step !== KILLED)
          throw new Error(`Writer ${number} is blocked at step ${step}`);
      }
      for (let collector = 0; collector < size.collectors; collector++) collectorSteps(stage, collector);
      forget(stage);
    },
    violation(rows, start) {
      readRow(rows, start, world);
      if ((referencesOf(world, world.images) & ~contentsOf(world, world.present)) !== 0) {
        return "an image references a segment that no container holds";
      }
      if ((world.index & ~world.present) !== 0) return "the index names a container that is gone";
      return world.alarm === 1 ? "a collector stops although nothing is lost" : undefined;
    },
    isAtRest(rows, start) {
      readRow(rows, start, world);
      return isAtRest(world, places);
    },
  };
}

function prepare(world: World, { containers, images, forgets, kills, endings }: Scenario): void {
  containers.forEach((segments, container) => {
    world.contents[container] = segments;
    world.present |= 1 << container;
    world.index |= 1 << container;
  });
  images.forEach((segments, image) => {
    world.references[image] = segments;
    world.images |= 1 << image;
  });
  world.forgets = forgets;
  world.kills = kills;
  world.endings = endings;
}

function collectorSteps(stage: Stage, number: number): void {
  const { world, places, happened } = stage;
  const collector = world.collectors[number]!;
  if (collector.step === DONE || collector.step === KILLED) return;
  const role = places.scenario.collectors[number]!;
  const session = places.sessionOfCollector(number, collector.life);
  COLLECTOR_STEPS[collector.step]!(stage, { number, role, collector, session });
  if (world.kills === 0 || collector.step === STEP.register) return;
  const startsAgain = collector.life < (role.restarts ?? 0);
  world.kills--;
  world.temporaries &= ~session;
  endCollector(collector, startsAgain ? STEP.register : KILLED, collector.life + (startsAgain ? 1 : 0));
  happened(`collector ${number} is killed${startsAgain ? ", to be started again" : ""}`);
}

/** Its number is forgotten everywhere: it never comes back, and nobody asks for one that is not there. */
function forget({ world, happened }: Stage): void {
  if (world.forgets === 0) return;
  for (let image = 0; image < world.references.length; image++) {
    const bit = 1 << image;
    if ((world.images & bit) === 0) continue;
    world.images &= ~bit;
    for (const records of world.generations) records.images &= ~bit;
    for (const writer of world.writers) writer.knownImages &= ~bit;
    for (const collector of world.collectors) if (collector.step < STEP.readWaits) collector.images &= ~bit;
    world.forgets--;
    happened(`image ${image} is forgotten`);
  }
}

/**
 * Nothing can go wrong any more: nobody is left who deletes, and all containers that somebody could take for present are. Such states are
 * not followed further.
 */
function isSettled(world: World): boolean {
  if (!world.collectors.every(({ step }) => step === DONE || step === KILLED)) return false;
  return ((world.index | world.writers.reduce((all, { view }) => all | view, 0)) & ~world.present) === 0;
}

/** All have come to their end, but for collectors that wait for a session of which only a person can say that it is dead. */
function isAtRest(world: World, places: Places): boolean {
  if (isSettled(world)) return true;
  const writersRest = world.writers.every(({ step }) => step === DONE || step === KILLED);
  if (!writersRest) return false;
  return world.collectors.every(({ step, waits }) => {
    if (step === DONE || step === KILLED) return true;
    const awaited = step === STEP.check ? waits : step === STEP.checkRebuilds ? places.rebuilds : 0;
    return someoneElsewhereIsDead(world, places, awaited & world.sessions & ~world.ended);
  });
}

function someoneElsewhereIsDead(world: World, places: Places, sessions: number): boolean {
  for (let session = 1; session <= sessions; session <<= 1) {
    if ((sessions & session) === 0) continue;
    const owner = ownerOf(places, session);
    if (owner.isElsewhere && owner.isKilled(world)) return true;
  }
  return false;
}
