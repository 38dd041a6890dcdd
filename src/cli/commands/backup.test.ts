import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HoldfastError } from "../../base/errors.ts";
import { newBackupStatistics } from "../../model/backup-report.ts";
import type { BackupOptions, BackupReport } from "../library.ts";
import { backupReport, SECOND_ID } from "../testing/fake-repository.ts";
import { screenOf } from "../testing/fake-world.ts";
import { asked, run, type RunOptions } from "../testing/run.ts";

const STATISTICS = {
  ...newBackupStatistics(),
  filesNew: 1_234,
  filesChanged: 87,
  filesUnchanged: 65_432,
  directories: 4_321,
  symbolicLinks: 117,
  others: 3,
  sourceBytes: 1.4e9,
  bytesToRead: 3.3e8,
  bytesRead: 3.2e8,
};
const REPORT = backupReport({ statistics: STATISTICS, baseImageId: SECOND_ID, addedPlainBytes: 3.1e8, addedStoredBytes: 9e7 });
const PROBLEM = { path: "/home/anna/secret\u001b[2J", action: "open", code: "EACCES" } as const;

function answering(report: BackupReport, during?: (options: BackupOptions) => void): RunOptions {
  const backup = (options: BackupOptions): Promise<BackupReport> => {
    during?.(options);
    return Promise.resolve(report);
  };
  return { answers: { backup } };
}

/** What the library is asked to do, without the listeners and the signal. */
async function requestOf(words: readonly string[], options: RunOptions = {}): Promise<Partial<BackupOptions>> {
  const ran = await run(["backup", ...words], { ...answering(REPORT), ...options });
  assert.deepEqual([ran.status, ran.stderr], [0, ""]);
  const [[, request] = []] = asked(ran);
  const { signal: _signal, onProgress: _progress, onProblem: _problem, onNotice: _notice, ...rest } = request as BackupOptions;
  return rest;
}

const NOTHING_SPECIAL = {
  tags: [],
  exclude: [],
  excludeFiles: [],
  excludeCaches: false,
  excludeIfPresent: [],
  oneFileSystem: false,
  forceRescan: false,
  ignoreInode: false,
  ignoreChangeTime: false,
  fixedSegments: [],
  dryRun: false,
};

describe("a backup asks the library", () => {
  test("for the paths as they were typed, and nothing special", async () => {
    assert.deepEqual(await requestOf(["documents", "/etc"]), { ...NOTHING_SPECIAL, paths: ["documents", "/etc"] });
  });

  test("for paths that look like options, behind --", async () => {
    assert.deepEqual(await requestOf(["a", "--", "-x", "--tag"]), { ...NOTHING_SPECIAL, paths: ["a", "-x", "--tag"] });
  });

  test("for everything that options can say", async () => {
    const words = [
      ["--exclude", "*.o", "-e", "!keep.o", "--exclude-file", "rules", "--exclude-caches", "--exclude-if-present", ".nobackup"],
      ["-x", "--tag", "a", "--tag", "b", "--source", "S", "--host", "H", "--compression", "best", "--force-rescan"],
      ["--rescan-fraction", "1/30", "--fixed-segments", "*.img", "--ignore-inode", "--ignore-ctime"],
      ["--before", "mount it", "--after", "unmount it", "--dry-run", "/data"],
    ].flat();
    assert.deepEqual(await requestOf(words), {
      paths: ["/data"],
      exclude: ["*.o", "!keep.o"],
      excludeFiles: ["/home/anna/rules"],
      excludeCaches: true,
      excludeIfPresent: [".nobackup"],
      oneFileSystem: true,
      tags: ["a", "b"],
      source: "S",
      host: "H",
      compression: "best",
      forceRescan: true,
      rescanFraction: 1 / 30,
      fixedSegments: ["*.img"],
      ignoreInode: true,
      ignoreChangeTime: true,
      before: "mount it",
      after: "unmount it",
      dryRun: true,
    });
  });

  test("for lists of paths as bytes, from files and from standard input", async () => {
    const files = { "/home/anna/list": Uint8Array.of(47, 0xff, 10) };
    const request = await requestOf(["--files-from", "list", "--files-from0", "-"], { files, stdin: "/a\0/b\0" });
    assert.deepEqual(request, {
      ...NOTHING_SPECIAL,
      paths: [],
      filesFrom: [
        { bytes: Uint8Array.of(47, 0xff, 10), separator: "newline" },
        { bytes: new TextEncoder().encode("/a\0/b\0"), separator: "zero" },
      ],
    });
  });

  test("for the output of a command, whose options are its own", async () => {
    const words = ["--stdin-from-command", "--tag", "db", "--", "mysqldump", "--tag", "shop"];
    const { paths, command, tags } = await requestOf(words);
    assert.deepEqual(
      { paths, command, tags },
      {
        paths: undefined,
        command: { arguments: ["mysqldump", "--tag", "shop"], fileName: "stdin" },
        tags: ["db"],
      },
    );
    const named = await requestOf(["--stdin-from-command", "--stdin-file-name", "shop.sql", "--", "x"]);
    assert.deepEqual(named.command, { arguments: ["x"], fileName: "shop.sql" });
  });
});

describe("a backup is not begun", () => {
  for (const [words, expected] of [
    [[], "holdfast: Nothing was named to back up\nhint: Name at least one PATH.\n"],
    [
      ["--stdin-from-command", "mysqldump"],
      "holdfast: --stdin-from-command needs a command after --\nhint: It is written so: holdfast backup --stdin-from-command -- COMMAND ARGUMENT...\n",
    ],
    [
      ["--stdin-from-command", "/etc", "--", "mysqldump"],
      "holdfast: With --stdin-from-command no other paths can be backed up\nhint: It is written so: holdfast backup --stdin-from-command -- COMMAND ARGUMENT...\n",
    ],
    [
      ["--stdin-file-name", "x", "/etc"],
      "holdfast: --stdin-file-name goes with --stdin-from-command only\nhint: It is written so: holdfast backup --stdin-from-command -- COMMAND ARGUMENT...\n",
    ],
    [
      ["--files-from", "-", "--files-from0", "-"],
      "holdfast: Standard input can be read as one list only\nhint: `holdfast backup --help` shows how it is used.\n",
    ],
    [
      ["--files-from", "missing"],
      'holdfast: Cannot read the list of paths "missing": there is no such file (ENOENT)\nhint: `holdfast backup --help` shows how it is used.\n',
    ],
  ] as const) {
    test(`with ${words.join(" ") || "no words"}`, async () => {
      const { status, stdout, stderr, calls } = await run(["backup", ...words]);
      assert.deepEqual({ status, stdout, stderr, calls }, { status: 2, stdout: "", stderr: expected, calls: [] });
    });
  }
});

describe("a backup tells", () => {
  test("what it did, in a few lines", async () => {
    const { status, stdout, stderr } = await run(["backup", "x"], answering(REPORT));
    assert.deepEqual([status, stderr], [0, ""]);
    assert.equal(
      stdout,
      `Made image 3f2a9c81 of hal:/home/anna in 12.3 s (built on 77b0c4d2)
  files   1,234 new, 87 changed, 65,432 unchanged
  source  1.3 GiB in 66,753 files, 4,321 directories, 120 links and other entries
  read    305.2 MiB (24.7 MiB/s)
  added   85.8 MiB to the repository, for 295.6 MiB of new content
`,
    );
  });

  test("what deserves attention, only when there is something", async () => {
    const statistics = { ...STATISTICS, removed: 14, changedWhileRead: 1, silentChanges: 2 };
    const { stdout } = await run(["backup", "x"], answering({ ...REPORT, statistics }));
    const end = stdout.split("\n").slice(5);
    assert.deepEqual(end, [
      "  gone       14 entries of the last image",
      "  in motion  1 file changed while being read",
      "  silent     2 files had changed without a sign of it",
      "",
    ]);
  });

  test("what could not be read, and ends with status 3", async () => {
    const report = { ...REPORT, problems: [PROBLEM], problemCount: 1 };
    const ran = await run(
      ["backup", "x"],
      answering(report, (options) => options.onProblem?.(PROBLEM)),
    );
    assert.equal(ran.status, 3);
    assert.match(ran.stdout, /^ {2}files +1,234 new, 87 changed, 65,432 unchanged, 1 unreadable$/m);
    assert.equal(
      ran.stderr,
      "Cannot open /home/anna/secret\\x1b[2J: permission denied (EACCES)\n" +
        "1 item of the source could not be read, listed above. The image holds everything else.\n",
    );
  });

  test("problems even when it is quiet", async () => {
    const report = { ...REPORT, problems: [PROBLEM], problemCount: 1 };
    const ran = await run(
      ["backup", "x", "--quiet"],
      answering(report, (options) => options.onProblem?.(PROBLEM)),
    );
    assert.deepEqual([ran.status, ran.stdout], [3, ""]);
    assert.match(ran.stderr, /secret/);
  });

  test("what it would do", async () => {
    const { stdout } = await run(["backup", "x", "--dry-run"], answering({ ...REPORT, imageId: undefined }));
    assert.equal(
      stdout,
      `Dry run for hal:/home/anna in 12.3 s: nothing was stored.
  files    1,234 new, 87 changed, 65,432 unchanged
  source   1.3 GiB in 66,753 files, 4,321 directories, 120 links and other entries
  to read  314.7 MiB
`,
    );
  });

  test("that the command afterwards failed, though the image is there", async () => {
    const afterFailure = "The command after the backup failed with status 3: umount /snapshot";
    const { status, stdout, stderr } = await run(["backup", "x"], answering({ ...REPORT, afterFailure }));
    assert.equal(status, 1);
    assert.match(stdout, /^Made image 3f2a9c81/);
    assert.equal(stderr, `holdfast: ${afterFailure}\nhint: The backup itself is complete.\n`);
  });

  test("programs the same, as events", async () => {
    const report = { ...REPORT, problems: [PROBLEM], problemCount: 1, notices: ["The track log was lost"] };
    const ran = await run(
      ["backup", "x", "--json"],
      answering(report, (options) => {
        options.onProblem?.(PROBLEM);
        options.onNotice?.("The track log was lost");
      }),
    );
    const events = ran.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    assert.equal(ran.status, 3);
    assert.equal(ran.stderr, "");
    assert.deepEqual(events, [
      { event: "problem", ...PROBLEM },
      { event: "notice", message: "The track log was lost" },
      {
        event: "summary",
        imageId: REPORT.imageId,
        source: "hal:/home/anna",
        baseImageId: SECOND_ID,
        statistics: STATISTICS,
        addedPlainBytes: 3.1e8,
        addedStoredBytes: 9e7,
        problemCount: 1,
        skippedSockets: [],
        notices: ["The track log was lost"],
        durationMs: 12_340,
        afterFailure: null,
        exitStatus: 3,
      },
    ]);
  });
});

test("a backup goes on when nobody reads its events any more", async () => {
  const ran = await run(["backup", "x", "--json"], {
    ...answering(REPORT, (options) => options.onProblem?.(PROBLEM)),
    prepare: (world) => {
      world.output.failure = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    },
  });
  assert.deepEqual([ran.status, ran.stderr, ran.calls.at(-1)], [0, "", ["close"]]);
});

describe("a backup on a terminal", () => {
  test("shows how far it is, and leaves only what stays interesting", async () => {
    const screens: string[] = [];
    const ran = await run(["backup", "x"], {
      columns: 80,
      prepare: (world) => {
        const { clock, errors } = world;
        world.library = async () => {
          const { fakeLibrary } = await import("../testing/fake-repository.ts");
          const backup = async (options: BackupOptions): Promise<BackupReport> => {
            for (const filesDone of [100, 200]) {
              const progress = { filesDone, bytesDone: filesDone * 1e6, filesExpected: 1_000, bytesExpected: 1e9 };
              options.onProgress?.({ ...progress, currentPath: `/home/anna/${filesDone}\n` });
              if (filesDone === 200) options.onProblem?.(PROBLEM);
              clock.pass(100);
              await new Promise((resolve) => setImmediate(resolve));
              screens.push(screenOf(errors.text));
            }
            return { ...REPORT, problemCount: 1 };
          };
          return fakeLibrary({ backup });
        };
      },
    });
    const problem = "Cannot open /home/anna/secret\\x1b[2J: permission denied (EACCES)";
    assert.deepEqual(screens, [
      " 10%  95.4 MiB of 953.7 MiB  100 files  /home/anna/100\\n",
      `${problem}\n 20%  190.7 MiB of 953.7 MiB  200 files  /home/anna/200\\n`,
    ]);
    assert.equal(
      screenOf(ran.stderr),
      `${problem}\n1 item of the source could not be read, listed above. The image holds everything else.\n`,
    );
    assert.match(ran.stdout, /^Made image/);
  });

  test("stops at the first Ctrl-C, says so, and ends with status 130", async () => {
    const ran = await run(["backup", "x"], {
      columns: 80,
      prepare: (world) => {
        world.library = async () => {
          const { fakeLibrary } = await import("../testing/fake-repository.ts");
          const backup = (options: BackupOptions): Promise<BackupReport> => {
            world.abort.abort();
            assert.equal(options.signal?.aborted, true);
            const hint = "The next backup goes on from there.";
            return Promise.reject(new HoldfastError("INTERRUPTED", { message: "The backup was interrupted", hint }));
          };
          return fakeLibrary({ backup });
        };
      },
    });
    assert.equal(ran.status, 130);
    assert.equal(
      ran.stderr,
      "Stopping. Ctrl-C once more ends at once.\nholdfast: The backup was interrupted\nhint: The next backup goes on from there.\n",
    );
  });
});
