import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOfHex } from "../../base/bytes.ts";
import type { ContainerContents } from "./container-contents.ts";
import { CentralIndex } from "./lookup.ts";
import { mergeRuns } from "./merge-runs.ts";
import { listRuns } from "./run-directory.ts";
import type { IndexLocation, RunName } from "./run-directory.ts";
import { expectedLocations, fingerprintOf, madeContainer, temporaryIndex, textOfLocation, watchedFiles } from "./testing.ts";
import { tidyIndex } from "./tidy-index.ts";
import { writeIndexRun } from "./write-index-run.ts";

/** Compares what the index on the disk says with what was put into it. */
function checkIndex(location: IndexLocation, containers: readonly ContainerContents[]): void {
  using index = CentralIndex.open(location);
  const expected = expectedLocations(containers);
  for (const [fingerprint, locations] of expected) {
    const found = index.findAll(bytesOfHex(fingerprint)).map(textOfLocation);
    assert.equal(found.length, locations.size);
    assert.deepEqual(new Set(found), locations);
  }
}

function recordsIn(location: IndexLocation): number {
  using index = CentralIndex.open(location);
  return index.segmentCount;
}

test("a merged run says what its inputs said together, each place once", async (context) => {
  const location = temporaryIndex(context);
  const containers = Array.from({ length: 12 }, (_, i) => madeContainer(location.random, { segments: 500 + i * 211 }));
  // The same segments again in other containers: further copies, which stay.
  containers.push(madeContainer(location.random, { segments: 900, fingerprints: copiesOf(containers[3]!, 700) }));
  containers.push(madeContainer(location.random, { segments: 900, fingerprints: copiesOf(containers[8]!, 700) }));
  // The same containers in several runs: repetitions, which go.
  const runs: RunName[] = [];
  for (const [from, to] of [
    [0, 5],
    [3, 9],
    [8, 14],
    [0, 2],
  ]) {
    runs.push(await writeIndexRun({ ...location, containers: containers.slice(from, to) }));
  }
  checkIndex(location, containers);
  const outcome = await mergeRuns({ ...location, runs });
  assert.ok(outcome.kind === "merged");
  assert.deepEqual(outcome.superseded, runs.toSorted());
  assert.deepEqual(location.files.list(location.directory), [outcome.run]);
  assert.equal(
    recordsIn(location),
    containers.reduce((sum, { segments }) => sum + segments.lengths.length, 0),
  );
  checkIndex(location, containers);
});

test("merging pairs again and again gives the same as one large run", async (context) => {
  const location = temporaryIndex(context);
  const containers = Array.from({ length: 9 }, () => madeContainer(location.random, { segments: 400 }));
  const runs: RunName[] = [];
  for (const contents of containers) runs.push(await writeIndexRun({ ...location, containers: [contents] }));
  while (runs.length > 1) {
    const outcome = await mergeRuns({ ...location, runs: runs.splice(0, 2) });
    assert.ok(outcome.kind === "merged");
    runs.push(outcome.run);
  }
  assert.deepEqual(location.files.list(location.directory), runs);
  checkIndex(location, containers);
});

test("an empty run merges like any other", async (context) => {
  const location = temporaryIndex(context);
  const contents = madeContainer(location.random, { segments: 10 });
  const runs = [
    await writeIndexRun({ ...location, containers: [] }),
    await writeIndexRun({ ...location, containers: [contents] }),
  ];
  assert.equal((await mergeRuns({ ...location, runs })).kind, "merged");
  checkIndex(location, [contents]);
});

test("whatever step a merge dies at, the index says the same before and after", async (context) => {
  const location = temporaryIndex(context);
  const containers = Array.from({ length: 3 }, () => madeContainer(location.random, { segments: 30 }));
  for (const power of ["the process dies", "the step fails"]) {
    let completed = false;
    let steps = 0;
    for (let failing = 1; !completed; failing++) {
      for (const name of location.files.list(location.directory) ?? []) location.files.remove(`${location.directory}/${name}`);
      const runs: RunName[] = [];
      for (const contents of containers) runs.push(await writeIndexRun({ ...location, containers: [contents] }));

      let step = 0;
      const files = watchedFiles(location.files, () => {
        step++;
        if (power === "the process dies" ? step >= failing : step === failing) throw new Error("the power is gone");
      });
      completed = await mergeRuns({ ...location, files, runs }).then(
        () => step < failing,
        () => false,
      );
      checkIndex(location, containers);
      // And the next process carries on.
      const left = listRuns(location.files, location.directory);
      await tidyIndex(location);
      checkIndex(location, containers);
      assert.ok(listRuns(location.files, location.directory).length <= left.length);
      steps = step;
    }
    context.diagnostic(`${power}: ${steps} steps`);
    assert.ok(steps > 20);
  }
});

test("two merges of the same runs at once are harmless", async (context) => {
  const location = temporaryIndex(context);
  const containers = Array.from({ length: 4 }, () => madeContainer(location.random, { segments: 3000 }));
  for (const plan of [
    [
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ],
    [
      [0, 1, 2],
      [1, 2, 3],
    ],
  ]) {
    for (const name of location.files.list(location.directory) ?? []) location.files.remove(`${location.directory}/${name}`);
    const runs: RunName[] = [];
    for (const contents of containers) runs.push(await writeIndexRun({ ...location, containers: [contents] }));
    const merges = plan.map((chosen) => mergeRuns({ ...location, runs: chosen.map((i) => runs[i]!) }));
    checkIndex(location, containers);
    const kinds = (await Promise.all(merges)).map(({ kind }) => kind);
    assert.ok(kinds.includes("merged"));
    checkIndex(location, containers);

    const rest = listRuns(location.files, location.directory);
    if (rest.length > 1) await mergeRuns({ ...location, runs: rest });
    checkIndex(location, containers);
    assert.equal(recordsIn(location), 12_000);
  }
});

test("a merge whose runs another process has merged meanwhile writes nothing", async (context) => {
  const location = temporaryIndex(context);
  const runs: RunName[] = [];
  for (let i = 0; i < 2; i++) {
    runs.push(await writeIndexRun({ ...location, containers: [madeContainer(location.random, { segments: 10 })] }));
  }
  const shortly = mergeRuns({ ...location, runs });
  location.files.remove(`${location.directory}/${runs[0]}`);
  assert.deepEqual(await shortly, { kind: "changed" });
  assert.deepEqual(await mergeRuns({ ...location, runs }), { kind: "changed" });
  assert.deepEqual(location.files.list(location.directory), [runs[1]]);
});

test("what a merged run replaced stays replaced when that run is merged away itself", async (context) => {
  const location = temporaryIndex(context);
  const gone = madeContainer(location.random, { segments: 10 });
  const kept = madeContainer(location.random, { segments: 10 });
  const more = madeContainer(location.random, { segments: 10 });
  const old = await writeIndexRun({ ...location, containers: [gone] });
  const replacement = await writeIndexRun({ ...location, containers: [kept], supersedes: [old] });
  const other = await writeIndexRun({ ...location, containers: [more] });
  // The old run cannot be removed, as with a file that is open on Windows.
  const files = watchedFiles(location.files, (operation, path) => {
    if (operation === "remove" && path.endsWith(old)) throw new Error("busy");
  });
  await assert.rejects(mergeRuns({ ...location, files, runs: [replacement, other] }), /busy/);
  assert.ok(listRuns(location.files, location.directory).includes(old));
  using index = CentralIndex.open(location);
  assert.equal(index.has(fingerprintOf(gone, 0)), false);
  assert.equal(index.runs.length, 1);
});

test("an aborted merge leaves everything as it was", async (context) => {
  const location = temporaryIndex(context);
  const containers = [1, 2].map(() => madeContainer(location.random, { segments: 40_000 }));
  const runs: RunName[] = [];
  for (const contents of containers) runs.push(await writeIndexRun({ ...location, containers: [contents] }));
  const controller = new AbortController();
  const merge = mergeRuns({ ...location, runs, signal: controller.signal });
  controller.abort();
  await assert.rejects(merge, { name: "AbortError" });
  assert.deepEqual(location.files.list(location.directory)?.toSorted(), runs.toSorted());
});

test("tidying after every backup keeps the runs few and the index whole", async (context) => {
  const location = temporaryIndex(context);
  const containers: ContainerContents[] = [];
  let merges = 0;
  for (let session = 0; session < 40; session++) {
    containers.push(madeContainer(location.random, { segments: 20 + (session % 5) }));
    await writeIndexRun({ ...location, containers: containers.slice(-1) });
    merges += await tidyIndex(location);
    assert.ok(listRuns(location.files, location.directory).length <= 8);
  }
  assert.ok(merges >= 4 && merges <= 10);
  checkIndex(location, containers);
});

test("tidying makes the newer run durable before it removes what an interrupted merge left", async (context) => {
  const location = temporaryIndex(context);
  const old = await writeIndexRun({ ...location, containers: [] });
  const merged = await writeIndexRun({ ...location, containers: [], supersedes: [old] });
  const steps: string[] = [];
  const files = watchedFiles(location.files, (operation) => steps.push(operation));
  await tidyIndex({ ...location, files });
  assert.deepEqual(steps.slice(-2), ["syncDirectory", "remove"]);
  assert.deepEqual(location.files.list(location.directory), [merged]);
});

function copiesOf(contents: ContainerContents, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => fingerprintOf(contents, i));
}
