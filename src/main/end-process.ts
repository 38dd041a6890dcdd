// The end of a process that may have loaded koffi. In the handlers that run at a regular exit, koffi 3.3 syncs standard output and
// standard error; when that fails, as for a log file on a failing or full disk, it waits for a lock it holds itself, for ever. And
// whatever a worker thread is in the middle of would be torn down under it. A regular exit also waits for what the engine computes in
// threads of its own, such as the key of a passphrase, which takes seconds on a busy machine. So the process ends without any of that.

import { flushCompileCache } from "node:module";
import { loadKoffi, loadedKoffi } from "./native-modules.ts";
import type { Koffi } from "./native-modules.ts";

/** Everything must have been written and closed. `wasInterrupted`: work that was abandoned may still be going on. */
export function endProcess(status: number, wasInterrupted: boolean): never {
  const koffi = loadedKoffi() ?? (wasInterrupted ? koffiIfAny() : undefined);
  // Whoever measures the engine gets its files only at a regular exit.
  const isMeasured = process.execArgv.length > 0 || process.env["NODE_V8_COVERAGE"] !== undefined;
  if (koffi !== undefined && process.platform === "linux" && !isMeasured) {
    flushCompileCache();
    const exitNow = koffi.load(null).func("void _exit(int status)") as (status: number) => void;
    exitNow(status);
  }
  process.exit(status);
}

function koffiIfAny(): Koffi | undefined {
  try {
    return loadKoffi();
  } catch {
    // No build for this platform, or no handle left: a regular exit does it too.
    return undefined;
  }
}
