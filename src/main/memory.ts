// Keeps the process small. By default V8 lets the heap of each thread grow as long as there is memory in the machine; a
// program that runs beside others, and holds almost nothing for long, is better served by a heap that is cleaned earlier.
// Measured over a first backup of a million files: some 100 MB less resident, for about 6 % more processor time.

import { setFlagsFromString } from "node:v8";

/** Before anything large is loaded; worker threads that are started later take it over. */
export function keepMemorySmall(): void {
  setFlagsFromString("--optimize-for-size");
  // Of this thread's young generation, which has its largest size already fixed; those of threads to come are.
  setFlagsFromString("--semi-space-growth-factor=1");
  setFlagsFromString("--max-semi-space-size=2");
}
