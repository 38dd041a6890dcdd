import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOfHex, hexOf } from "../../base/bytes.ts";
import { LocationBuffer } from "./location.ts";
import { CentralIndex } from "./lookup.ts";
import { isRunVanished, listRuns, removeRuns } from "./run-directory.ts";
import { expectedLocations, fingerprintOf, madeContainer, temporaryIndex, textOfLocation, watchedFiles } from "./testing.ts";
import { writeIndexRun } from "./write-index-run.ts";

test("every one of 200000 segments is found where it was stored, and no other", async (context) => {
  const location = temporaryIndex(context);
  const containers = Array.from({ length: 20 }, () => madeContainer(location.random, { segments: 10_000 }));
  const started = performance.now();
  await writeIndexRun({ ...location, containers });
  context.diagnostic(`written in ${Math.round(performance.now() - started)} ms`);
  using index = CentralIndex.open(location);
  assert.equal(index.segmentCount, 200_000);

  const expected = expectedLocations(containers);
  for (const [fingerprint, locations] of expected) {
    const found = index.find(bytesOfHex(fingerprint));
    assert.ok(found !== undefined && locations.has(textOfLocation(found)));
  }
  const absent = location.random.bytes(100_000 * 32);
  for (let at = 0; at < absent.length; at += 32) assert.equal(index.has(absent, at), false);
});

test("several copies of a segment are all found, in one run and across runs", async (context) => {
  const location = temporaryIndex(context);
  const wanted = location.random.bytes(32);
  // Enough copies in one run that they cross the border between two pages.
  const one = madeContainer(location.random, { segments: 900, fingerprints: Array.from({ length: 500 }, () => wanted) });
  const two = madeContainer(location.random, { segments: 10, fingerprints: [wanted] });
  const three = madeContainer(location.random, { segments: 10, fingerprints: [wanted] });
  await writeIndexRun({ ...location, containers: [one, two] });
  await writeIndexRun({ ...location, containers: [three, two] });
  using index = CentralIndex.open(location);

  const found = index.findAll(wanted).map(textOfLocation);
  assert.equal(found.length, 502);
  assert.deepEqual(new Set(found), expectedLocations([one, two, three]).get(hexOf(wanted)));
  assert.deepEqual(index.findAll(location.random.bytes(32)), []);
});

test("the smallest and the largest fingerprint, and neighbours of stored ones, are told apart", async (context) => {
  const location = temporaryIndex(context);
  const zeros = new Uint8Array(32);
  const ones = new Uint8Array(32).fill(0xff);
  const base = location.random.bytes(32);
  const next = base.slice();
  next[31] = next[31]! ^ 1;
  const contents = madeContainer(location.random, { segments: 2000, fingerprints: [zeros, ones, base] });
  await writeIndexRun({ ...location, containers: [contents] });
  using index = CentralIndex.open(location);
  assert.ok(index.has(zeros));
  assert.ok(index.has(ones));
  assert.ok(index.has(base));
  assert.ok(!index.has(next));
});

test("locate fills a buffer, also from the middle of a packed array", async (context) => {
  const location = temporaryIndex(context);
  const contents = madeContainer(location.random, { segments: 100, segmentsPerBlock: 10 });
  await writeIndexRun({ ...location, containers: [contents] });
  using index = CentralIndex.open(location);
  const buffer = new LocationBuffer();
  assert.ok(index.locate(contents.segments.fingerprints, buffer, 25 * 32));
  const { run, container, block, blockOffset, storedLength, plainLength, offset, length, identity } = buffer;
  assert.deepEqual({ run, container, block }, { run: 0, container: 0, block: 2 });
  assert.deepEqual(
    { blockOffset, storedLength, plainLength, offset, length },
    {
      blockOffset: contents.blocks.offsets[2],
      storedLength: contents.blocks.storedLengths[2],
      plainLength: contents.blocks.plainLengths[2],
      offset: contents.segments.lengths.subarray(20, 25).reduce((sum, one) => sum + one, 0),
      length: contents.segments.lengths[25],
    },
  );
  assert.deepEqual(identity, contents.blocks.identities.slice(32, 48));
  assert.deepEqual(index.containerOf(buffer), { volumeId: contents.volumeId, container: contents.name });
  assert.ok(!index.locate(location.random.bytes(32), buffer));
});

test("a cache of two pages answers as a large one does", async (context) => {
  const location = temporaryIndex(context);
  const containers = [1, 2, 3].map(() => madeContainer(location.random, { segments: 3000 }));
  for (const contents of containers) await writeIndexRun({ ...location, containers: [contents] });
  using index = CentralIndex.open({ ...location, cacheBytes: 0 });
  const expected = expectedLocations(containers);
  for (const [fingerprint, locations] of expected) {
    assert.deepEqual(new Set(index.findAll(bytesOfHex(fingerprint)).map(textOfLocation)), locations);
  }
  assert.equal(index.memoryBytes.thread, 2 * 16384 + 4 * 3 * (9 + 1));
});

test("an index without runs or without a directory knows nothing", (context) => {
  const location = temporaryIndex(context);
  using empty = CentralIndex.open(location);
  using missing = CentralIndex.open({ ...location, directory: `${location.directory}/none` });
  for (const index of [empty, missing]) {
    assert.equal(index.has(new Uint8Array(32)), false);
    assert.deepEqual(index.findAll(new Uint8Array(32)), []);
    assert.equal(index.segmentCount, 0);
  }
});

test("a refresh shows runs written since, and says whether anything changed", async (context) => {
  const location = temporaryIndex(context);
  const contents = madeContainer(location.random, { segments: 10 });
  using index = CentralIndex.open(location);
  assert.equal(index.refresh(), false);
  await writeIndexRun({ ...location, containers: [contents] });
  assert.equal(index.has(fingerprintOf(contents, 3)), false);
  assert.equal(index.refresh(), true);
  assert.equal(index.has(fingerprintOf(contents, 3)), true);
  assert.equal(index.refresh(), false);
});

test("a superseded run is ignored whether or not it is still there", async (context) => {
  const location = temporaryIndex(context);
  const old = madeContainer(location.random, { segments: 10 });
  const replacement = madeContainer(location.random, { segments: 10 });
  const first = await writeIndexRun({ ...location, containers: [old] });
  using early = CentralIndex.open(location);
  const second = await writeIndexRun({ ...location, containers: [replacement], supersedes: [first] });
  using index = CentralIndex.open(location);
  assert.deepEqual(
    index.runs.map(({ name }) => name),
    [second],
  );
  assert.equal(index.has(fingerprintOf(old, 0)), false);
  assert.equal(index.has(fingerprintOf(replacement, 0)), true);

  assert.equal(early.refresh(), true);
  assert.equal(early.has(fingerprintOf(old, 0)), false);
  assert.equal(removeRuns(location.files, location.directory, [first]), 1);
  assert.deepEqual(listRuns(location.files, location.directory), [second]);
  assert.equal(index.refresh(), false);
});

test("a run merged away by another process stays readable where it is open, and elsewhere is reported, never missed", async (context) => {
  const location = temporaryIndex(context);
  const contents = madeContainer(location.random, { segments: 2000 });
  const name = await writeIndexRun({ ...location, containers: [contents] });
  using index = CentralIndex.open({ ...location, cacheBytes: 0 });
  const shared = index.share();
  location.files.remove(`${location.directory}/${name}`);
  for (let i = 0; i < 2000; i++) assert.ok(index.has(fingerprintOf(contents, i)));
  assert.throws(() => CentralIndex.fromShared(location.files, shared), isRunVanished);
});

test("a lookup whose file can no longer be read because it is gone says so", async (context) => {
  const location = temporaryIndex(context);
  // As on a network file system, where another machine's removal makes an open file stale.
  const networked = watchedFiles(location.files, (operation, path) => {
    if (operation === "read" && location.files.information(path) === undefined) throw new Error("stale file handle");
  });
  const contents = madeContainer(location.random, { segments: 2000 });
  const name = await writeIndexRun({ ...location, containers: [contents] });
  using index = CentralIndex.open({ ...location, files: networked });
  location.files.remove(`${location.directory}/${name}`);
  assert.throws(() => index.has(fingerprintOf(contents, 7)), isRunVanished);
  await writeIndexRun({ ...location, containers: [contents] });
  assert.equal(index.refresh(), true);
  assert.ok(index.has(fingerprintOf(contents, 7)));
});

test("opening lists again when a merge moves a run from under the listing", async (context) => {
  const location = temporaryIndex(context);
  const contents = madeContainer(location.random, { segments: 10 });
  const old = await writeIndexRun({ ...location, containers: [contents] });
  const merged = await writeIndexRun({ ...location, containers: [contents], supersedes: [old] });
  // A directory stream that passes the new name before it is there and reaches the old one after it is gone.
  let listings = 0;
  const files = { ...location.files, list: (directory: string) => (listings++ === 0 ? [] : location.files.list(directory)) };
  removeRuns(location.files, location.directory, [old]);
  using index = CentralIndex.open({ ...location, files });
  assert.deepEqual(
    index.runs.map(({ name }) => name),
    [merged],
  );
});

test("a run that is listed but gone when it is opened makes the index look again", async (context) => {
  const location = temporaryIndex(context);
  const contents = madeContainer(location.random, { segments: 10 });
  const old = await writeIndexRun({ ...location, containers: [contents] });
  const merged = await writeIndexRun({ ...location, containers: [contents], supersedes: [old] });
  let opened = 0;
  const files = watchedFiles(location.files, (operation, path) => {
    if (operation === "open" && path.endsWith(old) && opened++ === 0) location.files.remove(path);
  });
  using index = CentralIndex.open({ ...location, files });
  assert.deepEqual(
    index.runs.map(({ name }) => name),
    [merged],
  );
  assert.equal(opened, 1);
});

test("the containers known to the index are listed", async (context) => {
  const location = temporaryIndex(context);
  const containers = Array.from({ length: 5 }, () => madeContainer(location.random, { segments: 3 }));
  await writeIndexRun({ ...location, containers: containers.slice(0, 3) });
  await writeIndexRun({ ...location, containers: containers.slice(3) });
  using index = CentralIndex.open(location);
  const known = [...index.containers()].map(({ volumeId, container }) => `${volumeId} ${container}`).sort();
  assert.deepEqual(known, containers.map(({ volumeId, name }) => `${volumeId} ${name}`).sort());
});
