import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { textOf, utf8 } from "../../base/bytes.ts";
import { nameStartOf } from "../../model/path-order.ts";
import { literalPattern, parsePatternFile, PatternList } from "./patterns.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

/** Whether `patterns` choose `path` below `selected`; a trailing "/" makes it a directory. */
function chooses(patterns: readonly string[], path: string, selected = ""): boolean {
  const isDirectory = path.endsWith("/");
  const raw = bytes(isDirectory ? path.slice(0, -1) : path);
  return new PatternList(patterns.map(bytes)).matches(
    raw,
    raw.length,
    nameStartOf(raw, raw.length),
    selected.length,
    isDirectory,
  );
}

test("a name is chosen at any depth, a path from the selected one only", () => {
  assert.ok(chooses(["cache"], "home/ann/x/cache", "home/ann"));
  assert.ok(chooses(["cache"], "home/ann/cache/", "home/ann"));
  assert.ok(!chooses(["cache"], "home/ann/cached", "home/ann"));
  assert.ok(chooses(["x/cache"], "home/ann/x/cache", "home/ann"));
  assert.ok(!chooses(["x/cache"], "home/ann/y/x/cache", "home/ann"));
  assert.ok(chooses(["**/x/cache"], "home/ann/y/x/cache", "home/ann"));
  assert.ok(chooses(["**/x/cache"], "home/ann/x/cache", "home/ann"));
  assert.ok(chooses(["./cache"], "home/ann/cache", "home/ann"));
  assert.ok(!chooses(["./cache"], "home/ann/x/cache", "home/ann"));
});

test("a leading slash means the absolute path, whatever was selected", () => {
  assert.ok(chooses(["/home/ann/cache"], "home/ann/cache", "home/ann"));
  assert.ok(chooses(["/home/*/cache"], "home/ann/cache", "home"));
  assert.ok(chooses(["/proc"], "proc/", ""));
  assert.ok(!chooses(["/cache"], "home/ann/cache", "home/ann"));
});

test("the selected path itself is held against names and absolute paths", () => {
  assert.ok(chooses(["ann"], "home/ann/", "home/ann"));
  assert.ok(chooses(["/home/ann"], "home/ann/", "home/ann"));
  assert.ok(!chooses(["*/ann"], "home/ann/", "home/ann"));
  assert.ok(!chooses(["*"], "", ""));
});

test("a trailing slash chooses directories only", () => {
  assert.ok(chooses(["build/"], "a/build/"));
  assert.ok(!chooses(["build/"], "a/build"));
  assert.ok(chooses(["a/*/"], "a/build/"));
});

test("the last matching pattern decides", () => {
  assert.ok(!chooses(["*.log", "!keep.log"], "a/keep.log"));
  assert.ok(chooses(["*.log", "!keep.log"], "a/other.log"));
  assert.ok(chooses(["!keep.log", "*.log"], "a/keep.log"));
  assert.ok(chooses(["\\!a"], "x/!a"));
});

test("wildcards stop at slashes, double ones between slashes do not", () => {
  assert.ok(chooses(["a/*/c"], "a/b/c"));
  assert.ok(!chooses(["a/*/c"], "a/b/b/c"));
  assert.ok(chooses(["a/**/c"], "a/b/b/c"));
  assert.ok(chooses(["a/**/c"], "a/c"));
  assert.ok(chooses(["a/**"], "a/b/c"));
  assert.ok(!chooses(["a/**"], "a/"));
  assert.ok(!chooses(["a?c/d"], "a/c/d"));
  assert.ok(!chooses(["a[/]c/d"], "a/c/d"));
  assert.ok(!chooses(["foo**/bar"], "foobar"));
  assert.ok(chooses(["foo**/bar"], "foox/bar"));
  assert.ok(!chooses(["foo**/bar"], "foox/y/bar"));
});

test("character classes know ranges, negation, escapes and POSIX names", () => {
  assert.ok(chooses(["[a-c]x"], "bx"));
  assert.ok(!chooses(["[!a-c]x"], "bx"));
  assert.ok(chooses(["[^a-c]x"], "dx"));
  assert.ok(chooses(["[]-]x"], "]x"));
  assert.ok(chooses(["[]-]x"], "-x"));
  assert.ok(chooses(["[[:digit:]_]x"], "7x"));
  assert.ok(chooses(["[\\]]x"], "]x"));
  assert.ok(!chooses(["[[:nonsense:]]x"], "nx"));
});

test("a pattern that cannot be understood chooses nothing", () => {
  for (const pattern of ["[abc", "abc\\", "[a-", "", "!", "/", "./", "[[:alpha:]"]) {
    assert.equal(new PatternList([bytes(pattern)]).matches(bytes("[abc"), 4, 0, 0, true), false, pattern);
  }
});

test("names that are not UTF-8 match byte by byte", () => {
  assert.ok(chooses(["*\xff"], "a/b\xff"));
  assert.ok(chooses(["b?"], "a/b\xff"));
  assert.ok(chooses(["b[\xf0-\xff]"], "a/b\xff"));
  assert.ok(!chooses(["b\xfe"], "a/b\xff"));
});

test("a literal pattern chooses its own path only, whatever the path holds", () => {
  for (const path of ["srv/a*b", "srv/[x]", "srv/!a", "srv/#a", "srv/a\\b", "srv/a ", "srv/plain"]) {
    const list = new PatternList([literalPattern(bytes(`/${path}`))]);
    const raw = bytes(path);
    assert.ok(list.matches(raw, raw.length, nameStartOf(raw, raw.length), 0, false), path);
    assert.ok(!list.matches(bytes(`${path}x`), raw.length + 1, 0, 0, false), path);
  }
});

test("a pattern file has comments, blank lines, and spaces that only a backslash keeps", () => {
  const file = "\ufeff# comment\n\n*.o  \r\n\\#kept\nspace\\  \n   \n!x\nlast";
  assert.deepEqual(parsePatternFile(utf8(file)).map(textOf), ["*.o", "\\#kept", "space\\ ", "!x", "last"]);
});

test("a hostile pattern costs little", () => {
  const name = utf8("a".repeat(255));
  const list = new PatternList([utf8(`${"*a".repeat(60)}*b*`), utf8(`${"**/*a".repeat(60)}/b*`)]);
  const path = utf8(`${"a/".repeat(200)}${textOf(name)}`);
  const start = process.hrtime.bigint();
  assert.equal(list.matches(path, path.length, path.length - 255, 0, false), false);
  assert.ok(process.hrtime.bigint() - start < 500_000_000n);
});

// --- against git itself --------------------------------------------------------------------------

interface Chance {
  below(limit: number): number;
  pick<T>(from: readonly T[]): T;
}

function chanceFrom(seed: number): Chance {
  let state = seed >>> 0;
  const below = (limit: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return { below, pick: (from) => from[below(from.length)]! };
}

const names = [
  "a",
  "b",
  "ab",
  "abc",
  "a.b",
  ".a",
  "a b",
  "b ",
  "[a]",
  "*",
  "]",
  "-",
  "!a",
  "#a",
  "a\\b",
  "\xff",
  "a\xc3\xa9",
  "A",
  "1",
];
const nameParts = [
  ...[
    "a",
    "b",
    "c",
    "ab",
    ".",
    "*",
    "?",
    "a*",
    "*b",
    "*.b",
    "[a-c]",
    "[!a]",
    "[^b]",
    "[]a]",
    "[a-]",
    "[[:alpha:]]",
    "[[:digit:]-]",
  ],
  ...[
    "[[:upper:]]",
    "\\a",
    "\\*",
    "\\[",
    "\\!a",
    "\\#a",
    "\\ ",
    "[\\]]",
    "[",
    "[a",
    "\xff",
    "\xc3",
    "?b",
    " ",
    "-",
    "1",
    "A",
    "[*]",
  ],
];

function randomPattern(chance: Chance): string {
  const component = (): string => {
    if (chance.below(6) === 0) return chance.pick(["**", "**", "***", "*"]);
    return Array.from({ length: 1 + chance.below(3) }, () => chance.pick(nameParts)).join("");
  };
  let pattern = Array.from({ length: 1 + chance.below(3) }, component).join("/");
  if (chance.below(4) === 0) pattern = `/${pattern}`;
  if (chance.below(4) === 0) pattern += "/";
  if (chance.below(4) === 0) pattern = `!${pattern}`;
  if (chance.below(20) === 0) pattern = chance.pick(["# a", "", "   ", "a  ", "\\", "a\\ "]);
  return pattern;
}

// Git 2.39 strips the plain beginning of a pattern before it looks at the stars, so that "a**" followed by a slash
// counts as a component of its own there, against git's documentation. And "./" means nothing to git.
const comparable = (pattern: string): boolean =>
  !/^!?\.\//.test(pattern) && !(pattern.includes("/") && /[^/!*]\*\*|^!?[^/]*[^/!]\*\*/.test(pattern));

test("patterns mean what they mean to git, on generated trees and pattern files", (context) => {
  if (spawnSync("git", ["--version"]).status !== 0) return context.skip("git is not installed");
  const seed = Number(process.env["HOLDFAST_TEST_SEED"] ?? Date.now() % 1_000_000);
  const rounds = Number(process.env["HOLDFAST_TEST_ROUNDS"] ?? 60);
  context.diagnostic(`HOLDFAST_TEST_SEED=${seed} HOLDFAST_TEST_ROUNDS=${rounds}`);
  const chance = chanceFrom(seed);
  const root = mkdtempSync(join(tmpdir(), "holdfast-patterns-"));
  const environment = { PATH: process.env["PATH"], HOME: root, GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" };
  const git = (args: readonly string[], input?: Uint8Array): Buffer => {
    const run = spawnSync("git", args, { cwd: root, env: environment, input, maxBuffer: 1 << 28 });
    assert.ok(run.status === 0 || run.status === 1, run.stderr.toString());
    return run.stdout;
  };
  try {
    git(["init", "--quiet"]);
    const paths: { path: string; isDirectory: boolean }[] = [];
    const grow = (prefix: string, depth: number): void => {
      for (const name of names) {
        const isDirectory = depth < 3 && chance.below(depth === 0 ? 2 : 4) === 0;
        if (!isDirectory && chance.below(3) === 0) continue;
        const path = `${prefix}${name}`;
        const onDisk = Buffer.concat([Buffer.from(`${root}/`), bytes(path)]);
        if (isDirectory) mkdirSync(onDisk);
        else writeFileSync(onDisk, "");
        paths.push({ path, isDirectory });
        if (isDirectory) grow(`${path}/`, depth + 1);
      }
    };
    grow("", 0);
    assert.ok(paths.length > 30);
    const asked = bytes(paths.map(({ path }) => `${path}\0`).join(""));

    for (let round = 0; round < rounds; round++) {
      const lines = Array.from({ length: 1 + chance.below(6) }, () => randomPattern(chance)).filter(comparable);
      const file = bytes(`${lines.join("\n")}\n`);
      writeFileSync(join(root, ".git", "info", "exclude"), file);
      const fields = git(["check-ignore", "--no-index", "--verbose", "--non-matching", "-z", "--stdin"], asked)
        .toString("latin1")
        .split("\0");
      const ignored = new Set<string>();
      for (let i = 0; i + 3 < fields.length; i += 4) {
        const pattern = fields[i + 2]!;
        if (pattern !== "" && !pattern.startsWith("!")) ignored.add(fields[i + 3]!);
      }

      // Here the tree's top is the selected path "top", where git's leading "/" is our "./".
      const list = new PatternList(parsePatternFile(file).map((line) => bytes(textOfLatin(line).replace(/^(!?)\//, "$1./"))));
      const chosen = new Set<string>();
      let skipped: string | undefined;
      for (const { path, isDirectory } of paths) {
        const raw = bytes(`top/${path}`);
        const inside = skipped !== undefined && path.startsWith(skipped);
        if (inside || list.matches(raw, raw.length, nameStartOf(raw, raw.length), 3, isDirectory)) {
          chosen.add(path);
          if (isDirectory && !inside) skipped = `${path}/`;
        }
      }
      assert.deepEqual([...chosen].sort(), [...ignored].sort(), `seed ${seed}, round ${round}: ${JSON.stringify(lines)}`);
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

function textOfLatin(line: Uint8Array): string {
  return Buffer.from(line).toString("latin1");
}
