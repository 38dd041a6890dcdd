// Commands that change the repository, or write what it holds.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { RestoreReport } from "../library.ts";
import { restoreReport, verifyReport } from "../testing/fake-repository.ts";
import { asked, run } from "../testing/run.ts";

process.env["TZ"] = "Europe/Berlin";

type RestoreRequest = Parameters<import("../library.ts").Repository["restore"]>[0];

describe("init", () => {
  test("makes a repository and says what matters", async () => {
    const { status, stdout, calls } = await run(["init", "-r", "disk/backup", "--key-label", "first"]);
    assert.equal(status, 0);
    assert.deepEqual(calls, [
      ["create", { repository: "/home/anna/disk/backup", passphrase: "secret", keyLabel: "first" }],
      ["close"],
    ]);
    assert.equal(
      stdout,
      "Made the repository 00112233445566778899aabbccddeeff in /backup\n" +
        "Keep the passphrase safe: without it nobody can read the backups, and nobody can recover it.\n",
    );
  });

  test("tells programs where it is", async () => {
    const { stdout } = await run(["init", "--json"]);
    assert.equal(stdout, '{"id":"00112233445566778899aabbccddeeff","location":"/backup"}\n');
    assert.equal((await run(["init", "--quiet"])).stdout, "");
  });
});

describe("restore", () => {
  function answering(report: RestoreReport, during?: (options: RestoreRequest) => void) {
    const restore = (options: RestoreRequest): Promise<RestoreReport> => {
      during?.(options);
      return Promise.resolve(report);
    };
    return { answers: { restore } };
  }

  test("asks for everything that options can say", async () => {
    const ran = await run(
      [
        "restore",
        "3f2a",
        "letters",
        "/etc",
        "--target",
        "out",
        "--overwrite",
        "if-changed",
        "--delete",
        "--verify",
        "--owners",
        "name",
      ].concat(["--host", "hal", "-n"]),
    );
    const [[, request] = []] = asked(ran);
    const { signal: _signal, onProgress: _progress, onProblem: _problem, ...rest } = request as RestoreRequest;
    assert.deepEqual(rest, {
      image: "3f2a",
      paths: ["/home/anna/letters", "/etc"],
      target: "/home/anna/out",
      overwrite: "if-changed",
      delete: true,
      deleteExcluded: false,
      verify: true,
      owners: "name",
      dryRun: true,
      filter: { host: "hal" },
    });
  });

  test("replaces files that differ and leaves the others alone, unless it is told otherwise", async () => {
    const [[, request] = []] = asked(await run(["restore", "latest", "-t", "/"]));
    const { paths, target, overwrite, delete: removes } = request as RestoreRequest;
    assert.deepEqual(
      { paths, target, overwrite, removes },
      { paths: undefined, target: "/", overwrite: "if-changed", removes: false },
    );
  });

  test("says what it did", async () => {
    const report = restoreReport({ skippedExisting: 4, skippedUnchanged: 1_000, deleted: 2, verifiedFiles: 120 });
    const { status, stdout } = await run(["restore", "latest", "-t", "/tmp/r"], answering(report));
    assert.equal(status, 0);
    assert.equal(
      stdout,
      `Restored image 3f2a9c81 to /tmp/r in 2.0 s
  restored     120 files, 4.8 MiB (2.4 MiB/s)
  left alone   1,000 that were as stored
  not touched  4 that existed (see --overwrite)
  deleted      2 entries
  verified     120 files read back and compared
`,
    );
  });

  test("says what it would do", async () => {
    const { stdout } = await run(["restore", "latest", "-t", "/tmp/r", "--dry-run"]);
    assert.equal(
      stdout,
      `Dry run for image 3f2a9c81 to /tmp/r: nothing was written.
  would restore  4.8 MiB in 120 files, 14 new directories, 3 links and other entries
  would read     1.9 MiB from 2 containers
`,
    );
    const counts = { restoredFiles: 3, replacedFiles: 1, restoredBytes: 2_048, restoredOthers: 0, madeDirectories: 1 };
    const skipped = { skippedUnchanged: 1_000, skippedExisting: 4, deleted: 3, removed: ["/a/\u001bb", "/a"] };
    const some = await run(
      ["restore", "latest", "-t", "/tmp/r", "--dry-run", "--verbose"],
      answering(restoreReport({ ...counts, ...skipped })),
    );
    assert.equal(
      some.stdout,
      `would remove /a/\\x1bb
would remove /a
and 1 more
Dry run for image 3f2a9c81 to /tmp/r: nothing was written.
  would restore  2.0 KiB in 3 files (2 new, 1 replaced), 1 new directory
  left alone     1,000 that are as stored
  not touched    4 that exist (see --overwrite)
  would delete   3 entries
  would read     1.9 MiB from 2 containers
`,
    );
  });

  test("says in words what is in the way, and what to do about it", async () => {
    const problem = { path: "/a", action: "restore", code: "TARGET_CONFLICT" };
    const report = restoreReport({ problems: [problem], problemCount: 1 });
    const ran = await run(["restore", "latest", "-t", "/tmp/r"], answering(report));
    assert.equal(ran.status, 3);
    assert.equal(
      ran.stderr,
      "/a: not restored, because something of another kind is in its place; move that away, or restore with --delete, which removes it with all that is in it\n" +
        "Not everything could be restored as stored: 1 problem, listed above.\n",
    );
  });

  test("lists the first of many problems, and counts all", async () => {
    const problems = Array.from({ length: 1_000 }, (_, i) => ({ path: `/f${1_000 + i}`, action: "set owner", code: "EPERM" }));
    const report = restoreReport({ problems, problemCount: 12_345 });
    const { stderr } = await run(["restore", "latest", "-t", "/tmp/r"], answering(report));
    const lines = stderr.trimEnd().split("\n");
    assert.deepEqual(
      [lines.length, lines[99], ...lines.slice(100)],
      [
        102,
        "/f1099: cannot set owner: not permitted (EPERM)",
        "and 12,245 more; --json lists all of them",
        "Not everything could be restored as stored: 12,345 problems, listed above.",
      ],
    );
  });

  test("lists what went wrong, and its exit status says so", async () => {
    const problem = { path: "/home/anna/\u001bx", action: "set owner", code: "EPERM" };
    const report = restoreReport({ problems: [problem], problemCount: 1 });
    const ran = await run(
      ["restore", "latest", "-t", "/tmp/r"],
      answering(report, ({ onProblem }) => onProblem?.(problem)),
    );
    assert.equal(ran.status, 3);
    assert.match(ran.stdout, /^ {2}problems +1$/m);
    assert.equal(
      ran.stderr,
      "/home/anna/\\x1bx: cannot set owner: not permitted (EPERM)\nNot everything could be restored as stored: 1 problem, listed above.\n",
    );
    const json = await run(
      ["restore", "latest", "-t", "/tmp/r", "--json"],
      answering(report, ({ onProblem }) => onProblem?.(problem)),
    );
    const [first, last] = json.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(first, { event: "problem", ...problem });
    const { event, target, problemCount, exitStatus } = last ?? {};
    assert.deepEqual([event, target, problemCount, exitStatus, json.stderr], ["summary", "/tmp/r", 1, 3, ""]);
  });

  test("shows its phases as it goes", async () => {
    const ran = await run(["restore", "latest", "-t", "/tmp/r", "--json"], {
      prepare: (world) => {
        world.library = async () => {
          const { fakeLibrary } = await import("../testing/fake-repository.ts");
          const restore = ({ onProgress }: RestoreRequest): Promise<RestoreReport> => {
            const counts = { filesDone: 1, filesTotal: 2, bytesDone: 3, bytesTotal: 4, currentPath: "/a" };
            for (const phase of ["plan", "verify"] as const) {
              onProgress?.({ phase, ...counts });
              world.clock.pass(1000);
            }
            return Promise.resolve(restoreReport());
          };
          return fakeLibrary({ restore });
        };
      },
    });
    const counts = '"unit":"files","done":1,"total":2,"bytesDone":3,"bytesTotal":4,"bytesPerSecond":null,"secondsRemaining":null';
    assert.deepEqual(ran.stdout.split("\n").slice(0, 2), [
      `{"event":"progress","phase":"plan",${counts},"currentPath":"/a"}`,
      `{"event":"progress","phase":"verify",${counts},"currentPath":"/a"}`,
    ]);
  });
});

describe("verify", () => {
  const damage = { what: "containers/ab/abcd", problem: "its checksum differs", code: "FORMAT_CHECKSUM" };

  test("says what was checked", async () => {
    const ran = await run(["verify"]);
    assert.deepEqual([ran.status, ran.stderr], [0, ""]);
    assert.equal(ran.stdout, "Checked 2 images, 26,000 entries, 14,000 segments in 0.9 s.\nNo damage was found.\n");
    const [[, options] = []] = asked(ran);
    assert.equal((options as { readData?: number }).readData, undefined);
  });

  test("reads as much as it is told", async () => {
    for (const [word, share] of [
      ["--read-data", 1],
      ["--read-data=5%", 0.05],
      ["--read-data=2.5", 0.025],
    ] as const) {
      const [[, options] = []] = asked(await run(["verify", word]));
      assert.equal((options as { readData?: number }).readData, share);
    }
  });

  test("lists damage and fails", async () => {
    const report = verifyReport({ damages: [damage], containersChecked: 1, bytesRead: 5e8 });
    const answers = { verify: () => Promise.resolve(report) };
    const { status, stdout, stderr } = await run(["verify", "--read-data=5%"], { answers });
    assert.deepEqual([status, stderr], [1, "holdfast: 1 damage found; `holdfast repair` saves what can be saved\n"]);
    assert.equal(
      stdout,
      `Damaged: containers/ab/abcd: its checksum differs (FORMAT_CHECKSUM)
Checked 2 images, 26,000 entries, 14,000 segments in 0.9 s.
Read 476.8 MiB in 1 of 8 containers.
`,
    );
    const json = await run(["verify", "--json"], { answers });
    assert.deepEqual(json.stdout.split("\n"), [
      '{"event":"damage","what":"containers/ab/abcd","problem":"its checksum differs","code":"FORMAT_CHECKSUM"}',
      '{"event":"summary","images":2,"entries":26000,"segments":14000,"containersChecked":1,"containers":8,"bytesRead":500000000,"damageCount":1,"transientCount":0,"durationMs":900,"exitStatus":1}',
      "",
    ]);
  });
});

describe("key", () => {
  const slots = [
    { id: "0123456789abcdef", label: "first", createdAtMs: Date.UTC(2026, 0, 2, 3, 4, 5), isCurrent: true },
    { id: "fedcba9876543210", label: "safe\u001b", createdAtMs: Date.UTC(2026, 5, 2, 3, 4, 5), isCurrent: false },
  ];

  test("list shows the slots and marks the one in use", async () => {
    const answers = { keySlots: () => Promise.resolve(slots) };
    assert.equal(
      (await run(["key", "list"], { answers })).stdout,
      `KEY               CREATED              LABEL
0123456789abcdef  2026-01-02 04:04:05  first     *
fedcba9876543210  2026-06-02 05:04:05  safe\\x1b
`,
    );
    const { stdout } = await run(["key", "list", "--json"], { answers });
    assert.deepEqual((JSON.parse(stdout) as { keys: unknown[] }).keys[0], {
      id: "0123456789abcdef",
      label: "first",
      createdAt: "2026-01-02T03:04:05.000Z",
      isCurrent: true,
    });
  });

  test("add asks twice for the new passphrase", async () => {
    const ran = await run(["key", "add", "--label", "safe"], { typed: ["new", "new"] });
    assert.deepEqual(ran.world.prompts, ["New passphrase: ", "The same again: "]);
    assert.deepEqual(asked(ran), [["addKeySlot", "new", "safe"]]);
    assert.equal(ran.stdout, 'Added the key slot 1122334455667788 "safe".\n');
  });

  test("add and change take it from a file or a command instead", async () => {
    const files = { "/home/anna/new": "from file\n" };
    const shell = (command: string) => ({ status: 0, output: new TextEncoder().encode(`from ${command}\r\n`) });
    assert.deepEqual(asked(await run(["key", "add", "--new-passphrase-file", "new"], { files })), [
      ["addKeySlot", "from file", ""],
    ]);
    const changed = await run(["key", "change", "--new-passphrase-command", "vault"], { shell });
    assert.deepEqual(asked(changed), [["changePassphrase", "from vault"]]);
    assert.equal(changed.stdout, "Changed the passphrase. Its key slot is 8877665544332211.\n");
  });

  test("remove names the slot", async () => {
    const ran = await run(["key", "remove", "fedcba9876543210"]);
    assert.deepEqual(asked(ran), [["removeKeySlot", "fedcba9876543210"]]);
    assert.equal(ran.stdout, "Removed the key slot fedcba9876543210.\n");
    assert.equal((await run(["key", "remove", "x", "--json"])).stdout, '{"removed":"x"}\n');
  });
});

describe("tag", () => {
  test("adds, removes or sets", async () => {
    const tag = () => Promise.resolve(["a", "b"]);
    const ran = await run(["tag", "latest", "--add", "a", "--remove", "c"], { answers: { tag } });
    assert.deepEqual(asked(ran), [
      ["image", "latest"],
      ["tag", "latest", { add: ["a"], remove: ["c"] }],
    ]);
    assert.equal(ran.stdout, "Image latest has the tags a, b.\n");
    assert.deepEqual(asked(await run(["tag", "x", "--set", "a", "--set", "b"]))[1], ["tag", "x", { set: ["a", "b"] }]);
    assert.equal((await run(["tag", "x", "--remove", "a"])).stdout, "Image x has no tags.\n");
  });

  test("wants to know what to do", async () => {
    for (const words of [
      ["tag", "x"],
      ["tag", "x", "--set", "a", "--add", "b"],
    ])
      assert.equal((await run(words)).status, 2);
  });
});

describe("rebuild-index", () => {
  test("says what it found", async () => {
    const rebuildIndex = () => Promise.resolve({ containers: 8, segments: 14_000, images: 2, damaged: [] });
    const { status, stdout } = await run(["rebuild-index"], { answers: { rebuildIndex } });
    assert.deepEqual([status, stdout], [0, "Indexed 8 containers, 14,000 segments, 2 images in 0.0 s.\n"]);
  });

  test("lists what it could not read and fails", async () => {
    const damaged = [{ container: "abcd", problem: "it is truncated" }];
    const rebuildIndex = () => Promise.resolve({ containers: 8, segments: 14_000, images: 2, damaged });
    const { status, stdout, stderr } = await run(["rebuild-index"], { answers: { rebuildIndex } });
    assert.deepEqual([status, stderr], [1, "holdfast: 1 container could not be read\n"]);
    assert.match(stdout, /^Damaged: abcd: it is truncated\nIndexed 8 containers/);
    const json = await run(["rebuild-index", "--json"], { answers: { rebuildIndex } });
    assert.deepEqual(json.stdout.split("\n").slice(0, 2), [
      '{"event":"damage","what":"abcd","problem":"it is truncated"}',
      '{"event":"summary","containers":8,"segments":14000,"images":2,"damageCount":1,"durationMs":0,"exitStatus":1}',
    ]);
  });
});
