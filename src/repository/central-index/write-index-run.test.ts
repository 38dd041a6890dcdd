import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bytesOfHex, hexOf } from "../../base/bytes.ts";
import type { ContainerContents } from "./container-contents.ts";
import { CentralIndex } from "./lookup.ts";
import { rebuildIndex } from "./rebuild-index.ts";
import { isRunVanished, listRuns } from "./run-directory.ts";
import { expectedLocations, fingerprintOf, madeContainer, temporaryIndex, textOfLocation, watchedFiles } from "./testing.ts";
import { writeIndexRun } from "./write-index-run.ts";

async function* stream(containers: readonly ContainerContents[]): AsyncGenerator<ContainerContents> {
  for (const contents of containers) yield contents;
}

test("a run is named by the SHA-256 of its bytes, and two of the same content differ", async (context) => {
  const location = temporaryIndex(context);
  const contents = madeContainer(location.random, { segments: 1000 });
  const names = [
    await writeIndexRun({ ...location, containers: [contents] }),
    await writeIndexRun({ ...location, containers: [contents] }),
  ];
  assert.notEqual(names[0], names[1]);
  for (const name of names) {
    const bytes = readFileSync(`${location.directory}/${name}`);
    assert.equal(createHash("sha256").update(bytes).digest("hex"), name);
    assert.equal(bytes.indexOf(fingerprintOf(contents, 0)), -1, "no fingerprint is readable");
  }
});

test("a run is written, synced, named and only then made durable by its directory", async (context) => {
  const location = temporaryIndex(context);
  const steps: string[] = [];
  const files = watchedFiles(location.files, (operation, path) =>
    steps.push(`${operation} ${path.slice(location.directory.length)}`),
  );
  const name = await writeIndexRun({
    ...location,
    files,
    session: "5e55",
    containers: [madeContainer(location.random, { segments: 9 })],
  });
  const temporary = steps[0]!.split(" ")[1]!;
  assert.match(temporary, /^\/\.tmp-5e55-[0-9a-f]{16}$/);
  assert.deepEqual(steps, [
    `create ${temporary}`,
    `write ${temporary}`,
    `sync ${temporary}`,
    `rename /${name}`,
    "syncDirectory ",
  ]);
});

test("a write that fails at any step leaves no temporary file and no half of a run", async (context) => {
  const location = temporaryIndex(context);
  const containers = [madeContainer(location.random, { segments: 9 })];
  for (const failing of ["create", "write", "sync", "rename"]) {
    const files = watchedFiles(location.files, (operation) => {
      if (operation === failing) throw new Error("no space");
    });
    await assert.rejects(writeIndexRun({ ...location, files, containers }), /no space/);
    assert.deepEqual(location.files.list(location.directory), []);
  }
});

test("a container given twice counts once", async (context) => {
  const location = temporaryIndex(context);
  const contents = madeContainer(location.random, { segments: 20 });
  await writeIndexRun({ ...location, containers: [contents, contents] });
  using index = CentralIndex.open(location);
  assert.equal(index.segmentCount, 20);
  assert.equal(index.findAll(fingerprintOf(contents, 4)).length, 1);
});

test("contents that do not fit each other are not written", async (context) => {
  const location = temporaryIndex(context);
  const contents = madeContainer(location.random, { segments: 20 });
  const { blocks, segments } = contents;
  const broken: readonly Partial<ContainerContents>[] = [
    { blocks: { ...blocks, identities: blocks.identities.subarray(16) } },
    { blocks: { ...blocks, segmentCounts: blocks.segmentCounts.map((count, i) => (i === 0 ? count + 1 : count)) } },
    { blocks: { ...blocks, plainLengths: blocks.plainLengths.map((length) => length - 1) } },
    { blocks: { ...blocks, offsets: blocks.offsets.toReversed() } },
    { segments: { ...segments, fingerprints: segments.fingerprints.subarray(32) } },
    { segments: { fingerprints: segments.fingerprints.subarray(32), lengths: segments.lengths.subarray(1) } },
    { name: "container" as ContainerContents["name"] },
  ];
  for (const change of broken) {
    await assert.rejects(writeIndexRun({ ...location, containers: [{ ...contents, ...change }] }), /Broken invariant/);
  }
  assert.deepEqual(location.files.list(location.directory), []);
});

test("a rebuild writes what the containers hold, in several runs", async (context) => {
  const location = temporaryIndex(context);
  const containers = Array.from({ length: 10 }, (_, i) => madeContainer(location.random, { segments: 90 + i }));
  const rebuilt = await rebuildIndex({ ...location, containers: stream(containers), segmentsPerRun: 250 });
  assert.deepEqual({ ...rebuilt, runs: rebuilt.runs.length }, { runs: 5, containers: 10, segments: 945 });
  using index = CentralIndex.open(location);
  for (const [fingerprint, locations] of expectedLocations(containers)) {
    assert.deepEqual(new Set(index.findAll(bytesOfHex(fingerprint)).map(textOfLocation)), locations);
  }
});

test("a rebuild takes the place of what was there, even if that is damaged", async (context) => {
  const location = temporaryIndex(context);
  const lost = madeContainer(location.random, { segments: 30 });
  const kept = madeContainer(location.random, { segments: 30 });
  await writeIndexRun({ ...location, containers: [lost, kept] });
  const damaged = "12".repeat(32);
  location.files.create(`${location.directory}/${damaged}`).close();
  assert.throws(() => CentralIndex.open(location), { code: "FORMAT_TRUNCATED" });

  const replaces = listRuns(location.files, location.directory);
  assert.equal(replaces.length, 2);
  const { runs } = await rebuildIndex({ ...location, containers: stream([kept]), replaces });
  assert.deepEqual(listRuns(location.files, location.directory), runs);
  using index = CentralIndex.open(location);
  assert.deepEqual([index.has(fingerprintOf(lost, 1)), index.has(fingerprintOf(kept, 1))], [false, true]);

  await rebuildIndex({ ...location, containers: stream([]), replaces: runs });
  index.refresh();
  assert.deepEqual([index.segmentCount, index.runs.length], [0, 1]);
});

test("a rebuild that fails on the way leaves the old runs in place", async (context) => {
  const location = temporaryIndex(context);
  const old = madeContainer(location.random, { segments: 30 });
  const name = await writeIndexRun({ ...location, containers: [old] });
  async function* broken(): AsyncGenerator<ContainerContents> {
    yield* stream([1, 2, 3].map(() => madeContainer(location.random, { segments: 30 })));
    throw new Error("unreadable container");
  }
  await assert.rejects(rebuildIndex({ ...location, containers: broken(), replaces: [name], segmentsPerRun: 30 }), /unreadable/);
  using index = CentralIndex.open(location);
  assert.ok(index.has(fingerprintOf(old, 5)));
  assert.equal(index.runs.length, 3);
});

test("the key of a run comes from its salt, so equal pages differ between runs", async (context) => {
  const location = temporaryIndex(context);
  const contents = madeContainer(location.random, { segments: 5 });
  const bytes: string[] = [];
  for (let i = 0; i < 2; i++) {
    const name = await writeIndexRun({ ...location, containers: [contents] });
    bytes.push(hexOf(readFileSync(`${location.directory}/${name}`).subarray(64, 128)));
  }
  assert.notEqual(bytes[0], bytes[1]);
  assert.equal(isRunVanished(new Error("something else")), false);
});
