// The benchmark itself: its arithmetic, and that it runs from end to end at a size that says nothing about speed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, test, type TestContext } from "node:test";
import type { Case } from "../bench/cases.ts";
import { requireDataset, type DatasetName } from "../bench/datasets.ts";
import { createGenerator } from "../bench/generate.ts";
import { measure, median } from "../bench/measure.ts";
import { readOptions } from "../bench/options.ts";
import { markdownTable, rowsOf } from "../bench/report.ts";
import type { Run } from "../bench/run.ts";

const ROOT = path.dirname(import.meta.dirname);
const GNU_TIME = "/usr/bin/time";
const withoutTime = fs.existsSync(GNU_TIME) ? false : "GNU time is not installed (package time)";

test("the median of an even number of values lies between the two in the middle", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 2, 9]), 3);
});

describe("the table of results", () => {
  const one: Case = {
    id: "first",
    title: "first backup",
    kind: "first",
    dataset: "kernel",
    shown: ["wall", "repository", "memory"],
    floors: [
      { measure: "wall", ratio: 0.45 },
      { measure: "repository", ratio: 0.85 },
      { measure: "memory", value: 350 << 20 },
    ],
  };
  const run = (wallSeconds: number, repositoryMib: number): Run => ({
    wallSeconds,
    cpuSeconds: 1,
    peakMemoryBytes: 200 << 20,
    otherCpuSeconds: 0,
    repositoryBytes: repositoryMib << 20,
  });
  const tools = [
    { name: "holdfast", title: "Holdfast" },
    { name: "restic", title: "restic 0.19.1" },
    { name: "borg", title: "borg 1.4.5" },
  ] as const;

  test("compares Holdfast with the better peer of each row and says whether the floor is met", () => {
    const rows = rowsOf({
      case: one,
      runs: { holdfast: [run(4, 90), run(3, 90), run(80, 90)], restic: [run(10, 100)], borg: [run(8, 120)] },
    });
    assert.equal(
      markdownTable(rows, tools, true),
      [
        "| case | measure | Holdfast | restic 0.19.1 | borg 1.4.5 | ratio | at most | met |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
        "| first backup | wall time | 4.00 s | 10.00 s | 8.00 s | 0.50 × | 0.45 × | **no** |",
        "|  | repository size | 90.0 MiB | 100 MiB | 120 MiB | 0.90 × | 0.85 × | **no** |",
        "|  | peak memory | 200 MiB | 200 MiB | 200 MiB | 1.00 × | 350 MiB | yes |",
        "",
      ].join("\n"),
    );
  });

  test("judges nothing without peers but what has a floor of its own", () => {
    const rows = rowsOf({ case: one, runs: { holdfast: [run(4, 90)] } });
    assert.deepEqual(
      rows.map(({ ratio, met }) => ({ ratio, met })),
      [
        { ratio: undefined, met: undefined },
        { ratio: undefined, met: undefined },
        { ratio: undefined, met: true },
      ],
    );
  });
});

describe("the options of the benchmark", () => {
  test("select cases and tools in the benchmark's own order", () => {
    const { cases, tools } = readOptions(["--cases", "next-kernel,first-kernel", "--tools", "borg,holdfast"], ROOT);
    assert.deepEqual(
      cases.map(({ id }) => id),
      ["first-kernel", "next-kernel"],
    );
    assert.deepEqual(tools, ["holdfast", "borg"]);
  });

  test("name what is known when a case is not", () => {
    assert.throws(() => readOptions(["--cases", "secnd"], ROOT), /no case "secnd"; known are first-kernel, /);
    assert.throws(() => readOptions(["--runs", "0"], ROOT), /--runs must be a whole number from 1/);
  });
});

describe("the data of the benchmark", () => {
  test("is the same wherever it is generated", () => {
    const { fillText, fillRandom } = createGenerator(7);
    const text = Buffer.alloc(100_000);
    const random = Buffer.alloc(1001);
    fillText(text);
    fillRandom(random);
    const digest = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    assert.deepEqual([digest(text), digest(random)], ["840f77d18348ee6f", "05f3d5171f1fdfa4"]);
  });

  test("is made once and then found again", async (context) => {
    const directory = temporaryDirectory(context);
    const said: string[] = [];
    const options = { directory, scale: "small", mirror: "", say: (line: string) => void said.push(line) } as const;
    for (const name of ["kernel", "large", "million"] satisfies DatasetName[]) {
      const made = await requireDataset(name, true, options);
      const found = await requireDataset(name, true, options);
      assert.deepEqual(found.totals, made.totals);
      assert.ok(made.totals.bytes > 1_000_000);
    }
    assert.equal(said.length, 2, said.join("\n"));
  });

  test("has a next version that takes the first one's place and leaves it again", async (context) => {
    const directory = temporaryDirectory(context);
    const { tree, swapInNext } = await requireDataset("kernel", true, { directory, scale: "small", mirror: "", say() {} });
    assert.ok(swapInNext);
    const parts = () => fs.readdirSync(path.join(tree, "lib")).length + fs.readdirSync(path.join(tree, "drivers")).length;
    const file = path.join(tree, "lib/part-1/file-3.c");
    const before = fs.readFileSync(file);
    {
      using _swapped = swapInNext();
      assert.notDeepEqual(fs.readFileSync(file), before);
      assert.equal(fs.existsSync(path.join(tree, "drivers/part-0")), false);
      assert.equal(parts(), 40);
    }
    assert.deepEqual(fs.readFileSync(file), before);
    assert.equal(parts(), 40);
  });
});

describe("measuring a command", { skip: withoutTime }, () => {
  test("counts processor time and memory of its children too", async (context) => {
    const directory = temporaryDirectory(context);
    const work = "const b = Buffer.alloc(100 << 20, 1); for (const end = Date.now() + 400; Date.now() < end;) b.fill(2);";
    const parent = `require("node:child_process").execFileSync(process.execPath, ["-e", ${JSON.stringify(work)}])`;
    const found = await measure(
      { command: [process.execPath, "-e", parent], environment: {}, directory },
      { time: GNU_TIME, log: path.join(directory, "log") },
    );
    assert.ok(found.wallSeconds > 0.4, `wall ${found.wallSeconds}`);
    assert.ok(found.cpuSeconds > 0.05, `CPU ${found.cpuSeconds}`);
    // The child's 100 MiB, and the parent beside it.
    assert.ok(found.peakMemoryBytes > 130 << 20, `memory ${found.peakMemoryBytes}`);
  });

  test("fails with the end of the output when the command fails", async (context) => {
    const directory = temporaryDirectory(context);
    const command = { command: ["bash", "-c", "echo no space left >&2; exit 7"], environment: {}, directory };
    await assert.rejects(
      measure(command, { time: GNU_TIME, log: path.join(directory, "log") }),
      /ended with 7:\n.*no space left/s,
    );
  });
});

test(
  "the benchmark runs from end to end with Holdfast at the small scale",
  { skip: withoutTime || withoutBackup() },
  (context) => {
    const directory = temporaryDirectory(context);
    // Not the executable, which may have been built from older sources.
    const holdfast = path.join(ROOT, "bin/holdfast.js");
    const selected = ["first-kernel", "restore-kernel", "verify-kernel", "unchanged-kernel", "next-kernel", "list"];
    const settings = ["--scale", "small", "--runs", "1", "--data", directory];
    const args = [...settings, "--tools", "holdfast", "--holdfast", holdfast, "--cases", selected.join(",")];
    const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(ROOT, "bench/bench.ts"), ...args], {
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /\| first backup, kernel tree \| wall time \| /);

    const results = path.join(directory, "results");
    const file = fs.readdirSync(results).find((name) => name.endsWith(".json")) ?? "";
    const { cases } = JSON.parse(fs.readFileSync(path.join(results, file), "utf8")) as {
      cases: { id: string; runs: { holdfast: Run[] } }[];
    };
    assert.deepEqual(
      cases.map(({ id }) => id),
      selected,
    );
    const added = (id: string) => cases.find((found) => found.id === id)?.runs.holdfast[0]?.addedBytes ?? Number.NaN;
    assert.ok(
      added("unchanged-kernel") < added("next-kernel"),
      "a backup of a changed tree adds more than one of an unchanged tree",
    );
    assert.ok(added("next-kernel") < added("first-kernel"), "and less than the first one");
    assert.equal(fs.existsSync(path.join(directory, "work")), false, "the repositories are removed");
  },
);

function withoutBackup(): string | false {
  const { stdout, stderr } = spawnSync(process.execPath, [path.join(ROOT, "bin/holdfast.js"), "--help"], { encoding: "utf8" });
  return /\bbackup\b/.test(stdout + stderr) ? false : "the command line has no backup yet";
}

function temporaryDirectory(context: TestContext): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "holdfast-bench-"));
  context.after(() => fs.rmSync(directory, { recursive: true, force: true }));
  return directory;
}
