// What is in a repository at the beginning, who works on it, and how the protocol is broken on purpose, if it is.

import type { World } from "./world.ts";

export interface Scenario {
  readonly name: string;
  /** Segments of each container that is there at the beginning; all are in the index. */
  readonly containers: readonly number[];
  /** Segments that each image references that is there at the beginning. */
  readonly images: readonly number[];
  readonly writers: readonly WriterRole[];
  readonly collectors: readonly CollectorRole[];
  /** Generations after this one are not begun. */
  readonly generations: number;
  /** How many images are forgotten at most, at any moment; how many actors are killed; how many sessions ended by `--assume-dead`. */
  readonly forgets: number;
  readonly kills: number;
  readonly endings: number;
}

export interface WriterRole {
  /** The segments it reads from its source. */
  readonly wants: number;
  /** May take everything an image references over, without asking the index. */
  readonly takesBase?: boolean;
  /** Adopts containers that the index does not know, and may publish a late run merged from what it has seen. */
  readonly merges?: boolean;
  /** Makes the index anew from the containers, what is condemned but not released among them, and publishes nothing else. */
  readonly rebuilds?: boolean;
  /** On another machine: nobody can tell whether it lives, and it may be ended although it does. */
  readonly isElsewhere?: boolean;
  /** Takes fewer, larger steps. */
  readonly isCoarse?: boolean;
}

export interface CollectorRole {
  /** `all`: every container with something superfluous in it; `worst`: the dead ones, or else a single one. */
  readonly condemns: "all" | "worst";
  /** Which of two copies of a segment counts as the live one; the older if nothing is said. */
  readonly prefers?: "newer";
  readonly isElsewhere?: boolean;
  /** How often it is started again after having been killed. */
  readonly restarts?: number;
}

/** Each breaks one rule of the protocol. The checker must find what comes of it. */
export const MUTATIONS = {
  opensIndexBeforeRegistering: "a writer opens the index before it registers",
  readsCollectionsBeforeRegistering: "a writer reads the collections before it registers",
  ignoresOutstanding: "a writer uses condemned containers of an outstanding generation",
  takesAnyBase: "a writer takes a base image over that was not marked",
  publishesImageUnfenced: "a writer publishes its image without looking for its session",
  publishesIndexUnfenced: "a writer publishes an index run without looking for its session",
  recordsMoreThanMarked: "images that came after the marking are recorded as marked",
  marksWhatOthersCondemn: "the generation's number is chosen when it is published",
  condemnsNotExclusively: "condemned is published over another's",
  listsSessionsBeforeCondemning: "the sessions to wait for are listed before condemned is published",
  doesNotWait: "containers are deleted without waiting for sessions",
  listsNewImagesBeforeWaiting: "new images are listed before the sessions have ended",
  doesNotRescue: "what new images need is not rescued",
  takesInUnregistered: "condemned containers are taken into the index again by a collector that is not registered for that",
  doesNotClean: "the index is not written without what is condemned",
  leavesTemporaries: "ending a session leaves its temporary files",
  endsBeforeClearing: "a session that is being ended disappears before its temporary files",
  coversByOldIndex: "new images are compared with the index as it was before they were listed",
  waitsForItself: "a collector waits for its own session",
  doesNotWaitForRebuilds: "containers are deleted without waiting for rebuilds of the index",
  listsRebuildsBeforeReleasing: "the rebuilds to wait for are listed before released is published",
  rebuildsReleased: "a rebuild takes in what is released",
  looksForNobody: "a rebuild takes in what is released although others are at work",
  releasesBeforeRescue: "released is published before what new images need is rescued",
} as const;

/** Changes that do no harm: the protocol does not rest on them. */
export const VARIATIONS = {
  marksBeforeListing: "images are listed before containers",
  condemnsUnknown:
    "only dead containers are condemned, and those that the index does not know as they are, without being taken in",
} as const;

export type Mutation = keyof typeof MUTATIONS | keyof typeof VARIATIONS;

export type Rules = Readonly<Record<Mutation, boolean>>;

export function rulesWith(...broken: readonly Mutation[]): Rules {
  const names = [...Object.keys(MUTATIONS), ...Object.keys(VARIATIONS)] as Mutation[];
  return Object.fromEntries(names.map((name) => [name, broken.includes(name)])) as unknown as Rules;
}

/** How often a collector can copy segments into a new container; whoever has used that up goes home. */
export const COPIES_PER_COLLECTOR = 2;
/** A collector registers a new session every time it is started. */
export const LIVES = 2;

/** Where things of a scenario have their bits. */
export class Places {
  readonly scenario: Scenario;
  readonly containerCount: number;
  readonly imageCount: number;

  constructor(scenario: Scenario) {
    this.scenario = scenario;
    const { containers, images, writers, collectors } = scenario;
    this.containerCount = containers.length + writers.length + collectors.length * COPIES_PER_COLLECTOR;
    this.imageCount = images.length + writers.length;
  }

  readonly sessionOfWriter = (writer: number): number => 1 << writer;

  sessionOfCollector(collector: number, life: number): number {
    return 1 << (this.scenario.writers.length + collector * LIVES + life);
  }

  /** In which it takes condemned containers into the index again. */
  rebuildOfCollector(collector: number, life: number): number {
    return this.sessionOfCollector(this.scenario.collectors.length + collector, life);
  }

  /** The sessions of all who may take condemned containers into the index. */
  get rebuilds(): number {
    const { writers, collectors } = this.scenario;
    let sessions = 0;
    for (const [number, { rebuilds }] of writers.entries()) if (rebuilds === true) sessions |= this.sessionOfWriter(number);
    for (const number of collectors.keys()) {
      for (let life = 0; life < LIVES; life++) sessions |= this.rebuildOfCollector(number, life);
    }
    return sessions;
  }

  containerOfWriter(writer: number): number {
    return this.scenario.containers.length + writer;
  }

  /** A number that no container had so far; undefined when they are used up. */
  freeContainer(world: World, collector: number): number | undefined {
    const { containers, writers } = this.scenario;
    const first = containers.length + writers.length + collector * COPIES_PER_COLLECTOR;
    for (let i = first; i < first + COPIES_PER_COLLECTOR; i++) if (world.contents[i] === 0) return i;
    return undefined;
  }

  imageOfWriter(writer: number): number {
    return this.scenario.images.length + writer;
  }
}

/** The segments that these containers hold together. */
export function contentsOf(world: World, containers: number): number {
  return unionOf(world.contents, containers);
}

/** The segments that these images reference. */
export function referencesOf(world: World, images: number): number {
  return unionOf(world.references, images);
}

function unionOf(values: readonly number[], chosen: number): number {
  let union = 0;
  for (let i = 0, rest = chosen; rest !== 0; i++, rest >>= 1) if ((rest & 1) !== 0) union |= values[i]!;
  return union;
}

/** What an actor takes its steps on: change `world`, then say what was done; `world` is as before then, for the next possibility. */
export interface Stage {
  readonly world: World;
  readonly places: Places;
  readonly rules: Rules;
  took(label: string): void;
  happened(label: string): void;
}

/** 0 when no generation was ever condemned. */
export function highestGeneration(world: World): number {
  for (let i = world.generations.length; i > 0; i--) if (world.generations[i - 1]!.files !== 0) return i;
  return 0;
}
