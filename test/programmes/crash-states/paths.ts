// What the names of the files of a repository tell.

import type { SimulatedFiles } from "../../../src/platform/simulated-files.ts";

export type PathsTest = (paths: readonly string[]) => boolean;

export const SESSION_DIGITS = 16;

export function pathsOf(files: SimulatedFiles): readonly string[] {
  return [...files.contents().keys()];
}

export function isSession(path: string): boolean {
  return /\/sessions\/[0-9a-f]{16}$/.test(path);
}

export function isCheckpoint(path: string): boolean {
  return /\/checkpoints\/[0-9a-f]{64}$/.test(path);
}

export function imageCount(paths: readonly string[]): number {
  return paths.filter((path) => /\/images\/[0-9a-f]{64}$/.test(path)).length;
}

/** Whether a collection has condemned something and not come to its end. */
export const isOutstanding: PathsTest = (paths) =>
  paths.some((path) => path.endsWith("-condemned") && !paths.includes(path.replace("-condemned", "-finished")));
