import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { compileCutter, textOfCutterModule } from "../../scripts/build-cutter.ts";
import { utf8 } from "../base/bytes.ts";
import { DEFAULT_CUT_SIZES, deriveCutterParameters, type CutSizes } from "./cutter-parameters.ts";
import { firstStage, referenceCuts } from "./cutter.reference.ts";
import { Cutter } from "./cutter.ts";
import { randomBytes, seededNumbers, wordyBytes } from "./testing.ts";

const key = Uint8Array.from({ length: 32 }, (_, position) => position);
const smallSizes: CutSizes = { minimum: 256, normal: 2048, maximum: 8192 };
const oddSizes: CutSizes = { minimum: 67, normal: 2051, maximum: 3001 };

/** The ends of all segments of the bytes in the window from `from` to `to`, all at hand at once. */
function cutsBetween(cutter: Cutter, from: number, to: number): number[] {
  const ends: number[] = [];
  for (let start = from; start < to;) {
    start = cutter.next(start, to, true);
    ends.push(start);
  }
  return ends;
}

function structuredSamples(): Record<string, Uint8Array> {
  const records = new Uint8Array(60_000);
  const view = new DataView(records.buffer);
  for (let row = 0; row < 2500; row++) view.setFloat64(row * 24, row / 8);
  const pairs = Object.fromEntries(
    [1, 2, 3, 5, 7, 8, 32, 33].map((period) => [
      `period ${period}`,
      Uint8Array.from({ length: 30_000 }, (_, i) => ((i % period) * 37) & 0xff),
    ]),
  );
  return {
    random: randomBytes(1, 120_000),
    words: wordyBytes(2, 120_000),
    records,
    zeros: new Uint8Array(40_000),
    "almost zeros": new Uint8Array(40_000).fill(1, 20_000, 20_001),
    ...pairs,
  };
}

test("the committed WebAssembly is what its source compiles to", async () => {
  const committed = readFileSync(new URL("./cutter-wasm.ts", import.meta.url), "utf8");
  assert.equal(textOfCutterModule(await compileCutter()), committed, "run: node scripts/build-cutter.ts");
});

for (const sizes of [smallSizes, oddSizes]) {
  test(`the cutter agrees with the plain reference on all kinds of data, at any place in the window (minimum ${sizes.minimum})`, () => {
    const cutter = new Cutter(key, sizes, 130_000);
    for (const [name, sample] of Object.entries(structuredSamples())) {
      const expected = referenceCuts(key, sizes, sample);
      for (const place of [0, 1, 15, 31, 32, 4097, 130_000 - sample.length]) {
        cutter.window.fill(0xa5);
        cutter.window.set(sample, place);
        const ends = cutsBetween(cutter, place, place + sample.length).map((end) => end - place);
        assert.deepEqual(ends, expected, `${name} at ${place}`);
      }
    }
  });
}

test("segments keep to the sizes, and every length occurs that is allowed", () => {
  const cutter = new Cutter(key, smallSizes, 1 << 20);
  cutter.window.set(randomBytes(3, 1 << 20));
  const ends = cutsBetween(cutter, 0, 1 << 20);
  const lengths = ends.map((end, position) => end - (ends[position - 1] ?? 0));
  const last = lengths.pop();
  assert.ok(last !== undefined && last > 0 && last <= smallSizes.maximum);
  assert.ok(lengths.every((length) => length >= smallSizes.minimum && length <= smallSizes.maximum));
  assert.ok(lengths.some((length) => length < smallSizes.normal) && lengths.some((length) => length > smallSizes.normal));
});

test("however the data arrives, the boundaries are the same", () => {
  const data = wordyBytes(4, 100_000);
  const expected = referenceCuts(key, smallSizes, data);
  const next = seededNumbers(7);
  for (let round = 0; round < 20; round++) {
    const cutter = new Cutter(key, smallSizes, 20_000);
    const ends: number[] = [];
    let [start, end, read] = [0, 0, 0];
    for (;;) {
      const found = cutter.next(start, end, read === data.length);
      if (found >= 0) {
        if (found === start) break;
        ends.push(read - end + found);
        start = found;
      } else if (end > 15_000) {
        cutter.window.copyWithin(0, start, end);
        [start, end] = [0, end - start];
      } else {
        const count = Math.min((next() % 3000) + 1, data.length - read, cutter.window.length - end);
        cutter.window.set(data.subarray(read, read + count), end);
        [end, read] = [end + count, read + count];
      }
    }
    assert.deepEqual(ends, expected, `round ${round}`);
  }
});

test("more bytes are asked for only while the answer depends on them", () => {
  const cutter = new Cutter(key, smallSizes, 20_000);
  cutter.window.set(randomBytes(5, 20_000));
  const answer = cutter.next(0, 20_000, false);
  for (let end = 0; end <= 20_000; end += 7) {
    const expected = end < answer ? -1 : end <= smallSizes.minimum ? -1 : answer;
    assert.equal(cutter.next(0, end, false), expected, `${end} bytes`);
  }
  cutter.window.fill(0);
  assert.equal(cutter.next(10, 10 + smallSizes.maximum - 1, false), -1);
  assert.equal(cutter.next(10, 10 + smallSizes.maximum, false), 10 + smallSizes.maximum);
});

test("nothing at all is no segment, and a rest up to the minimum is one", () => {
  const cutter = new Cutter(key, smallSizes, 20_000);
  assert.equal(cutter.next(5, 5, false), -1);
  assert.equal(cutter.next(5, 5, true), 5);
  assert.equal(cutter.next(5, 6, true), 6);
  assert.equal(cutter.next(5, 5 + smallSizes.minimum, true), 5 + smallSizes.minimum);
});

test("neither the bytes before a segment nor those after it decide its end", () => {
  const cutter = new Cutter(key, smallSizes, 40_000);
  const data = randomBytes(6, 9000);
  const answers = new Set<number>();
  for (let seed = 10; seed < 40; seed++) {
    cutter.window.set(randomBytes(seed, 40_000));
    cutter.window.set(data, 1000 + seed);
    answers.add(cutter.next(1000 + seed, 1000 + seed + data.length, seed % 2 === 0) - 1000 - seed);
  }
  assert.equal(answers.size, 1);
});

test("an insertion changes the segments around it and no others", () => {
  const data = randomBytes(8, 200_000);
  const changed = new Uint8Array(data.length + 13);
  changed.set(data.subarray(0, 100_000));
  changed.set(utf8("thirteen more"), 100_000);
  changed.set(data.subarray(100_000), 100_013);
  const before = referenceCuts(key, smallSizes, data);
  const after = new Set(referenceCuts(key, smallSizes, changed));
  const lost = before.filter((end) => !after.has(end < 100_000 ? end : end + 13));
  assert.ok(lost.length <= 8, `${lost.length} of ${before.length} boundaries moved`);
});

test("another key cuts elsewhere", () => {
  const data = randomBytes(9, 200_000);
  const one = new Set(referenceCuts(key, smallSizes, data));
  const other = referenceCuts(
    key.map((byte) => byte ^ 1),
    smallSizes,
    data,
  );
  assert.ok(other.filter((end) => one.has(end)).length <= 2);
});

test("the first stage passes one random byte in 256, with any key", () => {
  for (let round = 0; round < 20; round++) {
    const parameters = deriveCutterParameters(randomBytes(round + 100, 32), smallSizes);
    const data = randomBytes(round, 40_000);
    let hits = 0;
    for (let last = 31; last < data.length; last++) if (firstStage(parameters, data, last) === parameters.magic) hits++;
    assert.ok(hits > 90 && hits < 230, `${hits} hits, expected about 156`);
  }
});

test("bytes that repeat after one, two or four never pass the first stage, with any key", () => {
  for (let round = 0; round < 1000; round++) {
    const parameters = deriveCutterParameters(randomBytes(round + 100, 32), smallSizes);
    const unit = randomBytes(round, [1, 2, 4][round % 3]!);
    const data = Uint8Array.from({ length: 12 }, (_, position) => unit[position % unit.length]!);
    for (let last = 7; last < 12; last++) assert.notEqual(firstStage(parameters, data, last), parameters.magic);
  }
});

test("random data is cut near the normal length", () => {
  const cutter = new Cutter(key, { minimum: 1024, normal: 2048, maximum: 8192 }, 4 << 20);
  cutter.window.set(randomBytes(11, 4 << 20));
  const mean = (4 << 20) / cutsBetween(cutter, 0, 4 << 20).length;
  assert.ok(mean > 2000 && mean < 2600, `mean length ${mean}`);
});

test("the boundaries of a given key and content stay as they are", () => {
  // Frozen: another answer would make everything new to every repository.
  const data = wordyBytes(12, 6 << 20);
  const cutter = new Cutter(key, DEFAULT_CUT_SIZES);
  cutter.window.set(data);
  assert.deepEqual(cutsBetween(cutter, 0, data.length), [1_888_247, 3_866_750, 5_011_788, 6_291_456]);
  assert.deepEqual(referenceCuts(key, smallSizes, data.subarray(0, 12_000)), [3755, 6648, 8724, 10_802, 12_000]);
});

test("sizes and places that make no sense are refused", () => {
  assert.throws(() => new Cutter(key, { minimum: 63, normal: 4096, maximum: 8192 }), /64 <= minimum/);
  assert.throws(() => new Cutter(key, { minimum: 4096, normal: 4096, maximum: 8192 }), /minimum < normal/);
  assert.throws(() => new Cutter(key, { minimum: 100, normal: 1000, maximum: 8192 }), /2 KiB/);
  assert.throws(() => new Cutter(key, DEFAULT_CUT_SIZES, DEFAULT_CUT_SIZES.maximum - 1), /window/);
  assert.throws(() => new Cutter(key.subarray(1)), /32 bytes/);
  const cutter = new Cutter(key, smallSizes, 8192);
  assert.throws(() => cutter.next(0, 8193, false), /window/);
  assert.throws(() => cutter.next(10, 9, false), /window/);
});
