// Carries out a plan: prepares a repository, lets the actors take turns as chance from the seed says, and has the result judged.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { seededNumbers } from "../../../src/engine/testing.ts";
import { nodeFiles } from "../../../src/platform/node-files.ts";
import { SOURCE, sourceTree } from "../crash-states/source-versions.ts";
import type { ActorResult, ActorStart } from "./actor.worker.ts";
import { IDLE, KILLED, RUNNING, WAITING, awaitTurn } from "./gate.ts";
import { gatedFiles } from "./gated-files.ts";
import { judge } from "./judge.ts";
import type { Judgement } from "./judge.ts";
import { MOST_ACTORS } from "./plan.ts";
import type { Plan } from "./plan.ts";
import { SimulatedRun } from "./process.ts";

export interface Interleaving extends Judgement {
  readonly seed: number;
  readonly turns: number;
  readonly switches: number;
  /** A number made of every turn: the same for the same seed. */
  readonly trace: number;
  readonly results: readonly ActorResult[];
}

/** Threads are dear to start: they serve one plan after another. */
export class Actors implements AsyncDisposable {
  readonly #workers: Worker[] = [];

  async play(plan: Plan): Promise<Interleaving> {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-interleaving-"));
    try {
      const prepared = await prepare(directory, plan);
      const states = new Int32Array(new SharedArrayBuffer(4 * MOST_ACTORS));
      const answers = plan.actors.map((actor, number) =>
        this.#begin({ seed: plan.seed, number, plan: actor, directory, states }),
      );
      const order = takeTurns(states, plan);
      const results = await Promise.all(answers);
      using files = filesIn(directory);
      const judgement = await judge({ plan, prepared, results, files });
      return { seed: plan.seed, ...order, results, ...judgement };
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  #begin(start: ActorStart): Promise<ActorResult> {
    const worker = (this.#workers[start.number] ??= new Worker(new URL("actor.worker.ts", import.meta.url)));
    return new Promise((resolve, reject) => {
      worker.once("message", (result: ActorResult) => {
        worker.off("error", reject);
        resolve(result);
      });
      worker.once("error", reject);
      worker.postMessage(start, []);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

export function filesIn(directory: string): ReturnType<typeof gatedFiles> {
  return gatedFiles({ files: nodeFiles(), directory, pass: () => undefined });
}

/** Image to version. */
async function prepare(directory: string, { seed, prepared }: Plan): Promise<ReadonlyMap<string, number>> {
  using files = filesIn(directory);
  const run = new SimulatedRun({ files, seed: `${seed} prepares`, processId: 1, isAlive: () => false });
  await run.create();
  const images = new Map<string, number>();
  await using repository = await run.open();
  for (const version of prepared) {
    run.tree = sourceTree(version);
    const { imageId } = await repository.backup({ paths: [SOURCE], source: "source 0" });
    if (imageId !== undefined) images.set(imageId, version);
  }
  return images;
}

/** One actor at a time, from one call to the next; the thread of the scheduler sleeps meanwhile. */
function takeTurns(
  states: Int32Array<SharedArrayBuffer>,
  { seed, actors, kill, stay }: Plan,
): { readonly turns: number; readonly switches: number; readonly trace: number } {
  const next = seededNumbers(seed * 2);
  const waiting = actors.map((_, actor) => actor);
  const taken = actors.map(() => 0);
  let turns = 0;
  let switches = 0;
  let trace = seed;
  let current = -1;
  for (const actor of waiting) requireTurn(awaitTurn(states, actor, IDLE), seed, actor);
  while (waiting.length > 0) {
    const stays = next() % 256 < stay && waiting.includes(current);
    const actor = stays ? current : (waiting[next() % waiting.length] as number);
    if (actor !== current) switches++;
    current = actor;
    turns++;
    trace = (Math.imul(trace ^ actor, 0x01000193) ^ (trace >>> 7)) >>> 0;
    const isKilled = kill?.actor === actor && taken[actor]! >= kill.turns;
    taken[actor]!++;
    Atomics.store(states, actor, isKilled ? KILLED : RUNNING);
    Atomics.notify(states, actor);
    if (!isKilled) requireTurn(awaitTurn(states, actor, RUNNING), seed, actor);
    if (Atomics.load(states, actor) !== WAITING) waiting.splice(waiting.indexOf(actor), 1);
  }
  return { turns, switches, trace };
}

function requireTurn(came: boolean, seed: number, actor: number): void {
  if (!came) throw new Error(`Seed ${seed}: actor ${actor} hangs`);
}
