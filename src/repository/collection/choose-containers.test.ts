import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseContainers } from "./choose-containers.ts";
import type { CountedContainer } from "./choose-containers.ts";

const MIB = 1024 * 1024;

/** 48 MiB of which this share is needed. */
function filled(share: number): CountedContainer {
  return { storedBytes: 48 * MIB, liveBytes: Math.round(48 * MIB * share) };
}

function choose(containers: readonly CountedContainer[], maxUnused = 0.05, limit = 1_000) {
  return chooseContainers(containers, { maxUnused, limit });
}

test("of an empty repository nothing is chosen", () => {
  assert.deepEqual(choose([]), { dead: [], rewritten: [], unusedBytes: 0, liveBytes: 0 });
});

test("containers of which nothing is needed go, whatever may stay unused", () => {
  assert.deepEqual(choose([filled(0), filled(1), filled(0)], 1).dead, [0, 2]);
});

test("what is needed as a whole stays, even when nothing may stay unused", () => {
  assert.deepEqual(choose([filled(1), filled(1)], 0), { dead: [], rewritten: [], unusedBytes: 0, liveBytes: 96 * MIB });
});

test("the emptiest are written anew, and only as many as it takes", () => {
  const containers = [filled(0.9), filled(0.1), filled(0.5), ...Array.from({ length: 10 }, () => filled(1))];
  assert.deepEqual(choose(containers, 0.15).rewritten, []);
  assert.deepEqual(choose(containers, 0.06).rewritten, [1]);
  assert.deepEqual(choose(containers, 0.02).rewritten, [1, 2]);
  assert.deepEqual(choose(containers, 0).rewritten, [0, 1, 2]);
  for (const maxUnused of [0, 0.02, 0.06, 0.15]) {
    const { rewritten, unusedBytes, liveBytes } = choose(containers, maxUnused);
    const left = containers.reduce((sum, { storedBytes, liveBytes: live }, number) => {
      return sum + (rewritten.includes(number) ? live : storedBytes);
    }, 0);
    assert.ok(unusedBytes <= maxUnused * left && left === liveBytes + unusedBytes);
  }
});

test("small containers are put together when there are many", () => {
  const small = (count: number): CountedContainer[] =>
    Array.from({ length: count }, () => ({ storedBytes: 1000, liveBytes: 1000 }));
  assert.deepEqual(choose([filled(1), ...small(63)], 0).rewritten, []);
  assert.equal(choose([filled(1), ...small(64)], 0).rewritten.length, 64);
});

test("a generation takes no more than its limit, dead ones first", () => {
  const containers = [...Array.from({ length: 5 }, () => filled(0)), ...Array.from({ length: 5 }, () => filled(0.5))];
  assert.deepEqual(choose(containers, 0, 3), {
    dead: [0, 1, 2],
    rewritten: [],
    unusedBytes: 5 * 24 * MIB,
    liveBytes: 5 * 24 * MIB,
  });
  assert.deepEqual(choose(containers, 0, 7).rewritten, [5, 6]);
});
