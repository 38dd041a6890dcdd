// Every run leaves a line in the catalog's history of jobs.

import { HoldfastError, messageOf } from "../base/errors.ts";
import type { JobOutcome } from "../catalog/catalog.ts";
import type { Opened } from "./opened.ts";

export type JobResult = Pick<JobOutcome, "image" | "detail"> & { readonly outcome: "done" | "partial" };

/**
 * Runs `work` as a job of this kind. The history is derived from nothing and needed by nothing: a catalog that cannot take
 * the line never fails the work it is about.
 */
export async function asJob<T>(
  opened: Opened,
  kind: string,
  work: () => Promise<T>,
  resultOf: (value: T) => JobResult,
): Promise<T> {
  await opened.refresh();
  const { clock, host } = opened.services;
  const catalog = await opened.catalog();
  const id = noted(() => catalog.startJob({ kind, startedAtMs: clock.now(), host: host.name, processId: host.processId }));
  const finish = (result: Omit<JobOutcome, "finishedAtMs">): void => {
    if (id !== undefined) noted(() => catalog.finishJob(id, { finishedAtMs: clock.now(), ...result }));
  };
  try {
    const value = await work();
    finish(resultOf(value));
    return value;
  } catch (error) {
    const code = error instanceof HoldfastError ? `${error.code}: ` : "";
    finish({ outcome: "failed", detail: `${code}${messageOf(error)}`.slice(0, DETAIL_LIMIT) });
    throw error;
  }
}

const DETAIL_LIMIT = 2_000;

function noted<T>(note: () => T): T | undefined {
  try {
    return note();
  } catch (error) {
    if (error instanceof HoldfastError) return undefined;
    throw error;
  }
}
