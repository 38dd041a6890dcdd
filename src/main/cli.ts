// The program: importing this module runs it (bin/holdfast.js does).

import { processWorld, runCommandLine } from "../cli/cli.ts";
import { systemClock } from "../platform/system-clock.ts";
import { systemRandom } from "../platform/system-random.ts";
import { keepMemorySmall } from "./memory.ts";
import { programVersion } from "./version.ts";

let usesLibrary = false;

const world = processWorld({
  version: programVersion(),
  library: () => {
    usesLibrary = true;
    keepMemorySmall();
    return import("./index.ts");
  },
  clock: systemClock,
  random: systemRandom,
});

async function run(): Promise<void> {
  // All output has been written when this resolves; work that was abandoned on Ctrl-C must not keep the process.
  const status = await runCommandLine(process.argv.slice(2), world);
  if (usesLibrary) (await import("./end-process.ts")).endProcess(status);
  process.exit(status);
}

void run();
