import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";

const root = resolve(import.meta.dirname, "..");

test("the example of docs/library.md runs as it stands and restores what it backed up", () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-library-"));
  try {
    const [, example = ""] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, "docs", "library.md"), "utf8")) ?? [];
    // In a clone the package is the sources themselves.
    const program = example.replace(`"holdfast"`, JSON.stringify(join(root, "src", "main", "index.ts")));
    assert.notEqual(program, example);
    const source = join(directory, "source");
    mkdirSync(join(source, "node_modules"), { recursive: true });
    writeFileSync(join(source, "letter"), "Dear reader");
    writeFileSync(join(source, "node_modules", "left-out"), "x");
    writeFileSync(join(directory, "example.ts"), program);
    const output = execFileSync(process.execPath, [join(directory, "example.ts")], {
      encoding: "utf8",
      env: {
        ...process.env,
        REPOSITORY_DIRECTORY: join(directory, "repository"),
        SOURCE_DIRECTORY: source,
        TARGET_DIRECTORY: join(directory, "restored"),
        XDG_CACHE_HOME: join(directory, "cache"),
      },
    });
    assert.match(output, /^image [0-9a-f]{64}: 1 new files\n/);
    assert.ok(output.includes(`${source}/letter 11\n`));
    assert.ok(!output.includes("left-out"));
    assert.ok(output.endsWith("restored 1 files\n"));
    assert.equal(readFileSync(join(directory, "restored", source, "letter"), "utf8"), "Dear reader");
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("the packed package's entry point is that of the library", () => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { exports: Record<string, unknown> };
  assert.deepEqual(manifest.exports["."], { types: "./dist/main/index.d.ts", default: "./dist/main/index.js" });
});
