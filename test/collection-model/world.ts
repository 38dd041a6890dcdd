// The state of the model: what lies in the repository, what each actor remembers, and what may still happen. Sets are
// bits of a number: bit i of `present` says that container i lies on the volume.
//
// A world is written to a row of 16-bit numbers and read back from it, so that states are compared and kept cheaply.
// Two worlds that no continuation can tell apart should have one row: what an actor does not need any more is zeroed.

export const SEGMENTS_LIMIT = 4;

/** The step of an actor that has ended, well or by its own decision. */
export const DONE = 255;
/** The step of an actor that was killed and is not started again. */
export const KILLED = 254;

export interface Writer {
  step: number;
  /** 1 between the check of the session and the rename that follows it. */
  ready: number;
  /** The containers that count as absent, and the images that may be bases, when `knows` is 1. */
  knows: number;
  condemned: number;
  knownImages: number;
  /** Containers the writer would name in a merged run. */
  view: number;
  /** Segments decided upon, referenced, and those of them that the writer stores itself. */
  decided: number;
  references: number;
  stored: number;
}

export interface Collector {
  step: number;
  ready: number;
  /** How often it was killed and started again. */
  life: number;
  /** 0 or the generation it works on; `own` is 1 when it condemned that generation itself. */
  generation: number;
  own: number;
  /** Containers listed, or named by the index when it was read last. */
  listed: number;
  images: number;
  condemned: number;
  /** Segments that go into a new container, and the container's number once it is published. */
  copied: number;
  container: number;
  waits: number;
  /** The session it is ending, as a bit. */
  ending: number;
}

/** What `<generation>-condemned`, `-waits`, `-released` and `-finished` say. */
export interface GenerationRecords {
  /** Bits CONDEMNED, WAITS, RELEASED, FINISHED: which of them are there. */
  files: number;
  condemned: number;
  images: number;
  sessions: number;
}

export const CONDEMNED = 1;
export const WAITS = 2;
export const RELEASED = 4;
export const FINISHED = 8;

export interface World {
  /** Containers on the volume; those the index names; the segments of each container. */
  present: number;
  index: number;
  readonly contents: number[];
  /** Image records that are there, and the segments that each references. */
  images: number;
  readonly references: number[];
  /** Session files; sessions with the mark of being ended; sessions with a temporary file that waits for its name. */
  sessions: number;
  ended: number;
  temporaries: number;
  /** Records of generation i + 1. */
  readonly generations: GenerationRecords[];
  readonly writers: Writer[];
  readonly collectors: Collector[];
  /** How often each may still happen. */
  forgets: number;
  kills: number;
  endings: number;
  /** 1 when a collector has found something missing. */
  alarm: number;
}

export interface WorldSize {
  readonly containers: number;
  readonly images: number;
  readonly generations: number;
  readonly writers: number;
  readonly collectors: number;
}

export function emptyWorld(size: WorldSize): World {
  const many = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);
  return {
    present: 0,
    index: 0,
    contents: many(size.containers, () => 0),
    images: 0,
    references: many(size.images, () => 0),
    sessions: 0,
    ended: 0,
    temporaries: 0,
    generations: many(size.generations, () => ({ files: 0, condemned: 0, images: 0, sessions: 0 })),
    writers: many(size.writers, () => ({ ...IDLE_WRITER })),
    collectors: many(size.collectors, () => ({ ...IDLE_COLLECTOR })),
    forgets: 0,
    kills: 0,
    endings: 0,
    alarm: 0,
  };
}

const IDLE_WRITER: Writer = {
  step: 0,
  ready: 0,
  knows: 0,
  condemned: 0,
  knownImages: 0,
  view: 0,
  decided: 0,
  references: 0,
  stored: 0,
};

const IDLE_COLLECTOR: Collector = {
  step: 0,
  ready: 0,
  life: 0,
  generation: 0,
  own: 0,
  listed: 0,
  images: 0,
  condemned: 0,
  copied: 0,
  container: 0,
  waits: 0,
  ending: 0,
};

/** Forgets everything but the step. */
export function endWriter(writer: Writer, step: number): void {
  Object.assign(writer, IDLE_WRITER);
  writer.step = step;
}

export function endCollector(collector: Collector, step: number, life: number): void {
  Object.assign(collector, IDLE_COLLECTOR);
  collector.step = step;
  collector.life = life;
}

/** 16-bit numbers in a row, a multiple of two. */
export function rowLength({ containers, images, generations, writers, collectors }: WorldSize): number {
  const nibbles = Math.ceil(containers / 4) + Math.ceil(images / 4);
  const used = 6 + nibbles + generations * 3 + writers * 5 + collectors * 8;
  return used + (used % 2);
}

export function writeRow(world: World, row: Uint16Array): void {
  let at = 0;
  row[at++] = world.present;
  row[at++] = world.index;
  row[at++] = world.sessions | (world.alarm << 15);
  row[at++] = world.ended;
  row[at++] = world.temporaries;
  row[at++] = world.images | (world.forgets << 10) | (world.kills << 12) | (world.endings << 14);
  at = writeNibbles(world.contents, row, at);
  at = writeNibbles(world.references, row, at);
  for (const { files, condemned, images, sessions } of world.generations) {
    row[at++] = condemned;
    row[at++] = images;
    row[at++] = sessions | (files << 12);
  }
  for (const writer of world.writers) {
    row[at++] = writer.step | (writer.ready << 8) | (writer.knows << 9) | (writer.decided << 12);
    row[at++] = writer.condemned;
    row[at++] = writer.knownImages;
    row[at++] = writer.view;
    row[at++] = writer.references | (writer.stored << 4);
  }
  for (const collector of world.collectors) {
    row[at++] =
      collector.step | (collector.ready << 8) | (collector.life << 9) | (collector.own << 11) | (collector.generation << 12);
    row[at++] = collector.listed;
    row[at++] = collector.images;
    row[at++] = collector.condemned;
    row[at++] = collector.copied;
    row[at++] = collector.container;
    row[at++] = collector.waits;
    row[at++] = collector.ending;
  }
  if (at < row.length) row[at] = 0;
}

export function readRow(row: Uint16Array, start: number, world: World): void {
  let at = start;
  world.present = row[at++]!;
  world.index = row[at++]!;
  const sessions = row[at++]!;
  world.sessions = sessions & 0x7fff;
  world.alarm = sessions >> 15;
  world.ended = row[at++]!;
  world.temporaries = row[at++]!;
  const images = row[at++]!;
  world.images = images & 0x3ff;
  world.forgets = (images >> 10) & 3;
  world.kills = (images >> 12) & 3;
  world.endings = images >> 14;
  at = readNibbles(world.contents, row, at);
  at = readNibbles(world.references, row, at);
  for (const records of world.generations) {
    records.condemned = row[at++]!;
    records.images = row[at++]!;
    const both = row[at++]!;
    records.sessions = both & 0xfff;
    records.files = both >> 12;
  }
  for (const writer of world.writers) {
    const both = row[at++]!;
    writer.step = both & 0xff;
    writer.ready = (both >> 8) & 1;
    writer.knows = (both >> 9) & 1;
    writer.decided = both >> 12;
    writer.condemned = row[at++]!;
    writer.knownImages = row[at++]!;
    writer.view = row[at++]!;
    const segments = row[at++]!;
    writer.references = segments & 15;
    writer.stored = segments >> 4;
  }
  for (const collector of world.collectors) {
    const both = row[at++]!;
    collector.step = both & 0xff;
    collector.ready = (both >> 8) & 1;
    collector.life = (both >> 9) & 3;
    collector.own = (both >> 11) & 1;
    collector.generation = both >> 12;
    collector.listed = row[at++]!;
    collector.images = row[at++]!;
    collector.condemned = row[at++]!;
    collector.copied = row[at++]!;
    collector.container = row[at++]!;
    collector.waits = row[at++]!;
    collector.ending = row[at++]!;
  }
}

/** Four numbers below 16 in one of 16 bits. */
function writeNibbles(values: readonly number[], row: Uint16Array, start: number): number {
  let at = start;
  for (let i = 0; i < values.length; i += 4) {
    row[at++] = values[i]! | ((values[i + 1] ?? 0) << 4) | ((values[i + 2] ?? 0) << 8) | ((values[i + 3] ?? 0) << 12);
  }
  return at;
}

function readNibbles(values: number[], row: Uint16Array, start: number): number {
  for (let i = 0; i < values.length; i++) values[i] = (row[start + (i >> 2)]! >> ((i & 3) * 4)) & 15;
  return start + Math.ceil(values.length / 4);
}
