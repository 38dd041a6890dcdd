import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import type { ContainerContents } from "./container-contents.ts";
import { dropContainers } from "./drop-containers.ts";
import { CentralIndex } from "./lookup.ts";
import { containerKey } from "./merged-sections.ts";
import { listRuns } from "./run-directory.ts";
import type { WritableIndexLocation } from "./run-directory.ts";
import { expectedLocations, fingerprintOf, madeContainer, temporaryIndex, textOfLocation } from "./testing.ts";
import { tidyIndex } from "./tidy-index.ts";
import { writeIndexRun } from "./write-index-run.ts";

interface Made {
  readonly location: WritableIndexLocation;
  readonly condemned: ContainerContents;
  readonly kept: ContainerContents;
  readonly names: ReadonlySet<string>;
}

/** Two containers in two runs; they share the first segment of the condemned one. */
async function made(context: TestContext): Promise<Made> {
  const location = temporaryIndex(context);
  const condemned = madeContainer(location.random, { segments: 1_000 });
  const kept = madeContainer(location.random, { segments: 1_000, fingerprints: [fingerprintOf(condemned, 0)] });
  await writeIndexRun({ ...location, containers: [condemned] });
  await writeIndexRun({ ...location, containers: [kept] });
  return { location, condemned, kept, names: new Set([containerKey(condemned.volumeId, condemned.name)]) };
}

function answers(index: CentralIndex, contents: ContainerContents): number {
  let count = 0;
  for (let i = 0; i < 1_000; i++) if (index.has(fingerprintOf(contents, i))) count++;
  return count;
}

test("what lies in condemned containers alone is not stored for a writer, and is still there for a reader", async (context) => {
  const { location, condemned, kept, names } = await made(context);
  using index = CentralIndex.open(location);
  assert.equal(answers(index, condemned), 1_000);
  index.exclude(names);
  assert.equal(answers(index, condemned), 1);
  assert.equal(answers(index, kept), 1_000);
  assert.equal(index.findAll(fingerprintOf(condemned, 0)).length, 2);
  assert.equal(index.find(fingerprintOf(condemned, 7))?.container, condemned.name);
  using shared = CentralIndex.fromShared(location.files, index.share());
  assert.deepEqual([answers(shared, condemned), answers(shared, kept)], [1, 1_000]);
});

test("runs that are opened later are looked at in the same way", async (context) => {
  const { location, condemned, names } = await made(context);
  using index = CentralIndex.open(location);
  index.exclude(names);
  const other = madeContainer(location.random, { segments: 10 });
  await writeIndexRun({ ...location, containers: [condemned, other] });
  assert.equal(index.refresh(), true);
  assert.equal(answers(index, condemned), 1);
  assert.ok(index.has(fingerprintOf(other, 3)));
});

test("dropping containers leaves exactly what the others hold, and no run that names them", async (context) => {
  const { location, condemned, kept, names } = await made(context);
  await writeIndexRun({ ...location, containers: [condemned, kept] });
  const before = listRuns(location.files, location.directory);
  assert.equal(await dropContainers({ ...location, containers: names }), 2);
  using index = CentralIndex.open(location);
  for (const [fingerprint, places] of expectedLocations([kept])) {
    const found = new Set(index.findAll(Buffer.from(fingerprint, "hex")).map(textOfLocation));
    assert.deepEqual(found, places);
  }
  assert.equal(answers(index, condemned), 1);
  assert.deepEqual([...new Set([...index.containers()].map(({ container }) => container))], [kept.name]);
  assert.equal(listRuns(location.files, location.directory).filter((name) => before.includes(name)).length, 1);
  assert.equal(await dropContainers({ ...location, containers: names }), 0);
});

test("an index of condemned containers alone becomes an empty one", async (context) => {
  const { location, condemned, kept, names } = await made(context);
  await dropContainers({ ...location, containers: new Set([...names, containerKey(kept.volumeId, kept.name)]) });
  using index = CentralIndex.open(location);
  assert.deepEqual([answers(index, condemned), index.segmentCount, [...index.containers()].length], [0, 0, 0]);
});

test("tidying leaves alone the runs that name a condemned container", async (context) => {
  const { location, names } = await made(context);
  for (let i = 0; i < 20; i++) {
    await writeIndexRun({ ...location, containers: [madeContainer(location.random, { segments: 10 })] });
  }
  using index = CentralIndex.open(location);
  const naming = index.runs.filter(({ segments }) => segments === 1_000).map(({ name }) => name);
  await tidyIndex({ ...location, condemned: names });
  const left = listRuns(location.files, location.directory);
  assert.ok(left.length < 12, `${left.length} runs`);
  assert.equal(naming.filter((name) => left.includes(name)).length >= 1, true);
  await dropContainers({ ...location, containers: names });
  await tidyIndex(location);
});
