// The program: importing this module runs it (bin/holdfast.js does).

import { processWorld, runCommandLine } from "../cli/cli.ts";
import { systemClock } from "../platform/system-clock.ts";
import { systemRandom } from "../platform/system-random.ts";
import { keepMemorySmall } from "./memory.ts";
import { programVersion } from "./version.ts";

const world = processWorld({
  version: programVersion(),
  library: () => {
    keepMemorySmall();
    return import("./index.ts");
  },
  clock: systemClock,
  random: systemRandom,
});

async function run(): Promise<void> {
  // All output has been written when this resolves; work that was abandoned on Ctrl-C must not keep the process.
  process.exit(await runCommandLine(process.argv.slice(2), world));
}

void run();
