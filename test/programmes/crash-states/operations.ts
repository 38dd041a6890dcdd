// What may be done to a repository, and what a model in memory says of it afterwards.

import type { Repository } from "../../../src/api/api.ts";
import { hasCode } from "../../../src/base/errors.ts";
import type { SimulatedFiles } from "../../../src/platform/simulated-files.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import { SOURCE, sourceTree } from "./source-versions.ts";

/** What must be true of a repository while nobody works on it. */
export interface Model {
  readonly exists: boolean;
  readonly passphrase: string;
  /** Image to version of the source. */
  readonly images: ReadonlyMap<string, number>;
  /** Of the source, at the last backup that was tried. */
  readonly version: number;
  /** How many processes there have been. */
  readonly processes: number;
}

export const NOTHING: Model = { exists: false, passphrase: "first", images: new Map(), version: 0, processes: 0 };

export type OperationName = keyof typeof OPERATIONS;

interface Run {
  readonly process: SimulatedProcess;
  readonly model: Model;
  /** Open already, and left open; else one is opened for the operation. */
  readonly repository?: Repository;
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
    return { images: new Map([...model.images, [imageId, model.version]]) };
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

/** Whatever is not needed goes. Nobody else is at work, so nobody is waited for. */
function prune(run: Run): Promise<Partial<Model>> {
  return withRepository(run, async (repository) => {
    const { outcome } = await repository.prune({ maxUnused: 0 });
    if (outcome !== "done" && outcome !== "nothing") throw new Error(`A collection ended with "${outcome}"`);
    return {};
  });
}

async function changeKey({ process, model }: Run): Promise<Partial<Model>> {
  const passphrase = `${model.passphrase}+`;
  await process.changePassphrase(model.passphrase, passphrase);
  return { passphrase };
}

function rebuild(run: Run): Promise<Partial<Model>> {
  return withRepository(run, async (repository) => {
    const { damaged } = await repository.rebuildIndex();
    if (damaged.length > 0) throw new Error(`A rebuild found damage: ${JSON.stringify(damaged)}`);
    return {};
  });
}

/** Of a repository that is whole. */
function repair(run: Run): Promise<Partial<Model>> {
  return withRepository(run, async (repository) => {
    const { damagedContainers, missingContainers, damagedRecords, lossCount } = await repository.repair();
    const found = { damagedContainers, missingContainers, damagedRecords, lossCount };
    if (Object.values(found).some((value) => (typeof value === "number" ? value : value.length) > 0)) {
      throw new Error(`A repair found damage: ${JSON.stringify(found)}`);
    }
    return {};
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
export async function operate(
  name: OperationName,
  files: SimulatedFiles,
  before: Model,
  context: { readonly bootId: string; readonly seed: string },
): Promise<Model> {
  const model = { ...begun(name, before), processes: before.processes + 1 };
  const process = new SimulatedProcess({ files, processId: model.processes, ...context });
  const changes = await OPERATIONS[name]({ process, model });
  if (process.notices.length > 0) throw new Error(`${name} told of damage: ${process.notices.join(" ")}`);
  return { ...model, ...changes };
}

/** The model while the operation is under way: what counts has not changed yet. */
export function begun(name: OperationName, model: Model): Model {
  return name === "backup" ? { ...model, version: model.version + 1 } : model;
}
