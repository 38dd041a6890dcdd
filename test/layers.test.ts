import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, test } from "node:test";
import { findBreaches } from "./layers.ts";

const root = resolve(import.meta.dirname, "..");

test("every file of the project keeps to the order of the rooms", () => {
  const exclude = ["node_modules", "dist", "build", "bench/data", "bench/results"];
  const found = globSync("**/*.{ts,tsx,mts,cts,js,mjs,cjs}", { cwd: root, exclude });
  const paths = found.map((path) => path.replaceAll("\\", "/"));
  assert(paths.includes("src/main/cli.ts"), "the program itself is among the files");
  const files = new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
  assert.deepEqual(findBreaches(files), []);
});

describe("the check itself", () => {
  function breaches(path: string, source: string): string[] {
    return findBreaches(new Map([[path, source]]));
  }

  test("lets a room import what lies below it, and its own files", () => {
    assert.deepEqual(breaches("src/formats/entry.ts", 'import { utf8 } from "../base/bytes.ts";'), []);
    assert.deepEqual(breaches("src/engine/engine.ts", 'import { cut } from "./cutter.ts";'), []);
    assert.deepEqual(breaches("src/repository/repository.ts", 'import type { Volume } from "../media/volume.ts";'), []);
    assert.deepEqual(breaches("src/client/client.ts", 'import { openTree } from "../sources/files/files.ts";'), []);
  });

  const upward = "src/base/bytes.ts: base may not import engine (src/engine/engine.ts)";
  for (const [kind, source] of Object.entries({
    "an import": 'import { a } from "../engine/engine.ts";',
    "an import over several lines": 'import {\n  a,\n  b,\n} from "../engine/engine.ts";',
    "a type import": 'import type { A } from "../engine/engine.ts";',
    "an import in a type": 'type A = typeof import("../engine/engine.ts");',
    "an import for effect": "import '../engine/engine.ts';",
    "a re-export": 'export * from "../engine/engine.ts";',
    "an import when needed": 'const a = await import("../engine/engine.ts");',
    "the URL of a worker": 'new Worker(new URL("../engine/engine.ts", import.meta.url));',
  })) {
    test(`finds ${kind} that goes up`, () => {
      assert.deepEqual(breaches("src/base/bytes.ts", source), [upward]);
    });
  }

  test("finds imports between rooms of one step", () => {
    assert.deepEqual(breaches("src/model/image.ts", 'import type { Clock } from "../platform/clock.ts";'), [
      "src/model/image.ts: model may not import platform (src/platform/clock.ts)",
    ]);
    assert.deepEqual(breaches("src/sources/imap/imap.ts", 'import { walk } from "../files/files.ts";'), [
      "src/sources/imap/imap.ts: sources/imap may not import sources/files (src/sources/files/files.ts)",
    ]);
  });

  test("finds an import of what is private to another room", () => {
    assert.deepEqual(breaches("src/server/server.ts", 'import { Pages } from "../repository/pages.ts";'), [
      "src/server/server.ts: imports src/repository/pages.ts, which is private to repository",
    ]);
  });

  test("finds a file that no rule covers, and imports of such a file", () => {
    assert.deepEqual(breaches("src/attic/old.ts", ""), [
      "src/attic/old.ts: no rule covers this file; put it into a room or add one to test/layers.ts",
    ]);
    assert.deepEqual(breaches("src/sources/common.ts", "").length, 1);
    assert.deepEqual(breaches("src/main/cli.ts", 'import "../attic/old.ts";'), [
      "src/main/cli.ts: imports src/attic/old.ts, which no rule covers",
    ]);
  });

  test("lets tests and contracts import anything, and nobody import them", () => {
    const source = 'import "../main/index.ts"; import "../repository/pages.ts"; import "esbuild";';
    assert.deepEqual(breaches("src/base/bytes.test.ts", source), []);
    assert.deepEqual(breaches("src/media/volume.contract.ts", source), []);
    assert.deepEqual(breaches("test/whole.test.ts", source), []);
    assert.deepEqual(breaches("src/media/media.ts", 'import "./volume.contract.ts"; import "../../test/layers.ts";'), [
      "src/media/media.ts: imports src/media/volume.contract.ts, which is for tests and tools only",
      "src/media/media.ts: imports test/layers.ts, which is for tests and tools only",
    ]);
  });

  test("lets a package be used in its own rooms only", () => {
    const source = 'import koffi from "koffi"; import { join } from "node:path";';
    assert.deepEqual(breaches("src/platform/linux.ts", source), []);
    const expected = "src/catalog/catalog.ts: catalog may not use the package koffi (see PACKAGES in test/layers.ts)";
    assert.deepEqual(breaches("src/catalog/catalog.ts", source), [expected]);
    assert.deepEqual(breaches("src/catalog/catalog.ts", 'createRequire(import.meta.url)("koffi")'), [expected]);
    assert.deepEqual(breaches("src/main/index.ts", 'import "left-pad/x.js";').length, 1);
  });

  test("does not mistake a comment for an import", () => {
    const source = '// Used by "../engine/engine.ts"; comes from "koffi".\n/** import "../cli/cli.ts" */\n';
    assert.deepEqual(breaches("src/base/bytes.ts", source), []);
  });
});
