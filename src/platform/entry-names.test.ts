import assert from "node:assert/strict";
import { test } from "node:test";
import { textOf, utf8 } from "../base/bytes.ts";
import { failsWith } from "./file-tree-place.contract.ts";
import { piecesOfPath, TerminatedBytes } from "./entry-names.ts";

test("a path is cut at slashes into pieces below 4,096 bytes", () => {
  const a = "a".repeat(2_000);
  const b = "b".repeat(2_000);
  const longest = "c".repeat(4_095);
  const cases: [string, string[]][] = [
    ["/", ["/"]],
    ["///", ["/"]],
    ["/usr/lib/", ["/usr/lib"]],
    [`/${a}/${b}`, [`/${a}/${b}`]],
    [`/${a}/${b}/${a}/${b}/x//`, [`/${a}/${b}`, `${a}/${b}/x`]],
    [`/${a}///${longest}/${longest}`, [`/${a}//`, longest, longest]],
  ];
  for (const [path, pieces] of cases) assert.deepEqual(piecesOfPath(utf8(path)).map(textOf), pieces);
  for (const piece of cases.flatMap(([path]) => piecesOfPath(utf8(path)))) assert.ok(piece.length < 4_096);
});

test("a path with a component beyond the limit, a zero byte or no beginning is refused", () => {
  assert.throws(() => piecesOfPath(utf8(`/${"a".repeat(4_096)}`)), failsWith("ENAMETOOLONG"));
  assert.throws(() => piecesOfPath(utf8(`/a/${"a".repeat(4_096)}/b`)), failsWith("ENAMETOOLONG"));
  assert.throws(() => piecesOfPath(utf8("/a\0b")), failsWith("EINVAL"));
  assert.throws(() => piecesOfPath(utf8("a/b")), failsWith("EINVAL"));
});

test("a shorter name leaves nothing of the longer one before it", () => {
  const place = new TerminatedBytes();
  place.name(utf8("a longer name"), "test");
  const bytes = place.name(utf8("name"), "test");
  assert.equal(textOf(bytes.subarray(0, bytes.indexOf(0))), "name");
  assert.throws(() => place.name(new Uint8Array(4_096).fill(0x61), "test"), failsWith("ENAMETOOLONG"));
});
