import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Repository, SourceDifference } from "../library.ts";
import { compareReport, repairReport } from "../testing/fake-repository.ts";
import { asked, run } from "../testing/run.ts";

const CONTAINER = {
  container: "ab".repeat(32),
  volume: "main",
  problem: "the block at byte 64 is broken",
  savedSegments: 40,
  safeSegments: 2,
  lostSegments: 1,
  isKnown: true,
  setAside: "/backup/volumes/main/damaged/containers/abab",
};
const LOSS = {
  image: "3f2a9c81".repeat(8),
  source: "home",
  startedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  kind: "file",
  path: "/home/anna/a\u001b.txt",
  entries: 1,
  bytes: 4_096,
} as const;

describe("repair", () => {
  test("says so when nothing is lost", async () => {
    const { status, stdout } = await run(["repair"]);
    assert.deepEqual(
      [status, stdout],
      [0, "Read 8 containers in 1.9 s.\nNothing is lost: 2 images can be restored as stored.\n"],
    );
  });

  test("lists what is lost, what became of the containers, and fails", async () => {
    const repair: Repository["repair"] = ({ onLoss } = {}) => {
      for (let i = 0; i < 201; i++) onLoss?.(LOSS);
      return Promise.resolve(
        repairReport({ damagedContainers: [CONTAINER], savedSegments: 40, savedBytes: 5e6, wholeImages: 1, lossCount: 201 }),
      );
    };
    const { status, stdout } = await run(["repair"], { answers: { repair } });
    const lines = stdout.trimEnd().split("\n");
    assert.equal(status, 1);
    assert.equal(lines.filter((line) => line.startsWith("Lost: /home/anna/a")).length, 200);
    assert.equal(stdout.includes("\u001b"), false);
    assert.deepEqual(lines.slice(200), [
      "Lost: 1 more entry (--json lists all)",
      "Damaged: container abababababababab: the block at byte 64 is broken; 40 segments saved, 2 stored elsewhere, 1 cannot be read; now at /backup/volumes/main/damaged/containers/abab",
      "Read 8 containers in 1.9 s.",
      "Saved 40 segments (4.8 MiB) of damaged containers.",
      "201 entries lost; 1 of 2 images can be restored as stored. The next backup stores again what still exists.",
    ]);
    const json = await run(["repair", "--json"], { answers: { repair } });
    assert.equal(json.stdout.split("\n").filter((line) => line.includes('"event":"loss"')).length, 201);
  });

  test("opens another repository with a passphrase of its own", async () => {
    const [[, options]] = asked(
      await run(["repair", "--from", "/second", "-n"], { environment: { HOLDFAST_FROM_PASSPHRASE: "other" } }),
    ) as [[string, Parameters<Repository["repair"]>[0]]];
    assert.deepEqual([options?.dryRun, options?.from?.repository], [true, "/second"]);
    assert.equal(await options?.from?.passphrase(), "other");
    const alone = await run(["repair", "--from-passphrase-file", "/key"]);
    assert.equal(alone.status, 2);
    const both = await run(["repair", "--from", "/second", "--from-passphrase-file", "/key", "--from-passphrase-command", "cat"]);
    assert.equal(both.status, 2);
  });
});

describe("verify --against", () => {
  test("asks for the paths and the image that were named", async () => {
    const [[name, options] = []] = asked(await run(["verify", "--against", "/home", "--against", "/etc", "--image", "3f2a"]));
    const { paths, image } = options as { readonly paths: readonly string[]; readonly image: string };
    assert.deepEqual([name, paths, image], ["compareWithSource", ["/home", "/etc"], "3f2a"]);
  });

  test("lists differences and fails, and says so when there are none", async () => {
    const same = await run(["verify", "--against", "/home"]);
    assert.deepEqual(
      [same.status, same.stdout],
      [0, "Compared image 3f2a9c81 with the source: 26,000 entries, 476.8 MiB read in 1.2 s.\nThey agree.\n"],
    );
    const differences: SourceDifference[] = [
      { kind: "new", path: "/home/n", changes: [] },
      { kind: "missing", path: "/home/m", changes: [] },
      { kind: "changed", path: "/home/c", changes: ["content", "mode"] },
      { kind: "unreadable", path: "/home/u", changes: [], code: "EACCES" },
    ];
    const compareWithSource: Repository["compareWithSource"] = ({ onDifference }) => {
      for (const difference of differences) onDifference?.(difference);
      return Promise.resolve(compareReport({ newEntries: 1, missing: 1, changed: 1, unreadable: 1, differenceCount: 4 }));
    };
    const other = await run(["verify", "--against", "/home"], { answers: { compareWithSource } });
    assert.equal(other.status, 1);
    assert.deepEqual(other.stdout.trimEnd().split("\n"), [
      "+ /home/n",
      "- /home/m",
      "M /home/c (content, mode)",
      "? /home/u (permission denied (EACCES))",
      "Compared image 3f2a9c81 with the source: 26,000 entries, 476.8 MiB read in 1.2 s.",
      "1 new, 1 missing, 1 changed, 1 unreadable.",
    ]);
  });

  test("is not mixed with the other ways to verify", async () => {
    assert.equal((await run(["verify", "--against", "/home", "--read-data"])).status, 2);
    assert.equal((await run(["verify", "--image", "latest"])).status, 2);
  });
});
