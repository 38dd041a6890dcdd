// Every run leaves a line in the catalog's history of jobs.

import { HoldfastError, messageOf } from "../base/errors.ts";
import type { ImageId } from "../model/image.ts";
import type { Opened } from "./opened.ts";

export interface JobResult {
  readonly outcome: "done" | "partial";
  readonly image?: ImageId;
  readonly detail: string;
}

/** Runs `work` as a job of this kind. The history is no reason to fail: what cannot be noted is not noted. */
export async function asJob<T>(opened: Opened, kind: string, work: () => Promise<T>, resultOf: (value: T) => JobResult): Promise<T> {
  const { clock, host } = opened.services;
  const catalog = await opened.catalog();
  const id = catalog.startJob({ kind, startedAtMs: clock.now(), host: host.name, processId: host.processId });
  try {
    const value = await work();
    catalog.finishJob(id, { finishedAtMs: clock.now(), ...resultOf(value) });
    return value;
  } catch (error) {
    const code = error instanceof HoldfastError ? `${error.code}: ` : "";
    catalog.finishJob(id, { finishedAtMs: clock.now(), outcome: "failed", detail: `${code}${messageOf(error)}`.slice(0, 2000) });
    throw error;
  }
}
