// The command line as a real process with a made-up repository, for tests of what only a process can show: a terminal,
// signals, pipes. Its backup takes as long as nobody stops it; `dump` writes without end.

import type { Clock, EpochMs } from "../../platform/clock.ts";
import { HoldfastError } from "../../base/errors.ts";
import { processWorld, runCommandLine } from "../cli.ts";
import { entry, fakeLibrary } from "./fake-repository.ts";

const startedMs = process.uptime() * 1000;
const clock: Clock = { now: () => 0 as EpochMs, elapsedMs: () => process.uptime() * 1000 - startedMs };

const library = fakeLibrary({
  backup: async ({ signal, onProgress, paths = [] }) => {
    let filesDone = 0;
    while (signal?.aborted !== true || paths[0] === "stubborn") {
      const progress = { filesDone: filesDone++, bytesDone: 0, filesExpected: undefined, bytesExpected: undefined };
      onProgress?.({ ...progress, currentPath: "/some/file" });
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new HoldfastError("INTERRUPTED", { message: "The backup was interrupted" });
  },
  async *entries() {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      yield entry("/some/file");
    }
  },
  async *dump() {
    for (;;) yield await Promise.resolve(Buffer.alloc(65_536, "x\n"));
  },
  inspect: () => {
    const [[, opened] = []] = library.calls;
    return Promise.resolve({ passphrase: (opened as { readonly passphrase: string }).passphrase });
  },
});

const world = processWorld({
  version: "1.2.3",
  library: () => Promise.resolve(library),
  service: () => Promise.reject(new Error("No server here")),
  clock,
  random: { bytes: (count) => new Uint8Array(count) },
});
// Not process.exit: a test would not notice what is left behind.
void runCommandLine(process.argv.slice(2), world).then((status) => (process.exitCode = status));
