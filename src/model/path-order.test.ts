import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../base/bytes.ts";
import { comparePaths, isWithin, nameStartOf, sharedLength } from "./path-order.ts";

const compare = (a: string | Uint8Array, b: string | Uint8Array): number => {
  const x = typeof a === "string" ? utf8(a) : a;
  const y = typeof b === "string" ? utf8(b) : b;
  return comparePaths(x, x.length, y, y.length);
};

/** The order as its definition says it: component by component, an ancestor first. */
function byComponents(a: Uint8Array, b: Uint8Array): number {
  const split = (path: Uint8Array): Buffer[] => {
    if (path.length === 0) return [];
    const parts: Buffer[] = [];
    let start = 0;
    for (let at = 0; at <= path.length; at++) {
      if (at < path.length && path[at] !== 0x2f) continue;
      parts.push(Buffer.from(path.subarray(start, at)));
      start = at + 1;
    }
    return parts;
  };
  const x = split(a);
  const y = split(b);
  for (let i = 0; i < x.length && i < y.length; i++) {
    const order = Buffer.compare(x[i]!, y[i]!);
    if (order !== 0) return order;
  }
  return x.length - y.length;
}

test("a directory is followed by what lies in it, before a sibling whose next byte is below the slash", () => {
  const sorted = ["", "a", "a/b", "a/b/c", "a/b c", "a-b", "a.c", "a0", "ab"];
  for (let i = 0; i < sorted.length; i++) {
    for (let j = 0; j < sorted.length; j++) {
      assert.equal(Math.sign(compare(sorted[i]!, sorted[j]!)), Math.sign(i - j), `"${sorted[i]}" and "${sorted[j]}"`);
    }
  }
});

test("bytes compare unsigned and need not be UTF-8", () => {
  assert.ok(compare(Uint8Array.of(0x61, 0x7f), Uint8Array.of(0x61, 0xff)) < 0);
  assert.ok(compare(Uint8Array.of(0xff), "z") > 0);
  assert.ok(compare(Uint8Array.of(0x01), "/") > 0);
});

test("the comparison tells the length of the common prefix", () => {
  const cases: [string, string, number][] = [
    ["usr/bin/a", "usr/bin/b", 8],
    ["usr/bin", "usr/bin/b", 7],
    ["usr", "usr", 3],
    ["a", "b", 0],
    ["", "b", 0],
    ["a/b", "a-b", 1],
  ];
  for (const [a, b, shared] of cases) {
    assert.equal(sharedLength(compare(a, b), a.length), shared, `${a} ${b}`);
    assert.equal(sharedLength(compare(b, a), b.length), shared, `${b} ${a}`);
  }
});

test("only the given lengths count", () => {
  assert.equal(comparePaths(utf8("abcX"), 3, utf8("abcY"), 3), 0);
  assert.ok(comparePaths(utf8("abcX"), 3, utf8("abcY"), 4) < 0);
});

test("the order of random paths is the order of their components", () => {
  let state = 20260;
  const next = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const alphabet = [0x01, 0x20, 0x2d, 0x2e, 0x30, 0x61, 0x62, 0xc3, 0xff];
  const paths: Uint8Array[] = [new Uint8Array(0)];
  for (let i = 0; i < 400; i++) {
    const components = Array.from({ length: 1 + next(4) }, () =>
      String.fromCharCode(...Array.from({ length: 1 + next(3) }, () => alphabet[next(alphabet.length)]!)),
    );
    paths.push(Buffer.from(components.join("/"), "latin1"));
  }
  for (const a of paths) {
    for (const b of paths) {
      assert.equal(Math.sign(comparePaths(a, a.length, b, b.length)), Math.sign(byComponents(a, b)));
    }
  }
});

test("a path lies within its ancestors and itself only", () => {
  const within = (path: string, directory: string): boolean =>
    isWithin(utf8(path), path.length, utf8(directory), directory.length);
  assert.ok(within("a/b/c", "a/b"));
  assert.ok(within("a/b", "a/b"));
  assert.ok(within("a", ""));
  assert.ok(within("", ""));
  assert.ok(!within("a/bc", "a/b"));
  assert.ok(!within("a", "a/b"));
  assert.ok(!within("x/b", "a"));
});

test("the last component begins after the last slash", () => {
  assert.equal(nameStartOf(utf8("usr/bin/ls"), 10), 8);
  assert.equal(nameStartOf(utf8("usr"), 3), 0);
  assert.equal(nameStartOf(utf8(""), 0), 0);
});
