// The concrete world: the only place that picks implementations.

import type { Services } from "../api/services.ts";
import type { WorkerServices } from "../api/worker.ts";
import { readProgramOutput, runShellCommand } from "../platform/commands.ts";
import { nodeFiles } from "../platform/node-files.ts";
import { nodeHost } from "../platform/node-host.ts";
import { openFileTree } from "../platform/open-file-tree.ts";
import { systemClock } from "../platform/system-clock.ts";
import { systemRandom } from "../platform/system-random.ts";
import { loadBlake3, loadKoffi } from "./native-modules.ts";
import { filesEverywhere } from "./object-stores.ts";
import { programVersion } from "./version.ts";
import { workerEntry } from "./worker-entry.ts";

/** What a worker thread needs. */
export function workerServices(): WorkerServices {
  return {
    files: filesEverywhere({ local: nodeFiles(), host: nodeHost(), random: systemRandom }),
    clock: systemClock,
    random: systemRandom,
    openFileTree: () => openFileTree(loadKoffi),
    loadBlake: loadBlake3,
  };
}

export function services(): Services {
  return {
    ...workerServices(),
    host: nodeHost(),
    workerEntry: workerEntry("job"),
    version: programVersion(),
    runCommand: runShellCommand,
    readCommand: readProgramOutput,
  };
}
