// What is compared, and the floors Holdfast holds itself to.

import type { DatasetName } from "./datasets.ts";

export type MeasureName = "wall" | "cpu" | "memory" | "repository" | "added";

/** At most `ratio` times the better peer's median, or at most `value` (seconds or bytes) whatever the peers need. */
export type Floor =
  | { readonly measure: MeasureName; readonly ratio: number }
  | { readonly measure: MeasureName; readonly value: number };

export type CaseKind = "first" | "restore" | "verify" | "unchanged" | "next" | "version" | "list" | "prune";

export interface Case {
  readonly id: string;
  readonly title: string;
  readonly kind: CaseKind;
  readonly dataset: DatasetName;
  /** What the table shows; everything is in the result file. */
  readonly shown: readonly MeasureName[];
  readonly floors: readonly Floor[];
}

const MIB = 1 << 20;

// In this order a case finds the repository that it needs already filled by the one before. That holds for any selection too:
// what is missing is prepared outside the timing.
export const CASES: readonly Case[] = [
  {
    id: "first-kernel",
    title: "first backup, kernel tree",
    kind: "first",
    dataset: "kernel",
    shown: ["wall", "cpu", "memory", "repository"],
    floors: [
      { measure: "wall", ratio: 0.45 },
      { measure: "repository", ratio: 0.85 },
      { measure: "memory", value: 350 * MIB },
    ],
  },
  {
    id: "restore-kernel",
    title: "full restore, kernel tree",
    kind: "restore",
    dataset: "kernel",
    shown: ["wall", "cpu", "memory"],
    floors: [{ measure: "wall", ratio: 0.6 }],
  },
  {
    id: "verify-kernel",
    title: "verify, reading all data",
    kind: "verify",
    dataset: "kernel",
    shown: ["wall", "cpu", "memory"],
    floors: [{ measure: "wall", ratio: 1 }],
  },
  {
    id: "unchanged-kernel",
    title: "backup with nothing changed, kernel tree",
    kind: "unchanged",
    dataset: "kernel",
    shown: ["wall", "cpu", "memory"],
    floors: [{ measure: "wall", ratio: 0.35 }],
  },
  {
    id: "next-kernel",
    title: "backup of the next kernel version over the first",
    kind: "next",
    dataset: "kernel",
    shown: ["wall", "cpu", "memory", "added"],
    floors: [
      { measure: "wall", ratio: 0.45 },
      { measure: "added", ratio: 0.85 },
    ],
  },
  {
    id: "first-large",
    title: "first backup, 4 GiB in large files",
    kind: "first",
    dataset: "large",
    shown: ["wall", "cpu", "memory", "repository"],
    floors: [{ measure: "wall", ratio: 0.7 }],
  },
  {
    id: "first-million",
    title: "first backup, 1,000,000 files",
    kind: "first",
    dataset: "million",
    shown: ["wall", "cpu", "memory", "repository"],
    floors: [{ measure: "memory", value: 350 * MIB }],
  },
  {
    id: "unchanged-million",
    title: "backup with nothing changed, 1,000,000 files",
    kind: "unchanged",
    dataset: "million",
    shown: ["wall", "cpu", "memory"],
    floors: [
      { measure: "wall", ratio: 0.35 },
      { measure: "memory", value: 250 * MIB },
    ],
  },
  {
    id: "version",
    title: "start-up: print the version",
    kind: "version",
    dataset: "kernel",
    shown: ["wall"],
    floors: [{ measure: "wall", value: 0.15 }],
  },
  {
    id: "list",
    title: "list the backups of a small repository",
    kind: "list",
    dataset: "kernel",
    shown: ["wall"],
    floors: [{ measure: "wall", value: 0.3 }],
  },
  {
    id: "prune-kernel",
    title: "prune after forgetting the oldest of 10 images, kernel tree",
    kind: "prune",
    dataset: "kernel",
    shown: ["wall", "cpu", "memory", "repository"],
    floors: [{ measure: "wall", ratio: 0.5 }],
  },
];
