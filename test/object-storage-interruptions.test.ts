// The store goes away in the middle of an operation and comes back for the next run of the program: at every single request that
// changes something, before and after it has had its effect.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { HoldfastError } from "../src/base/errors.ts";
import { isTemporaryName } from "../src/media/media.ts";
import type { Files } from "../src/platform/files.ts";
import { nodeFiles } from "../src/platform/node-files.ts";
import { ObjectFiles } from "../src/platform/object-files.ts";
import { asynchronous, MemoryObjects } from "../src/platform/object-store/memory-objects.ts";
import type { BlockingObjectStore } from "../src/platform/object-store/object-store.ts";
import { systemRandom } from "../src/platform/system-random.ts";
import { simulatedClock } from "../src/platform/simulated-clock.ts";
import { isIndexRunPath } from "../src/repository/repository.ts";
import { lookAtImages } from "./programmes/crash-states/looking.ts";
import { NOTHING } from "./programmes/crash-states/model.ts";
import type { Model } from "./programmes/crash-states/model.ts";
import { begun, operate } from "./programmes/crash-states/operations.ts";
import type { OperationName } from "./programmes/crash-states/operations.ts";
import { REPOSITORY, SimulatedProcess } from "./programmes/crash-states/simulated-process.ts";

const work = mkdtempSync(join(tmpdir(), "holdfast-interruptions-"));
after(() => rmSync(work, { recursive: true }));

type Moment = "before" | "after";

/** The store is gone from the change with this number on; the change itself has its effect if it is gone only after it. */
interface Failure {
  readonly atChange: number;
  readonly moment: Moment;
}

const CHANGES = new Set<string>(["put", "copy", "remove"]);

class Bench {
  readonly objects: MemoryObjects;
  changes = 0;
  isGone = false;

  constructor(objects: MemoryObjects) {
    this.objects = objects;
  }

  files(failure?: Failure): Files {
    const store = this.#failing(failure);
    return new ObjectFiles({
      root: REPOSITORY.slice(0, REPOSITORY.lastIndexOf("/")),
      blocking: store,
      waiting: asynchronous(store),
      local: nodeFiles(),
      spoolDirectory: join(work, "spool"),
      keptDirectory: join(work, "kept"),
      isKept: isIndexRunPath,
      isTemporary: isTemporaryName,
      random: systemRandom,
    });
  }

  #failing(failure: Failure | undefined): BlockingObjectStore {
    return new Proxy(this.objects, {
      get: (target, name: keyof BlockingObjectStore) => {
        const call = target[name].bind(target) as (...given: unknown[]) => unknown;
        return (...given: unknown[]) => {
          const isChange = CHANGES.has(name);
          if (isChange) this.changes++;
          const isNow = isChange && this.changes === failure?.atChange;
          if (this.isGone || (isNow && failure.moment === "before")) throw this.#gone();
          const result = call(...given);
          if (isNow) throw this.#gone();
          return result;
        };
      },
    });
  }

  #gone(): HoldfastError {
    this.isGone = true;
    return new HoldfastError("REPOSITORY_WRITE_FAILED", { message: "The store is gone", retry: "later" });
  }

  copy(): Bench {
    const objects = new MemoryObjects(simulatedClock());
    for (const { key, sizeBytes } of this.objects.list("", { limit: Number.POSITIVE_INFINITY }).objects) {
      objects.put(key, this.objects.get(key, sizeBytes) ?? new Uint8Array());
    }
    return new Bench(objects);
  }

  leftovers(): string[] {
    // The cache lies there too, but for this test only.
    const { objects } = this.objects.list("repository/", { limit: Number.POSITIVE_INFINITY });
    return objects.map(({ key }) => key).filter((key) => key.includes("/.tmp-") || /\/sessions\/./.test(key));
  }
}

const CONTEXT = { bootId: "one start of the machine", seed: "interruptions" };

for (const [operation, earlier] of [
  ["init", []],
  ["backup", ["init"]],
  ["backup", ["init", "backup"]],
  ["forget", ["init", "backup", "backup"]],
  ["prune", ["init", "backup", "backup", "forget"]],
  ["key change", ["init", "backup"]],
] as const satisfies readonly (readonly [OperationName, readonly OperationName[]])[]) {
  test(`a store that goes away at any change of "${operation}" after ${earlier.join(", ") || "nothing"} loses nothing, and the next run works`, async (context) => {
    const start = new Bench(new MemoryObjects(simulatedClock()));
    let model = NOTHING;
    for (const name of earlier) model = await operate(name, start.files(), model, CONTEXT);
    let states = 0;
    for (let atChange = 1, completed = false; !completed; atChange++) {
      for (const moment of ["before", "after"] as const) {
        const bench = start.copy();
        const done = await operate(operation, bench.files({ atChange, moment }), model, CONTEXT).catch((error: unknown) => {
          assert.ok(error instanceof HoldfastError, `a HoldfastError, not ${String(error)}`);
        });
        completed = !bench.isGone;
        await judge(bench, { before: model, after: done ?? { ...model, processes: model.processes + 1 } }, operation);
        states++;
      }
    }
    context.diagnostic(`${states} states`);
    assert.deepEqual(readdirSync(join(work, "spool")), []);
  });
}

/** As the next run of the program, when the store is back. */
async function judge(
  bench: Bench,
  { before, after: reached }: { before: Model; after: Model },
  operation: OperationName,
): Promise<void> {
  bench.isGone = false;
  const files = bench.files();
  let model = reached;
  if (!model.exists) {
    // Whether the record was made in the end is not known: then there is a repository.
    if (!bench.objects.head("repository/repository")) model = await operate("init", files, model, CONTEXT);
    model = { ...model, exists: true };
  }
  // A backup that was not acknowledged may be there all the same, a passphrase changed, an image forgotten.
  const passphrase = await passphraseOf(bench, [model.passphrase, `${before.passphrase}+`], model.processes + 1);
  model = { ...model, passphrase, processes: model.processes + 1 };
  const interrupted = begun(operation, before).version;
  const found = await imagesIn(new SimulatedProcess({ files, processId: model.processes, ...CONTEXT }), passphrase);
  if (operation !== "forget") for (const id of before.images.keys()) assert.ok(found.includes(id), `image ${id} is there`);
  const isThere = ([id]: readonly [string, number]): boolean => found.includes(id);
  model = { ...model, images: new Map([...model.images].filter(isThere)), version: interrupted };
  for (const name of ["backup", "prune"] as const) model = await operate(name, files, model, CONTEXT);
  const last = new SimulatedProcess({ files, processId: model.processes + 1, ...CONTEXT });
  await using repository = await last.open(passphrase);
  // An image whose name was decided on and not given gets it from whoever clears what its writer left.
  const unknown = (await repository.images()).filter(({ id }) => !model.images.has(id));
  assert.ok(unknown.length <= (operation === "backup" ? 1 : 0), `images that nobody made: ${unknown.map(({ id }) => id).join()}`);
  model = { ...model, images: new Map([...model.images, ...unknown.map(({ id }) => [id, interrupted] as const)]) };
  const looking = { process: last, repository, files: { fingerprint: () => "" }, mayRemember: false };
  await lookAtImages(looking, { before: model, after: model });
  assert.deepEqual((await repository.verify({ readData: 1 })).damages, []);
  assert.deepEqual(bench.leftovers(), []);
}

async function imagesIn(process: SimulatedProcess, passphrase: string): Promise<string[]> {
  await using repository = await process.open(passphrase);
  return (await repository.images()).map(({ id }) => id);
}

async function passphraseOf(bench: Bench, candidates: readonly string[], processId: number): Promise<string> {
  for (const passphrase of candidates) {
    const process = new SimulatedProcess({ files: bench.files(), processId, ...CONTEXT });
    const repository = await process.open(passphrase).catch(() => undefined);
    await repository?.close();
    if (repository !== undefined) return passphrase;
  }
  return assert.fail("no passphrase opens the repository");
}
