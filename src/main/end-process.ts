// The end of a process that may have loaded koffi. In the handlers that run at a regular exit, koffi 3.3 syncs standard output and
// standard error; when that fails, as for a log file on a failing or full disk, it waits for a lock it holds itself, for ever. And
// whatever a worker thread is in the middle of would be torn down under it. So the process ends without any of that.

import { flushCompileCache } from "node:module";
import { loadedKoffi } from "./native-modules.ts";

/** Everything must have been written and closed. */
export function endProcess(status: number): never {
  const koffi = loadedKoffi();
  // Whoever measures the engine gets its files only at a regular exit.
  const isMeasured = process.execArgv.length > 0 || process.env["NODE_V8_COVERAGE"] !== undefined;
  if (koffi !== undefined && process.platform === "linux" && !isMeasured) {
    flushCompileCache();
    const exitNow = koffi.load(null).func("void _exit(int status)") as (status: number) => void;
    exitNow(status);
  }
  process.exit(status);
}
