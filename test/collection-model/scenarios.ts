// The scenarios that are explored. Segments are bits: 0 lives in both images of the beginning or in one, 1 becomes dead when image 1 is
// forgotten, 2 is dead from the beginning, 3 is stored nowhere yet.

import type { CollectorRole, Mutation, Scenario, WriterRole } from "./scenario.ts";

const REPOSITORY = {
  containers: [0b0011, 0b0100],
  images: [0b0001, 0b0010],
  generations: 1,
  forgets: 1,
  kills: 0,
  endings: 0,
} as const;

const REUSES_DYING: WriterRole = { wants: 0b0010 };
const REUSES_AND_STORES: WriterRole = { wants: 0b1010 };
const MERGES: WriterRole = { wants: 0b0010, merges: true };
const REBUILDS: WriterRole = { wants: 0, rebuilds: true };
const BUILDS_ON_BASE: WriterRole = { wants: 0b1000, takesBase: true };
const COARSE_BASE: WriterRole = { ...BUILDS_ON_BASE, isCoarse: true };
const COARSE_DEAD: WriterRole = { wants: 0b0100, isCoarse: true };
const FAR: WriterRole = { ...REUSES_DYING, isElsewhere: true };
const FAR_BASE: WriterRole = { ...BUILDS_ON_BASE, isElsewhere: true };
const FAR_MERGES: WriterRole = { ...MERGES, isElsewhere: true };

const ALL: CollectorRole = { condemns: "all" };
const WORST: CollectorRole = { condemns: "worst", prefers: "newer" };
const RESTARTED: CollectorRole = { ...ALL, restarts: 1 };
const FAR_COLLECTOR: CollectorRole = { ...WORST, isElsewhere: true };

const ALONE: Scenario = { ...REPOSITORY, name: "a writer, a collector", writers: [REUSES_AND_STORES], collectors: [ALL] };
const ADOPTS: Scenario = { ...ALONE, name: "a writer that adopts, a collector", writers: [{ ...MERGES, wants: 0b1010 }] };
const BASE: Scenario = {
  ...REPOSITORY,
  name: "two writers, one of them with a base; a collector",
  writers: [REUSES_DYING, BUILDS_ON_BASE],
  collectors: [ALL],
  forgets: 2,
};
const LATE_MERGE: Scenario = {
  ...REPOSITORY,
  name: "two writers, one of them with a late merge; a collector",
  writers: [MERGES, { wants: 0b0100 }],
  collectors: [ALL],
};
const KNOWING_MERGE: Scenario = {
  ...REPOSITORY,
  name: "two writers, one of them with a merge without what is condemned; a collector",
  writers: [REUSES_DYING, { ...MERGES, wants: 0b1000 }],
  collectors: [ALL],
};
const ENDED: Scenario = {
  ...REPOSITORY,
  name: "a writer elsewhere that may be ended while it lives; a collector",
  writers: [FAR],
  collectors: [ALL],
  endings: 1,
};
const ENDED_MERGE: Scenario = {
  ...REPOSITORY,
  name: "two writers, one of them elsewhere with a late merge; a collector",
  writers: [FAR_MERGES, REUSES_DYING],
  collectors: [ALL],
  endings: 1,
};
const ENDED_BY_TWO: Scenario = { ...ENDED, name: "a writer elsewhere, two collectors", collectors: [ALL, WORST] };
const TWO_GENERATIONS: Scenario = {
  ...REPOSITORY,
  name: "a writer, two collectors, two generations",
  writers: [REUSES_DYING],
  collectors: [ALL, WORST],
  generations: 2,
};
const TAKEN_IN: Scenario = {
  ...REPOSITORY,
  name: "a writer with a merge without what is condemned, two collectors",
  writers: [{ ...MERGES, wants: 0b1000 }],
  collectors: [ALL, WORST],
};
const REBUILT: Scenario = {
  ...REPOSITORY,
  name: "a writer and a rebuild of the index; two collectors",
  writers: [REUSES_DYING, REBUILDS],
  collectors: [ALL, WORST],
};
const REBUILT_TWICE: Scenario = {
  ...REPOSITORY,
  name: "a rebuild of the index, two collectors, one of them killed; two generations",
  writers: [REBUILDS],
  collectors: [ALL, RESTARTED],
  generations: 2,
  kills: 1,
};
const REBUILT_ELSEWHERE: Scenario = {
  ...REPOSITORY,
  name: "a writer and a rebuild of the index elsewhere that may be ended; a collector",
  writers: [REUSES_DYING, { ...REBUILDS, isElsewhere: true }],
  collectors: [ALL],
  endings: 1,
};
const KILLED: Scenario = {
  ...REPOSITORY,
  name: "two writers and a collector, one killed, the collector started again",
  writers: [MERGES, { ...REUSES_AND_STORES, isCoarse: true }],
  collectors: [RESTARTED],
  kills: 1,
};

/** Small enough for every run of the tests, and explored whole. */
export const REDUCED: readonly Scenario[] = [
  ALONE,
  ADOPTS,
  BASE,
  LATE_MERGE,
  KNOWING_MERGE,
  ENDED,
  ENDED_MERGE,
  ENDED_BY_TWO,
  TWO_GENERATIONS,
  TAKEN_IN,
  REBUILT,
  REBUILT_TWICE,
  REBUILT_ELSEWHERE,
  KILLED,
];

/** Explored whole too, in minutes. */
export const FULL: readonly Scenario[] = [
  ...REDUCED,
  {
    ...REPOSITORY,
    name: "three writers (dying segment, base, dead segment), two collectors, four segments",
    writers: [{ ...REUSES_DYING, isCoarse: true }, COARSE_BASE, COARSE_DEAD],
    collectors: [ALL, WORST],
  },
  {
    ...REPOSITORY,
    name: "two writers, one of them with a late merge; two collectors",
    writers: [MERGES, COARSE_DEAD],
    collectors: [ALL, WORST],
  },
  {
    ...REPOSITORY,
    name: "three writers, one collector, one of them killed",
    writers: [MERGES, COARSE_BASE, COARSE_DEAD],
    collectors: [RESTARTED],
    kills: 1,
  },
  {
    ...REPOSITORY,
    name: "three writers, one of them elsewhere with a base and ended; one collector",
    writers: [MERGES, FAR_BASE, COARSE_DEAD],
    collectors: [ALL],
    endings: 1,
    forgets: 2,
  },
  {
    ...REPOSITORY,
    name: "two writers, two collectors, a kill and an ending",
    writers: [FAR, { ...REUSES_AND_STORES, isCoarse: true }],
    collectors: [RESTARTED, WORST],
    kills: 1,
    endings: 1,
  },
  {
    ...REPOSITORY,
    name: "a writer, two collectors, one of them elsewhere and ended; two generations",
    writers: [REUSES_DYING],
    collectors: [ALL, FAR_COLLECTOR],
    generations: 2,
    endings: 1,
  },
];

/** For each way to break the protocol a scenario that shows what comes of it. */
export const COUNTEREXAMPLES: Readonly<Record<Mutation, Scenario | undefined>> = {
  opensIndexBeforeRegistering: ALONE,
  readsCollectionsBeforeRegistering: ADOPTS,
  ignoresOutstanding: ADOPTS,
  takesAnyBase: BASE,
  publishesImageUnfenced: ENDED,
  publishesIndexUnfenced: ENDED_MERGE,
  recordsMoreThanMarked: ALONE,
  marksWhatOthersCondemn: TWO_GENERATIONS,
  condemnsNotExclusively: TWO_GENERATIONS,
  listsSessionsBeforeCondemning: ALONE,
  doesNotWait: ALONE,
  listsNewImagesBeforeWaiting: ALONE,
  doesNotRescue: ALONE,
  takesInUnregistered: TAKEN_IN,
  doesNotClean: ALONE,
  leavesTemporaries: ENDED,
  endsBeforeClearing: ENDED_BY_TWO,
  coversByOldIndex: ALONE,
  waitsForItself: ALONE,
  doesNotWaitForRebuilds: REBUILT,
  listsRebuildsBeforeReleasing: REBUILT,
  rebuildsReleased: REBUILT,
  looksForNobody: REBUILT,
  releasesBeforeRescue: KNOWING_MERGE,
  marksBeforeListing: undefined,
  condemnsUnknown: undefined,
};
