import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { widthOf } from "../text/text-width.ts";
import { fakeWorld, screenOf } from "../testing/fake-world.ts";
import { Output } from "./output.ts";
import { progressLine, progressMessage } from "./progress-line.ts";
import type { ProgressState, ProgressView } from "./progress.ts";

const GIB = 1024 ** 3;
const VIEW: ProgressView = {
  phase: "backup",
  unit: "files",
  done: 12_345,
  total: 30_000,
  bytesDone: 1.2 * GIB,
  bytesTotal: 2.7 * GIB,
  currentPath: "/home/anna/letters/2026/november.odt",
  perSecond: 120.4 * 1024 * 1024,
  fraction: 1.2 / 2.7,
  secondsRemaining: 12.6,
};

function state(fields: Partial<ProgressState> = {}): ProgressState {
  return { phase: "backup", unit: "files", done: 1, total: 10, bytesDone: 100, bytesTotal: 1000, currentPath: "/a", ...fields };
}

function outputFor(columns: number | undefined, mode: { json?: boolean; quiet?: boolean } = {}, environment = {}) {
  const world = fakeWorld({ ...(columns === undefined ? {} : { columns }), environment });
  const output = new Output(world, { json: false, quiet: false, verbose: false, writes: "events", ...mode });
  return { world, output };
}

/** Lets writes that were begun come to their end. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("the progress line", () => {
  test("says as much as there is room for", () => {
    assert.deepEqual(
      [20, 40, 80, 100, 200].map((columns) => progressLine(VIEW, columns)),
      [
        " 44%  0:13 left",
        " 44%  1.2 GiB of 2.7 GiB  0:13 left",
        " 44%  1.2 GiB of 2.7 GiB  12,345 files   120.4 MiB/s  0:13 left  ...ovember.odt",
        " 44%  1.2 GiB of 2.7 GiB  12,345 files   120.4 MiB/s  0:13 left  .../anna/letters/2026/november.odt",
        "[########..........]   44%  1.2 GiB of 2.7 GiB  12,345 files   120.4 MiB/s  0:13 left  /home/anna/letters/2026/november.odt",
      ],
    );
  });

  test("is always shorter than the terminal is wide, whatever the names are", () => {
    for (const currentPath of ["/日本語/日本語/日本語/日本語/日本語.txt", "/e\u0301".repeat(40), "/👩‍👩‍👧".repeat(20), ""]) {
      for (let columns = 1; columns <= 220; columns++) {
        const line = progressLine({ ...VIEW, currentPath }, columns);
        assert(widthOf(line) < columns, `${columns} columns: ${line}`);
      }
    }
  });

  test("leaves out what is not known", () => {
    const early: ProgressView = { ...VIEW, perSecond: undefined, fraction: undefined, secondsRemaining: undefined };
    assert.equal(progressLine(early, 80), "1.2 GiB  12,345 files  /home/anna/letters/2026/november.odt");
    const counting: ProgressView = {
      phase: "verify",
      unit: "containers",
      done: 3,
      total: 12,
      perSecond: 1,
      fraction: 0.25,
      secondsRemaining: 9,
    };
    assert.equal(progressLine(counting, 80), "[####..............]   25%  3 of 12 containers  0:09 left");
  });

  test("shows no name as it is that a terminal would obey", () => {
    const line = progressLine({ ...VIEW, currentPath: "/\u001b]0;owned\u0007/\n\u009b2Jx" }, 200);
    assert(line.endsWith("  /\\x1b]0;owned\\x07/\\n\\x9b2Jx"), line);
  });

  test("reads well as a message too", () => {
    assert.equal(progressMessage(VIEW), "backup: 44%, 1.2 GiB of 2.7 GiB, 12,345 files, 120.4 MiB/s, 0:13 left");
  });
});

describe("progress on a terminal", () => {
  test("is drawn at most ten times a second, and the latest report is never left out", async () => {
    const { world, output } = outputFor(80);
    using progress = output.startProgress();
    for (let done = 1; done <= 1000; done++) {
      progress.update(state({ done, currentPath: `/small/${done}` }));
      world.clock.pass(1);
      await settle();
    }
    progress.update(state({ done: 1001, currentPath: "/huge" }));
    assert(!screenOf(world.errors.text).includes("/huge"));
    world.clock.pass(100);
    await settle();
    assert.match(screenOf(world.errors.text), /^ 10%  .*1,001 files  .*\/huge$/);
    assert(world.errors.writes.length <= 11, `${world.errors.writes.length} writes`);
  });

  test("overwrites itself without flicker, and is gone at the end", async () => {
    const { world, output } = outputFor(80);
    const progress = output.startProgress();
    progress.update(state({ currentPath: "/a/long/name" }));
    world.clock.pass(150);
    await settle();
    progress.update(state({ currentPath: "/b" }));
    world.clock.pass(150);
    progress.stop();
    await output.finish();
    assert.deepEqual(world.errors.writes, [
      "\r 10%  100 B of 1000 B  1 file  /a/long/name\u001b[K",
      "\r 10%  100 B of 1000 B  1 file  /b\u001b[K",
      "\r\u001b[K",
    ]);
    assert.equal(screenOf(world.errors.text), "");
    assert.equal(world.clock.repeating, 0);
  });

  test("makes way for messages and results", async () => {
    const { world, output } = outputFor(80);
    using progress = output.startProgress();
    progress.update(state());
    world.clock.pass(100);
    await settle();
    output.message("Cannot open /x\u001b[2J");
    progress.update(state({ currentPath: "/later" }));
    world.clock.pass(100);
    await settle();
    assert.equal(screenOf(world.errors.text), "Cannot open /x\\x1b[2J\n 10%  100 B of 1000 B  1 file  /later");
    output.line("result");
    await output.finish();
    assert.equal(screenOf(world.errors.text), "Cannot open /x\\x1b[2J\n");
    assert.equal(world.output.text, "result\n");
  });

  test("follows the width of the window", async () => {
    const { world, output } = outputFor(200);
    using progress = output.startProgress();
    const path = `/${"n".repeat(300)}`;
    for (const columns of [200, 80, 40]) {
      world.errors.columns = columns;
      progress.update(state({ currentPath: path }));
      world.clock.pass(100);
      await settle();
      assert((world.errors.writes.at(-1) ?? "").replace("\r", "").replace("\u001b[K", "").length < columns);
    }
  });

  test("shows a rate of the last seconds and a remaining time, once there is something to tell", async () => {
    const { world, output } = outputFor(200);
    using progress = output.startProgress();
    const mib = 1024 * 1024;
    let bytesDone = 0;
    const work = async (seconds: number, perSecond: number): Promise<string> => {
      for (let tenth = 0; tenth < seconds * 10; tenth++) {
        world.clock.pass(100);
        bytesDone += perSecond / 10;
        progress.update(state({ bytesDone, bytesTotal: 2000 * mib }));
        await settle();
      }
      return world.errors.writes.at(-1) ?? "";
    };
    assert.doesNotMatch(await work(1, 100 * mib), /\/s/);
    assert.match(await work(9, 100 * mib), / (?:99|100)\.\d MiB\/s  0:1\d left/);
    assert.match(await work(20, 10 * mib), / (?:9|10)\.\d MiB\/s  1:\d\d left/);
  });

  test("promises no percentage when there is more than was expected", async () => {
    const { world, output } = outputFor(80);
    using progress = output.startProgress();
    progress.update(state({ bytesDone: 1001 }));
    world.clock.pass(100);
    await settle();
    assert.equal(screenOf(world.errors.text), "1001 B  1 file  /a");
  });
});

describe("progress elsewhere", () => {
  for (const [where, columns, environment] of [
    ["in a file", undefined, {}],
    ["on a terminal that can do nothing", 80, { TERM: "dumb" }],
  ] as const) {
    test(`${where} is a plain line every ten seconds`, async () => {
      const { world, output } = outputFor(columns, {}, environment);
      const progress = output.startProgress();
      for (let second = 0; second < 25; second++) {
        progress.update(state({ done: second }));
        world.clock.pass(1000);
      }
      progress.stop();
      await output.finish();
      assert.equal(
        world.errors.text,
        "backup: 10%, 100 B of 1000 B, 9 files, 0 B/s\nbackup: 10%, 100 B of 1000 B, 19 files, 0 B/s\n",
      );
    });
  }

  test("is silent with --quiet", async () => {
    const { world, output } = outputFor(80, { quiet: true });
    const progress = output.startProgress();
    progress.update(state());
    world.clock.pass(60_000);
    progress.stop();
    await output.finish();
    assert.equal(world.errors.text, "");
  });

  test("is an event a second with --json", async () => {
    const { world, output } = outputFor(80, { json: true });
    const progress = output.startProgress();
    for (let tenth = 1; tenth <= 25; tenth++) {
      progress.update(state({ done: tenth, currentPath: "/\u009b" }));
      world.clock.pass(100);
    }
    progress.stop();
    await output.finish();
    const rest = '"total":10,"bytesDone":100,"bytesTotal":1000,"bytesPerSecond":';
    assert.equal(
      world.output.text,
      `{"event":"progress","phase":"backup","unit":"files","done":10,${rest}null,"secondsRemaining":null,"currentPath":"/\\u009b"}\n` +
        `{"event":"progress","phase":"backup","unit":"files","done":20,${rest}0,"secondsRemaining":null,"currentPath":"/\\u009b"}\n`,
    );
    assert.equal(world.errors.text, "");
  });

  test("a terminal that does not keep up is not flooded", async () => {
    const { world, output } = outputFor(80);
    let release: (() => void) | undefined;
    let writes = 0;
    world.errors.write = () => {
      writes++;
      return new Promise((resolve) => (release = resolve));
    };
    using progress = output.startProgress();
    for (let tenth = 0; tenth < 50; tenth++) {
      progress.update(state());
      world.clock.pass(100);
    }
    await settle();
    assert.equal(writes, 1);
    release?.();
    await settle();
    world.clock.pass(100);
    await settle();
    assert.equal(writes, 2);
    release?.();
  });
});
