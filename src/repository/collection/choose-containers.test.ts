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
  assert.deepEqual(choose([]), { dead: [], rewritten: [], unusedBytes: 0, liveBytes: 0, lackingRoom: 0 });
});

test("containers of which nothing is needed go, whatever may stay unused", () => {
  assert.deepEqual(choose([filled(0), filled(1), filled(0)], 1).dead, [0, 2]);
});

test("what is needed as a whole stays, even when nothing may stay unused", () => {
  assert.deepEqual(choose([filled(1), filled(1)], 0), {
    dead: [],
    rewritten: [],
    unusedBytes: 0,
    liveBytes: 96 * MIB,
    lackingRoom: 0,
  });
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
    lackingRoom: 0,
  });
  assert.deepEqual(choose(containers, 0, 7).rewritten, [5, 6]);
});

test("no more is written anew than there is room for, and what does not fit is counted", () => {
  const containers = [filled(0), filled(0.25), filled(0.5), filled(0.75)];
  const chosen = [0, 11, 12, 36, 1_000].map((mebibytes) => {
    const { dead, rewritten, lackingRoom, unusedBytes } = chooseContainers(containers, {
      maxUnused: 0,
      limit: 9,
      room: mebibytes * MIB,
    });
    return { dead, rewritten, lackingRoom, unusedMebibytes: unusedBytes / MIB };
  });
  assert.deepEqual(chosen, [
    { dead: [0], rewritten: [], lackingRoom: 3, unusedMebibytes: 72 },
    { dead: [0], rewritten: [], lackingRoom: 3, unusedMebibytes: 72 },
    { dead: [0], rewritten: [1], lackingRoom: 2, unusedMebibytes: 36 },
    { dead: [0], rewritten: [1, 2], lackingRoom: 1, unusedMebibytes: 12 },
    { dead: [0], rewritten: [1, 2, 3], lackingRoom: 0, unusedMebibytes: 0 },
  ]);
});
