// Writes the index anew without certain containers, run by run: those that name none of them stay as they are.

import { HoldfastError } from "../../base/errors.ts";
import { openLiveRuns } from "./live-runs.ts";
import { mergeRuns } from "./merge-runs.ts";
import { excludedIn } from "./merged-sections.ts";
import type { ContainerSet } from "./merged-sections.ts";
import type { WritableIndexLocation } from "./run-directory.ts";

export interface DropContainersOptions extends WritableIndexLocation {
  readonly containers: ContainerSet;
  readonly signal?: AbortSignal;
}

/** Other processes may merge meanwhile; each time one was faster we look again. */
const ATTEMPTS = 100;

/** When it resolves, no run of the index names any of the containers. Resolves with the number of runs written. */
export async function dropContainers(options: DropContainersOptions): Promise<number> {
  const { containers, ...location } = options;
  let written = 0;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { readers } = openLiveRuns(options);
    const naming = readers.filter((reader) => excludedIn(reader, containers) !== undefined).map(({ name }) => name);
    for (const reader of readers) reader.close();
    if (naming.length === 0) return written;
    for (const name of naming) {
      const outcome = await mergeRuns({ ...location, runs: [name], exclude: containers });
      if (outcome.kind === "merged") written++;
    }
  }
  throw new HoldfastError("REPOSITORY_WRITE_FAILED", {
    message: `Cannot take ${containers.size} containers out of the index: other processes write to it without pause`,
    retry: "later",
  });
}
