// The thread of an actor: does what it is told for each seed, one call of `Files` at a turn.

import { parentPort } from "node:worker_threads";
import { HoldfastError, messageOf } from "../../../src/base/errors.ts";
import { nodeFiles } from "../../../src/platform/node-files.ts";
import { SOURCE, sourceTree } from "../crash-states/source-versions.ts";
import { Gate } from "./gate.ts";
import { ROOT, gatedFiles } from "./gated-files.ts";
import type { ActorPlan, Task } from "./plan.ts";
import { ELSEWHERE, SimulatedRun } from "./process.ts";

export interface ActorStart {
  readonly seed: number;
  readonly number: number;
  readonly plan: ActorPlan;
  readonly directory: string;
  readonly states: Int32Array<SharedArrayBuffer>;
}

export type TaskResult =
  | { readonly kind: "image"; readonly id: string; readonly version: number }
  | { readonly kind: "forgotten"; readonly id: string }
  | { readonly kind: "pruned"; readonly outcome: string; readonly removed: number; readonly rescued: number }
  | { readonly kind: "damage"; readonly damages: string }
  | { readonly kind: "other" }
  | { readonly kind: "failed"; readonly task: Task["kind"]; readonly code: string; readonly message: string };

export interface ActorResult {
  readonly results: readonly TaskResult[];
  readonly notices: readonly string[];
}

/** Processes 1 to this belong to whoever prepares and judges. */
export const FIRST_PROCESS = 100;

const port = parentPort;
if (port === null) throw new Error("This is the script of a worker thread");
port.on("message", (start: ActorStart) => {
  void act(start).then((result) => port.postMessage(result));
});

async function act({ seed, number, plan, directory, states }: ActorStart): Promise<ActorResult> {
  const gate = new Gate(states, number);
  using files = gatedFiles({ files: nodeFiles(), directory, pass: () => gate.pass() });
  const run = new SimulatedRun({
    files,
    seed: `${seed} ${plan.name}`,
    processId: FIRST_PROCESS + number,
    isElsewhere: plan.isElsewhere,
    isAlive: (processId) => processId >= FIRST_PROCESS && gate.isAlive(processId - FIRST_PROCESS),
  });
  const results: TaskResult[] = [];
  for (const task of plan.tasks) {
    try {
      results.push(await perform(run, task));
    } catch (error) {
      const code = error instanceof HoldfastError ? error.code : error instanceof Error ? error.name : "unknown";
      // The directory has another name at every run, which nothing may depend on.
      results.push({ kind: "failed", task: task.kind, code, message: describe(error).replaceAll(directory, ROOT) });
    }
  }
  gate.leave();
  return { results, notices: run.notices };
}

function describe(error: unknown): string {
  if (error instanceof HoldfastError)
    return error.cause === undefined ? error.message : `${error.message} (${messageOf(error.cause)})`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function perform(run: SimulatedRun, task: Task): Promise<TaskResult> {
  if (task.kind === "change-key") {
    await run.changeKey();
    return { kind: "other" };
  }
  if (task.kind === "backup") run.tree = sourceTree(task.version);
  await using repository = await run.open();
  switch (task.kind) {
    case "backup": {
      const { source, version } = task;
      const { imageId, problems } = await repository.backup({ paths: [SOURCE], source, checkpointBytes: 8000 });
      if (imageId === undefined || problems.length > 0) throw new Error(`A backup met ${problems.length} problems`);
      return { kind: "image", id: imageId, version };
    }
    case "forget": {
      const images = (await repository.images()).map(({ id }) => id).toSorted();
      const id = images[task.choice % Math.max(1, images.length)];
      if (id === undefined || !(await run.forget(id))) return { kind: "other" };
      return { kind: "forgotten", id };
    }
    case "prune": {
      const assumeDead = task.assumeDead ? [ELSEWHERE] : [];
      const { outcome, removedContainers, rescuedSegments } = await repository.prune({ maxUnused: 0, assumeDead });
      return { kind: "pruned", outcome, removed: removedContainers, rescued: rescuedSegments };
    }
    case "verify": {
      const { damages } = await repository.verify({ readData: 1 });
      return damages.length === 0 ? { kind: "other" } : { kind: "damage", damages: JSON.stringify(damages) };
    }
    case "rebuild": {
      const { damaged } = await repository.rebuildIndex();
      return damaged.length === 0 ? { kind: "other" } : { kind: "damage", damages: JSON.stringify(damaged) };
    }
  }
}
