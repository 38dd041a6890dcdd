// Reads many containers whole in the verifying threads: what a verification of data and a repair begin with.

import { HoldfastError } from "../base/errors.ts";
import { decodeContainerReport, encodeContainerTask } from "./container-report.ts";
import type { ContainerDamage, ContainerPlace, ContainerReport } from "./container-report.ts";
import type { RestoreThread } from "./parts.ts";
import { TaskPool } from "./task-pool.ts";

/** Containers on their way for each thread: the next one is known when one is done. */
const TASKS_PER_THREAD = 2;

/** Each thread has a ContainerVerifier behind it. Throws INTERRUPTED, and what a thread itself failed with. */
export async function readContainers(
  threads: readonly RestoreThread[],
  places: readonly ContainerPlace[],
  onReport: (place: ContainerPlace, report: ContainerReport) => void,
  signal?: AbortSignal,
): Promise<void> {
  if (places.length === 0) return;
  const pool = new TaskPool(threads);
  try {
    for (const place of places) {
      pool.addOne({
        bytes: encodeContainerTask(place),
        done: (packed) => onReport(place, decodeContainerReport(packed)),
      });
      await settle(pool, threads.length * TASKS_PER_THREAD, signal);
    }
    await settle(pool, 0, signal);
  } finally {
    await pool.cancel();
  }
}

async function settle(pool: TaskPool, count: number, signal: AbortSignal | undefined): Promise<void> {
  while (pool.pending > count) {
    if (signal?.aborted === true) throw verificationInterrupted();
    await pool.progress();
  }
  pool.check();
}

export function resultOf({ damages }: ContainerReport): "intact" | "damaged" | "missing" {
  if (damages.length === 0) return "intact";
  return damages[0]?.code === "SEGMENT_MISSING" ? "missing" : "damaged";
}

export function describeDamage({ problem, blockOffset, segments }: ContainerDamage): string {
  if (blockOffset === undefined) return problem;
  return `the block at byte ${blockOffset}: ${problem} (${segments} segment${segments === 1 ? "" : "s"} affected)`;
}

export function verificationInterrupted(): HoldfastError {
  return new HoldfastError("INTERRUPTED", {
    message: "The verification was interrupted",
    retry: "now",
    hint: "What was verified so far is remembered; the next run goes on with the rest when it is given a share.",
  });
}
