import assert from "node:assert/strict";
import { test } from "node:test";
import { textOf, utf8 } from "../../base/bytes.ts";
import { hasCode } from "../../base/errors.ts";
import { SelectionBuilder, type Selection } from "./selection.ts";

function select(...paths: readonly string[]): Selection {
  const builder = new SelectionBuilder(utf8("/home/ann"));
  for (const path of paths) builder.addPath(utf8(path));
  return builder.build();
}

function pathsOf(selection: Selection): string[] {
  return Array.from({ length: selection.count }, (_, i) => textOf(selection.path(i)) + (selection.followsLink(i) ? "/" : ""));
}

test("paths are sorted as entries are, and duplicates and nested ones are merged", () => {
  assert.deepEqual(pathsOf(select("/b", "/a-b", "/a/x", "/b", "/a/x/y")), ["a/x/", "a-b", "b"]);
  assert.deepEqual(pathsOf(select("/a", "/ab", "/a/b/c")), ["a/", "ab"]);
  assert.deepEqual(pathsOf(select("/usr", "/")), ["/"]);
});

test("relative paths start at the working directory, and dots are resolved as text", () => {
  assert.deepEqual(pathsOf(select("x")), ["home/ann/x"]);
  assert.deepEqual(pathsOf(select(".")), ["home/ann/"]);
  assert.deepEqual(pathsOf(select("../bob")), ["home/bob"]);
  assert.deepEqual(pathsOf(select("..")), ["home/"]);
  assert.deepEqual(pathsOf(select("../../../..")), ["/"]);
  assert.deepEqual(pathsOf(select("/a//b/./c/../d")), ["a/b/d"]);
  assert.deepEqual(pathsOf(select("...")), ["home/ann/..."]);
  assert.deepEqual(pathsOf(select("x.")), ["home/ann/x."]);
});

test("a slash at the end follows a link, and so does naming something inside", () => {
  assert.deepEqual(pathsOf(select("/a")), ["a"]);
  assert.deepEqual(pathsOf(select("/a/")), ["a/"]);
  assert.deepEqual(pathsOf(select("/a/.")), ["a/"]);
  assert.deepEqual(pathsOf(select("/a", "/a/")), ["a/"]);
  assert.deepEqual(pathsOf(select("/a", "/a/b")), ["a/"]);
});

test("a list is taken as it stands", () => {
  const builder = new SelectionBuilder(utf8("/w"));
  builder.addList(utf8("b\n\n# c\na*\r\n /abs\n/x"), "newline");
  assert.deepEqual(pathsOf(builder.build()), ["w/ /abs", "w/# c", "w/a*\r", "w/b", "x"]);
});

test("a list separated by zero bytes may hold newlines and bytes that are not UTF-8", () => {
  const builder = new SelectionBuilder(utf8("/w"));
  builder.addList(Uint8Array.of(0x61, 0x0a, 0x62, 0, 0xff, 0xfe, 0), "zero");
  const selection = builder.build();
  assert.equal(selection.count, 2);
  assert.deepEqual([...selection.path(1)], [0x77, 0x2f, 0xff, 0xfe]);
});

test("paths of the command line are required, also when they merged into another; those of lists are not", () => {
  const builder = new SelectionBuilder(utf8("/w"));
  builder.addPath(utf8("/a"));
  builder.addPath(utf8("/a/b"));
  builder.addList(utf8("/c\n"), "newline");
  assert.deepEqual(builder.build().required.map(textOf), ["a", "a/b"]);
});

test("an empty path and a zero byte are refused", () => {
  assert.throws(
    () => select(""),
    (error) => hasCode(error, "USAGE"),
  );
  const builder = new SelectionBuilder(utf8("/w"));
  assert.throws(
    () => builder.addList(utf8("a\0b\n"), "newline"),
    (error) => hasCode(error, "USAGE"),
  );
});

test("a hundred thousand paths are selected quickly", () => {
  const builder = new SelectionBuilder(utf8("/w"));
  const lines = Array.from({ length: 100_000 }, (_, i) => `/data/${(i * 7919) % 100_000}/file`);
  builder.addList(utf8(lines.join("\n")), "newline");
  const selection = builder.build();
  assert.equal(selection.count, 100_000);
  assert.equal(textOf(selection.path(1)), "data/1/file");
});
