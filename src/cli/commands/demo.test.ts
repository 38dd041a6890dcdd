import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { newBackupStatistics } from "../../model/backup-report.ts";
import { NO_STATISTICS } from "../../model/image.ts";
import type { BackupOptions, ListedEntry, Repository } from "../library.ts";
import {
  backupReport,
  entry,
  fakeLibrary,
  image,
  listed,
  restoreReport,
  SECOND_ID,
  secondImage,
} from "../testing/fake-repository.ts";
import { asked, run, type RunOptions } from "../testing/run.ts";
import type { EntryComparison } from "../world.ts";

process.env["TZ"] = "Europe/Berlin";

const MODIFIED = entry("/x").modifiedSeconds;
const SAME: EntryComparison = { differences: [], originalModifiedSeconds: MODIFIED };
const ENTRIES = [
  entry("/home/anna/data", { kind: "directory", mode: 0o755 }),
  entry("/home/anna/data/a\u001b"),
  entry("/home/anna/data/b"),
  entry("/home/anna/data/link", { kind: "link", linkTarget: "a" }),
];

function answers(entries: readonly ListedEntry[] = ENTRIES, files = 2): Partial<Repository> {
  const first = { ...newBackupStatistics(), filesNew: 2, directories: 1, symbolicLinks: 1, sourceBytes: 2_468, bytesRead: 2_468 };
  const second = { ...first, filesNew: 0, filesUnchanged: 2, bytesRead: 0 };
  const reports = [
    backupReport({ statistics: first, addedStoredBytes: 1_000, addedPlainBytes: 2_468, durationMs: 300 }),
    backupReport({ statistics: second, addedStoredBytes: 100, durationMs: 120, imageId: SECOND_ID, baseImageId: image().id }),
  ];
  const statistics = { ...NO_STATISTICS, files, contentBytes: files * 1_234 };
  return {
    backup: () => Promise.resolve(reports.shift() ?? assert.fail("a third backup")),
    images: () => Promise.resolve([image(), secondImage()]),
    image: () => Promise.resolve(image({ statistics })),
    entries: () => listed(entries),
    restore: () => Promise.resolve(restoreReport({ restoredFiles: 2, restoredBytes: 2_468, durationMs: 90 })),
  };
}

function demo(words: readonly string[] = [], options: RunOptions = {}) {
  return run(["demo", "data", ...words], { answers: answers(), compare: () => SAME, ...options });
}

describe("the demonstration", () => {
  test("tells step by step what it does and how to go on", async () => {
    const { status, stdout, stderr } = await demo();
    assert.deepEqual([status, stderr], [0, ""]);
    assert.equal(
      stdout,
      `Backing up /home/anna/data and bringing it back. Nothing in it is changed.

1. A new repository
  /tmp/holdfast-abc/repository, encrypted with a passphrase that was made up for it

2. The first backup reads everything
  Made image 3f2a9c81 of hal:/home/anna in 0.3 s (the first of its source)
    files   2 new, 0 changed, 0 unchanged
    source  2.4 KiB in 2 files, 1 directory, 1 link or other entry
    read    2.4 KiB
    added   1000 B to the repository, for 2.4 KiB of new content

3. The second backup costs only what changed
  Made image 77b0c4d2 of hal:/home/anna in 0.1 s (built on 3f2a9c81)
    files   0 new, 0 changed, 2 unchanged
    source  2.4 KiB in 2 files, 1 directory, 1 link or other entry
    read    0 B
    added   100 B to the repository

4. Both are full images
  IMAGE     TIME                  FILES     SIZE      ADDED  SOURCE          TAGS
  3f2a9c81  2026-11-20 14:03:22  12,345  1.3 GiB  343.3 MiB  hal:/home/anna
  77b0c4d2  2026-11-21 14:03:22  12,360  1.3 GiB   85.9 KiB  hal:/home/anna  weekly, keep

5. Everything comes back
  Restored image 3f2a9c81 to /tmp/holdfast-abc/restored in 0.1 s
    restored  2 files, 2.4 KiB
  Compared byte for byte with /home/anna/data: 2 files, 1 directory, 1 link or other entry (2.4 KiB) are the same.

What happened
  The first backup read 2.4 KiB and stored 1000 B (41% of its size), encrypted.
  The second took 0.1 s and added 100 B; it is as complete as the first.
  What was restored is what is there now.

To go on
  holdfast init --repository /path/to/backup
  holdfast backup --repository /path/to/backup /home/anna/data
  holdfast images --repository /path/to/backup
  holdfast restore --repository /path/to/backup latest --target /tmp/restored

The repository of this demonstration is removed now; --keep keeps it.
`,
    );
  });

  test("works in a place of its own, and leaves nothing behind", async () => {
    const ran = await demo();
    const passphrase = "29gpw-5cjsz-8fnv4-biry7";
    assert.deepEqual(ran.calls[0], [
      "create",
      { repository: "/tmp/holdfast-abc/repository", cacheDirectory: "/tmp/holdfast-abc/cache", passphrase },
    ]);
    const [[, request] = []] = asked(ran);
    const { paths, exclude } = request as BackupOptions;
    assert.deepEqual({ paths, exclude }, { paths: ["/home/anna/data"], exclude: ["/tmp/holdfast-abc"] });
    assert.deepEqual(ran.world.removed, ["/tmp/holdfast-abc"]);
    assert(!ran.stdout.includes(passphrase));
  });

  test("keeps everything when it is told to, and says how to use it", async () => {
    const { stdout, world } = await demo(["--keep"]);
    assert.deepEqual(world.removed, []);
    assert.match(
      stdout,
      /\n {2}The passphrase is 29gpw-5cjsz-8fnv4-biry7\n {2}holdfast images --repository \/tmp\/holdfast-abc\/repository\n/,
    );
    assert.match(stdout, /\nEverything is kept in \/tmp\/holdfast-abc\n$/);
  });

  test("fails when something came back different, and names it", async () => {
    const { status, stdout } = await demo([], {
      compare: (original) => (Buffer.from(original).includes(0x1b) ? { ...SAME, differences: ["content", "mode"] } : SAME),
    });
    assert.equal(status, 1);
    assert.match(stdout, /^ {2}Different: \/home\/anna\/data\/a\\x1b \(content, mode\)$/m);
    assert.match(stdout, /^ {2}But 1 entry came back different: please report this\.$/m);
  });

  test("does not blame itself for files that changed in the meantime", async () => {
    const { status, stdout } = await demo([], {
      compare: () => ({ differences: ["content", "time"], originalModifiedSeconds: MODIFIED + 1 }),
    });
    assert.equal(status, 0);
    assert.match(stdout, /^ {2}4 changed in the meantime and could not be compared\.$/m);
  });

  test("restores a sample of what is large", async () => {
    const many = Array.from({ length: 300_000 }, (_, position) => entry(`/home/anna/data/${position}`));
    const ran = await demo([], { answers: answers(many, many.length) });
    assert.match(ran.stdout, /^5\. A sample comes back: 2,000 files of 300,000$/m);
    const [, request] = asked(ran).find(([name]) => name === "restore") ?? [];
    const { paths } = request as { readonly paths: readonly Uint8Array[] };
    assert.deepEqual(
      paths.slice(0, 2).map((path) => Buffer.from(path).toString()),
      ["/home/anna/data/0", "/home/anna/data/150"],
    );
  });

  test("cleans up when it fails", async () => {
    const library = fakeLibrary();
    library.createRepository = () => Promise.reject(new Error("no space"));
    const { status, world } = await demo([], { library });
    assert.deepEqual([status, world.removed], [1, ["/tmp/holdfast-abc"]]);
  });

  test("is a list of events for programs", async () => {
    const { stdout } = await demo(["--json"]);
    const events = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string });
    const names = events.map(({ event }) => event);
    assert.deepEqual(names, ["step", "step", "backup", "step", "backup", "step", "step", "restore", "summary"]);
    assert.deepEqual(events.at(-1), { event: "summary", comparedFiles: 2, comparedBytes: 2_468, different: [], exitStatus: 0 });
  });
});
