// The program: importing this module runs it (bin/holdfast.js does).

import { processWorld, runCommandLine } from "../cli/cli.ts";
import { systemClock } from "../platform/system-clock.ts";
import { systemRandom } from "../platform/system-random.ts";
import { keepMemorySmall } from "./memory.ts";
import { programVersion } from "./version.ts";

// Comes with the library: at the end there may be no handle left to load it with.
let endProcess = (status: number, _wasInterrupted: boolean): never => process.exit(status);

const world = processWorld({
  version: programVersion(),
  library: async () => {
    keepMemorySmall();
    ({ endProcess } = await import("./end-process.ts"));
    return import("./index.ts");
  },
  service: async () => (await import("./service.ts")).serviceLibrary(),
  clock: systemClock,
  random: systemRandom,
});

async function run(): Promise<void> {
  // All output has been written when this resolves; work that was abandoned on Ctrl-C must not keep the process.
  const status = await runCommandLine(process.argv.slice(2), world);
  endProcess(status, world.signal.aborted);
}

void run();
