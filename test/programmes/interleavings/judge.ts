// Looks at what a run has left. Promised:
//   acknowledged images that nobody forgot are there and restore exactly; every other image that is there is some version, whole;
//   nobody found damage; nobody failed who was not killed or ended;
//   the next run finishes what was begun: no session, no temporary file, no outstanding collection, and nothing that is not needed;
//   then the index names exactly the containers that are there.

import { SimulatedFileTree } from "../../../src/platform/simulated-file-tree.ts";
import { simulatedClock } from "../../../src/platform/simulated-clock.ts";
import { messageOf } from "../../../src/base/errors.ts";
import type { Repository } from "../../../src/api/api.ts";
import type { Files } from "../../../src/platform/files.ts";
import { CentralIndex, openRepository } from "../../../src/repository/repository.ts";
import { SOURCE, describeTree, sourceDescription, sourceTree } from "../crash-states/source-versions.ts";
import type { ActorResult, TaskResult } from "./actor.worker.ts";
import { REPOSITORY } from "./gated-files.ts";
import type { Plan } from "./plan.ts";
import { ELSEWHERE, PASSPHRASES, SimulatedRun } from "./process.ts";

export interface Judgement {
  readonly violations: readonly string[];
  readonly images: number;
}

interface Case {
  readonly plan: Plan;
  readonly prepared: ReadonlyMap<string, number>;
  readonly results: readonly ActorResult[];
  readonly files: Files;
}

export async function judge(what: Case): Promise<Judgement> {
  const violations = [...failures(what)];
  const expected = new Map(what.prepared);
  const forgotten = new Set<string>();
  for (const result of what.results.flatMap(({ results }) => results)) {
    if (result.kind === "image") expected.set(result.id, result.version);
    if (result.kind === "forgotten") forgotten.add(result.id);
  }
  for (const id of forgotten) expected.delete(id);
  let images = 0;
  try {
    images = await look(what, expected, violations);
  } catch (error) {
    violations.push(`the next run fails: ${error instanceof Error ? (error.stack ?? messageOf(error)) : String(error)}`);
  }
  return { violations, images };
}

/** What an actor may not say of itself. */
function* failures({ plan, results }: Case): Generator<string> {
  for (const [number, { name, isElsewhere }] of plan.actors.entries()) {
    const isEnded =
      isElsewhere && plan.actors.some(({ tasks }) => tasks.some((task) => task.kind === "prune" && task.assumeDead));
    const { results: done, notices } = results[number] as ActorResult;
    for (const result of done) {
      if (result.kind === "damage") yield `${name} finds damage: ${result.damages}`;
      if (result.kind !== "failed" || plan.kill?.actor === number || mayFail(result, isEnded)) continue;
      yield `${name} fails to ${result.task}: ${result.code}: ${result.message}`;
    }
    for (const notice of notices) yield `${name} is told: ${notice}`;
  }
}

function mayFail({ code }: Extract<TaskResult, { kind: "failed" }>, isEnded: boolean): boolean {
  return isEnded && /^[A-Z_]+$/.test(code);
}

/** What the next backup may say when another one left a checkpoint. */
const CONTINUING = "Continuing from the checkpoint of an interrupted backup.";

async function look(
  { plan, results, files }: Case,
  expected: ReadonlyMap<string, number>,
  violations: string[],
): Promise<number> {
  const run = new SimulatedRun({ files, seed: `${plan.seed} judges`, processId: 2, isAlive: (processId) => processId === 2 });
  await using repository = await run.open();
  const found = await requireImages(run, repository, expected, violations);
  await requireUndamaged(repository, "after the run", violations);

  const isSomebodyCutOff = results.some(({ results: done }) => done.some(({ kind }) => kind === "failed"));
  run.tree = sourceTree(9);
  const { imageId, notices } = await repository.backup({ paths: [SOURCE], source: "source 1" });
  for (const notice of notices) {
    if (notice !== CONTINUING || !isSomebodyCutOff) violations.push(`the next backup is told: ${notice}`);
  }
  for (let times = 0; times < 3; times++) {
    const { outcome } = await repository.prune({ maxUnused: 0, assumeDead: [ELSEWHERE] });
    if (outcome === "waiting") violations.push("a prune waits although nobody is there");
  }
  const now = new Map([...found, [imageId ?? "", 9] as const]);
  const later = await requireImages(run, repository, now, violations);
  if (later.size !== now.size) violations.push(`${later.size} images after ${now.size}`);
  await requireUndamaged(repository, "after the next run", violations);
  requireNothingLeft(files, violations);
  await requireIndex(run, violations);
  for (const notice of run.notices) violations.push(`the next run is told: ${notice}`);
  return found.size;
}

/** Image to version, of all that there are. */
async function requireImages(
  run: SimulatedRun,
  repository: Repository,
  expected: ReadonlyMap<string, number>,
  violations: string[],
): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const { id } of await repository.images()) {
    try {
      const restored = await restore(run, repository, id);
      const version = [1, 2, 3, 4, 5, 6, 9].find((candidate) => sourceDescription(candidate) === restored);
      found.set(id, version ?? 0);
      if (version === undefined) violations.push(`image ${id} restores as no version`);
    } catch (error) {
      found.set(id, 0);
      violations.push(`image ${id} does not restore: ${messageOf(error)}`);
    }
  }
  for (const [id, version] of expected) {
    const is = found.get(id);
    if (is === undefined) violations.push(`acknowledged image ${id} is gone`);
    else if (is !== version && is !== 0) violations.push(`image ${id} is version ${is}, not ${version}`);
  }
  return found;
}

async function restore(run: SimulatedRun, repository: Repository, image: string): Promise<string> {
  const tree = new SimulatedFileTree(simulatedClock());
  run.tree = tree;
  const { problems } = await repository.restore({ image, target: "/restored" });
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return describeTree(tree, `/restored${SOURCE}`);
}

async function requireUndamaged(repository: Repository, when: string, violations: string[]): Promise<void> {
  const { damages } = await repository.verify({ readData: 1 });
  if (damages.length > 0) violations.push(`damage ${when}: ${JSON.stringify(damages)}`);
}

function requireNothingLeft(files: Files, violations: string[]): void {
  const search = (directory: string): void => {
    for (const name of files.list(directory) ?? []) {
      const path = `${directory}/${name}`;
      if (files.information(path)?.kind === "directory") search(path);
      else if (name.startsWith(".tmp-") || directory.endsWith("/sessions")) violations.push(`left behind: ${path}`);
    }
  };
  search(REPOSITORY);
}

async function requireIndex({ services: { files } }: SimulatedRun, violations: string[]): Promise<void> {
  const opened = await Promise.any(
    PASSPHRASES.map((passphrase) => openRepository({ files, path: REPOSITORY, passphrase: () => passphrase })),
  );
  const { layout, keyRing, id, volumes } = opened;
  const listed: string[] = [];
  for (const volume of volumes) listed.push(...(await volume.listContainers()));
  using index = CentralIndex.open({ files, directory: layout.index, indexKey: keyRing.index, repositoryId: id });
  const named = [...new Set([...index.containers()].map(({ container }) => String(container)))];
  if (named.toSorted().join() !== listed.toSorted().join()) {
    violations.push(`the index names ${named.length} containers, ${listed.length} are there`);
  }
}
