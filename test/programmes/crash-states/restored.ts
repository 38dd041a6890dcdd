// Whether an image restores as what was backed up: line by line of its description.

import type { Repository } from "../../../src/api/api.ts";
import { HoldfastError } from "../../../src/base/errors.ts";
import { FileTreeError } from "../../../src/platform/file-tree.ts";
import { simulatedClock } from "../../../src/platform/simulated-clock.ts";
import { SimulatedFileTree } from "../../../src/platform/simulated-file-tree.ts";
import type { SimulatedFiles } from "../../../src/platform/simulated-files.ts";
import type { Model } from "./model.ts";
import { NOTHING_LEFT } from "./model.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { ProcessContext } from "./simulated-process.ts";
import { SOURCE, describeTree, sourceDescription } from "./source-versions.ts";

export interface Restored {
  readonly lines: ReadonlySet<string>;
  /** What the restore itself told, or threw: nothing when all is there. */
  readonly problem: string | undefined;
}

const TARGET = "/restored";

/** Errors without a type are thrown on. */
export async function restored(process: SimulatedProcess, repository: Repository, id: string): Promise<Restored> {
  const tree = new SimulatedFileTree(simulatedClock());
  process.tree = tree;
  try {
    const { problemCount, problems } = await repository.restore({ image: id, target: TARGET });
    return { lines: linesAt(tree, `${TARGET}${SOURCE}`), problem: problemCount > 0 ? JSON.stringify(problems) : undefined };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { lines: NOTHING_LEFT, problem: `${error.code}: ${error.message}` };
  }
}

/** By a process of its own, which remembers nothing. */
export async function restoredAfresh(
  files: SimulatedFiles,
  { passphrase, processes }: Model,
  id: string,
  context: ProcessContext,
): Promise<Restored> {
  const process = new SimulatedProcess({ files, processId: processes + 1, ...context });
  await using repository = await process.open(passphrase);
  return await restored(process, repository, id);
}

export function linesOf(version: number): ReadonlySet<string> {
  return new Set(sourceDescription(version).split("\n"));
}

function linesAt(tree: SimulatedFileTree, path: string): ReadonlySet<string> {
  try {
    return new Set(describeTree(tree, path).split("\n"));
  } catch (error) {
    // A restore that could not read the first page has made nothing.
    if (error instanceof FileTreeError && error.code === "ENOENT") return NOTHING_LEFT;
    throw error;
  }
}
