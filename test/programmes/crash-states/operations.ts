// What may be done to a repository, and what the model says of it afterwards.

import type { Repository } from "../../../src/api/api.ts";
import { HoldfastError, hasCode } from "../../../src/base/errors.ts";
import type { Files } from "../../../src/platform/files.ts";
import { NOTHING_LEFT, lacksSomething } from "./model.ts";
import type { Damage, Model } from "./model.ts";
import { ELSEWHERE, SimulatedProcess } from "./simulated-process.ts";
import type { ProcessContext } from "./simulated-process.ts";
import { SOURCE, sourceTree } from "./source-versions.ts";

export type OperationName = keyof typeof OPERATIONS;

interface Run {
  readonly process: SimulatedProcess;
  readonly model: Model;
  /** Open already, and left open; else one is opened for the operation. */
  readonly repository?: Repository;
  /** Writers of the other machine are taken for dead. */
  readonly assumesDead?: boolean;
}

type Operation = (run: Run) => Promise<Partial<Model>>;

async function init({ process, model }: Run): Promise<Partial<Model>> {
  try {
    await process.create(model.passphrase);
  } catch (error) {
    if (model.exists && hasCode(error, "REPOSITORY_EXISTS")) return {};
    throw error;
  }
  if (model.exists) throw new Error("A repository was made where there is one");
  return { exists: true };
}

async function backup(run: Run): Promise<Partial<Model>> {
  const { process, model } = run;
  process.tree = sourceTree(model.version);
  return withRepository(run, async (repository) => {
    const { imageId, problems } = await repository.backup({ paths: [SOURCE], source: "source", checkpointBytes: 8_000 });
    if (imageId === undefined || problems.length > 0) throw new Error(`A backup met ${problems.length} problems`);
    const { damage } = model;
    const mayLack = damage?.spreads === true && !damage.isRepaired;
    return {
      images: new Map([...model.images, [imageId, model.version]]),
      ...(mayLack ? { damage: { ...damage, lacking: new Map([...damage.lacking, [imageId, NOTHING_LEFT]]) } } : {}),
    };
  });
}

/** The oldest image goes. */
function forget(run: Run): Promise<Partial<Model>> {
  return withRepository(run, async (repository) => {
    const [oldest, ...others] = [...run.model.images];
    if (oldest === undefined) return {};
    await repository.forget({ images: [oldest[0]] });
    return { images: new Map(others) };
  });
}

/** Whatever is not needed goes. Nobody here is at work; of a writer elsewhere nobody knows. */
function prune(run: Run): Promise<Partial<Model>> {
  return withRepository(run, async (repository) => {
    const assumeDead = run.assumesDead === true ? [ELSEWHERE] : [];
    const { outcome } = await repository.prune({ maxUnused: 0, assumeDead });
    const mayWait = run.model.writerElsewhere !== undefined && assumeDead.length === 0;
    if (outcome === "planned" || (outcome === "waiting" && !mayWait)) throw new Error(`A collection ended with "${outcome}"`);
    const { damage } = run.model;
    return {
      ...(assumeDead.length > 0 ? { writerElsewhere: undefined } : {}),
      // It proves that containers are there, not what is in them: of two copies it may have kept the damaged one.
      ...(damage?.spreads === true && !damage.isRepaired ? { damage: withNothingSure(damage) } : {}),
    };
  });
}

async function changeKey({ process, model }: Run): Promise<Partial<Model>> {
  const passphrase = `${model.passphrase}+`;
  await process.changePassphrase(model.passphrase, passphrase);
  return { passphrase };
}

function rebuild(run: Run): Promise<Partial<Model>> {
  return withRepository(run, async (repository) => {
    const { damage } = run.model;
    const { damaged } = await repository.rebuildIndex();
    if (damaged.length > 0 && damage === undefined) throw new Error(`A rebuild found damage: ${JSON.stringify(damaged)}`);
    return damage === undefined ? {} : { damage: rebuilt(damage, damaged.length > 0) };
  });
}

/** An index from containers that all say what they hold is as good as the old one; what one does not say, nobody knows any more. */
function rebuilt(damage: Damage, isSomethingUnknown: boolean): Damage {
  if (isSomethingUnknown) return { ...withNothingSure(damage), spreads: false };
  return damage.what.startsWith("index") ? { ...damage, lacking: new Map(), spreads: false } : damage;
}

function withNothingSure(damage: Damage): Damage {
  return { ...damage, lacking: new Map([...damage.lacking.keys()].map((id) => [id, NOTHING_LEFT])) };
}

function repair(run: Run): Promise<Partial<Model>> {
  return withRepository(run, async (repository) => {
    const { damage } = run.model;
    const { damagedContainers, missingContainers, damagedRecords, losses, lossCount } = await repository.repair();
    const found = { damagedContainers, missingContainers, damagedRecords };
    const isFound = Object.values(found).some((list) => list.length > 0);
    if (isFound && damage?.isRepaired !== false) throw new Error(`A repair found damage: ${JSON.stringify(found)}`);
    const lost = new Set<string>(losses.map(({ image }) => image));
    const tooMany = [...lost].filter((id) => damage?.lacking.has(id) !== true);
    if (tooMany.length > 0)
      throw new Error(`A repair counts ${lossCount} losses, some of images that need nothing damaged: ${tooMany.join()}`);
    if (damage === undefined) return {};
    // What is not told to be lost must be there.
    return { damage: { ...damage, lacking: new Map([...damage.lacking].filter(([id]) => lost.has(id))), isRepaired: true } };
  });
}

async function withRepository<T>({ process, model, repository }: Run, work: (repository: Repository) => Promise<T>): Promise<T> {
  if (repository !== undefined) return work(repository);
  await using opened = await process.open(model.passphrase);
  return await work(opened);
}

export const OPERATIONS = { init, backup, forget, prune, "key change": changeKey, rebuild, repair } as const satisfies Record<
  string,
  Operation
>;

/** Does it as a process of its own; returns what is true afterwards. */
export async function operate(name: OperationName, files: Files, before: Model, context: ProcessContext): Promise<Model> {
  const model = { ...begun(name, before), processes: before.processes + 1 };
  const process = new SimulatedProcess({ files, processId: model.processes, ...context });
  const after = await carryOut(name, { process, model });
  if (process.notices.length > 0 && model.damage === undefined) {
    throw new Error(`${name} told of damage: ${process.notices.join(" ")}`);
  }
  return after;
}

/** The same as part of a process; what is refused as it may be has changed nothing. */
export async function carryOut(name: OperationName, run: Run): Promise<Model> {
  try {
    return { ...run.model, ...(await OPERATIONS[name](run)) };
  } catch (error) {
    if (error instanceof HoldfastError && mayRefuse(name, run.model)) return run.model;
    throw error;
  }
}

/** Before a repair whatever reads what is damaged may; afterwards a collection, while an image needs what is lost. */
function mayRefuse(name: OperationName, model: Model): boolean {
  if (model.damage === undefined) return false;
  if (model.damage.isRepaired) return name === "prune" && lacksSomething(model);
  return name === "backup" || name === "forget" || name === "prune" || name === "rebuild";
}

/** The model while the operation is under way: what counts has not changed yet. */
export function begun(name: OperationName, model: Model): Model {
  return name === "backup" ? { ...model, version: model.version + 1 } : model;
}
