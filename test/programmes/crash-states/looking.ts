// Looks at the images that there are, each restored and compared in full with what was backed up, and at what else lies about.

import type { Repository } from "../../../src/api/api.ts";
import type { SimulatedFiles } from "../../../src/platform/simulated-files.ts";
import { damageOf, expectationsOf } from "./model.ts";
import type { Interruption } from "./model.ts";
import { linesOf, restored } from "./restored.ts";
import { ELSEWHERE, REPOSITORY } from "./simulated-process.ts";
import type { SimulatedProcess } from "./simulated-process.ts";
import { Violation, typed } from "./violation.ts";

export interface Looking {
  readonly process: SimulatedProcess;
  readonly repository: Repository;
  readonly files: SimulatedFiles;
  /** Restores nothing again from a repository that differs from an earlier one in temporary files alone. */
  readonly mayRemember: boolean;
}

export interface ImagesSeen {
  /** Image to version. */
  readonly images: ReadonlyMap<string, number>;
  /** Of those that lack something, as they may, what they have. */
  readonly incomplete: ReadonlyMap<string, ReadonlySet<string>>;
}

const seenBefore = new Map<string, ImagesSeen>();

export function lookAtImages(
  { process, repository, files, mayRemember }: Omit<Looking, "files"> & { readonly files: Pick<SimulatedFiles, "fingerprint"> },
  interruption: Interruption,
): Promise<ImagesSeen> {
  return typed("looking at the images", async () => {
    const images = await listedImages(repository, interruption);
    const key = [interruption.before, interruption.after].map(expectationsOf).join() + files.fingerprint(isPublished);
    const known = mayRemember ? seenBefore.get(`${[...images.keys()].join()} ${key}`) : undefined;
    if (known !== undefined) return known;
    const lacking = damageOf(interruption)?.lacking;
    const incomplete = new Map<string, ReadonlySet<string>>();
    for (const [id, version] of images) {
      const all = linesOf(version);
      const { lines, problem } = await restored(process, repository, id);
      const must = lacking?.get(id) ?? all;
      if (problem !== undefined && must === all) throw new Violation(`I2 image ${id} restores with problems: ${problem}`);
      requireLines(`image ${id} of version ${version}`, lines, { may: all, must });
      if (lines.size === all.size) continue;
      if (problem === undefined) throw new Violation(`I4 image ${id} lacks something and its restore does not say so`);
      incomplete.set(id, lines);
    }
    const seen = { images, incomplete };
    seenBefore.set(`${[...images.keys()].join()} ${key}`, seen);
    return seen;
  });
}

/** Those that are listed are those that must be there and those that may. */
async function listedImages(repository: Repository, { before, after }: Interruption): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const { id } of await repository.images()) {
    const version = before.images.get(id) ?? after.images.get(id);
    if (version === undefined) throw new Violation(`I2 image ${id} was never made`);
    found.set(id, version);
  }
  for (const [id, version] of before.images) {
    if (after.images.has(id) && !found.has(id)) throw new Violation(`I1 image ${id} of version ${version} is gone`);
  }
  return found;
}

function requireLines(
  what: string,
  found: ReadonlySet<string>,
  { may, must }: { readonly may: ReadonlySet<string>; readonly must: ReadonlySet<string> },
): void {
  const wrong = [...found.difference(may)];
  const gone = [...must.difference(found)];
  if (wrong.length + gone.length === 0) return;
  throw new Violation(`I3 ${what} has\n${wrong.join("\n")}\nand has not\n${gone.join("\n")}`);
}

/** Whether reading an image may touch it: all of the repository but what others are just writing. */
function isPublished(path: string): boolean {
  return path.startsWith(`${REPOSITORY}/`) && !path.includes("/.tmp-") && !path.startsWith(`${REPOSITORY}/sessions/`);
}

/** What belongs to a writer of another machine stays. */
export function requireNothingLeft(files: SimulatedFiles, writerElsewhere: string | undefined): void {
  const isOfOther = (path: string): boolean =>
    path.includes(ELSEWHERE) || (writerElsewhere !== undefined && path.includes(writerElsewhere));
  const left = [...files.contents().keys()].filter((path) => /\/\.tmp-|\/sessions\//.test(path) && !isOfOther(path));
  if (left.length > 0) throw new Violation(`I7 left behind: ${left.join(" ")}`);
}
