// Commands that show what is in the repository.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Difference } from "../library.ts";
import { entry, image, listed, secondImage } from "../testing/fake-repository.ts";
import { asked, run } from "../testing/run.ts";

process.env["TZ"] = "Europe/Berlin";

const ENTRIES = [
  entry("/home/anna", { kind: "directory", mode: 0o755 }),
  entry("/home/anna/a.txt"),
  entry("/home/anna/link\u001b[2J", { kind: "link", mode: 0o777, linkTarget: "../x\u009b" }),
  entry(Uint8Array.of(0x2f, 0xff), { userName: undefined, groupName: "administrators", sizeBytes: 5e9 }),
];
const A_TXT =
  '"path":"/home/anna/a.txt","pathBytes":null,"kind":"file","mode":"0644","userId":1000,"groupId":100,"userName":"anna",' +
  '"groupName":"users","sizeBytes":1234,"modified":"2026-10-01T06:30:05.123456789Z","modifiedSeconds":1790836205,' +
  '"linkTarget":null,"hasHardLinks":false,"inode":"4711"';

describe("images", () => {
  const answers = { images: () => Promise.resolve([image({ unreadable: { count: 2, items: [] } }), secondImage()]) };

  test("are a table, oldest first", async () => {
    const { status, stdout } = await run(["images"], { answers });
    assert.equal(status, 0);
    assert.equal(
      stdout,
      `IMAGE     TIME                  FILES     SIZE      ADDED  SOURCE                         TAGS
3f2a9c81  2026-11-20 14:03:22  12,345  1.3 GiB  343.3 MiB  hal:/home/anna (2 unreadable)
77b0c4d2  2026-11-21 14:03:22  12,360  1.3 GiB   85.9 KiB  hal:/home/anna                 weekly, keep
2 images
`,
    );
  });

  test("are one document for programs", async () => {
    const { stdout } = await run(["images", "--json"], { answers });
    const { images } = JSON.parse(stdout) as { images: Record<string, unknown>[] };
    assert.equal(images.length, 2);
    const { statistics: _statistics, ...second } = images[1] ?? {};
    assert.deepEqual(second, {
      id: secondImage().id,
      source: "hal:/home/anna",
      host: "hal",
      user: "anna",
      paths: ["/home/anna"],
      tags: ["weekly", "keep"],
      hold: null,
      startedAt: "2026-11-21T13:03:22.000Z",
      finishedAt: "2026-11-21T13:03:22.900Z",
      baseImageId: image().id,
      entries: 13_000,
      unreadable: 0,
      skippedSockets: 0,
      changedWhileRead: 0,
      options: {},
      holdfastVersion: "1.2.3",
    });
  });

  test("can be chosen by source, host and tag", async () => {
    const ran = await run(["images", "--source", "s", "--host", "h", "--tag", "t"]);
    assert.deepEqual(asked(ran), [["images", { source: "s", host: "h", tag: "t" }]]);
    assert.equal(ran.stdout, "No image matches.\n");
    assert.equal((await run(["images"])).stdout, "No images yet.\n");
  });

  test("cannot paint the terminal with a tag", async () => {
    const painted = image({ tags: ["\u001b[31mred"], source: "hal:\u202e/x" });
    const { stdout } = await run(["images"], { columns: 80, answers: { images: () => Promise.resolve([painted]) } });
    assert.match(stdout, /hal:\\u202e\/x {2}\\x1b\[31mred$/m);
  });
});

describe("ls", () => {
  test("lists like ls -l, with safe names", async () => {
    const ran = await run(["ls", "latest"], { answers: { entries: () => listed(ENTRIES) } });
    assert.deepEqual(asked(ran), [["entries", "latest", { path: "/", recursive: false, filter: {} }]]);
    assert.equal(
      ran.stdout,
      `drwxr-xr-x  anna  users             2026-10-01 08:30:05  /home/anna
-rw-r--r--  anna  users    1.2 KiB  2026-10-01 08:30:05  /home/anna/a.txt
lrwxrwxrwx  anna  users             2026-10-01 08:30:05  /home/anna/link\\x1b[2J -> ../x\\x9b
-rw-r--r--  1000  administrators    4.7 GiB  2026-10-01 08:30:05  /\\xff
`,
    );
  });

  test("takes paths from where the person stands", async () => {
    const words = ["ls", "3f2a", "letters/", "-R", "--host", "hal"];
    const ran = await run(words);
    assert.deepEqual(asked(ran), [["entries", "3f2a", { path: "/home/anna/letters", recursive: true, filter: { host: "hal" } }]]);
  });

  test("is a line for each entry, for programs, with the exact bytes where text is not enough", async () => {
    const { stdout } = await run(["ls", "latest", "--json"], { answers: { entries: () => listed(ENTRIES) } });
    const lines = stdout.split("\n");
    assert.equal(lines[1], `{"event":"entry",${A_TXT}}`);
    assert.match(lines[2] ?? "", /"linkTarget":"\.\.\/x\\u009b"/);
    assert.match(lines[3] ?? "", /"path":"\/\ufffd","pathBytes":"2fff"/);
  });

  test("stops quietly when the reader has seen enough", async () => {
    const broken = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    const endless = async function* () {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve));
        yield entry("/x".repeat(1000));
      }
    };
    const { status, stderr } = await run(["ls", "latest"], {
      answers: { entries: endless },
      prepare: (world) => {
        world.output.failure = broken;
      },
    });
    assert.deepEqual({ status, stderr }, { status: 141, stderr: "" });
  });

  test("ends at once on Ctrl-C", async () => {
    const { status, stderr } = await run(["ls", "latest"], {
      prepare: (world) => setImmediate(() => world.abort.abort()),
      answers: {
        async *entries() {
          yield await new Promise<never>(() => undefined);
        },
      },
    });
    assert.deepEqual({ status, stderr }, { status: 130, stderr: "holdfast: Interrupted\n" });
  });
});

describe("find", () => {
  const imageIds = ["a", "b", "c", "d"].map((letter) => letter.repeat(64));

  test("says which images hold what it finds", async () => {
    const found = [
      { entry: entry("/home/anna/a.txt"), imageIds: imageIds.slice(0, 1) },
      { entry: entry("/home/anna/b.txt"), imageIds },
    ];
    const ran = await run(["find", "*.txt", "-i", "--tag", "t"], { answers: { find: () => listed(found) } });
    assert.deepEqual(asked(ran), [["find", "*.txt", { filter: { tag: "t" }, ignoreCase: true }]]);
    assert.equal(
      ran.stdout,
      `-rw-r--r--  anna  users    1.2 KiB  2026-10-01 08:30:05  /home/anna/a.txt  (in 1 image: aaaaaaaa)
-rw-r--r--  anna  users    1.2 KiB  2026-10-01 08:30:05  /home/anna/b.txt  (in 4 images: ..., bbbbbbbb, cccccccc, dddddddd)
`,
    );
  });

  test("says so when there is nothing, without a trace in the result", async () => {
    const { status, stdout, stderr } = await run(["find", "*.\u001bx"]);
    assert.deepEqual(
      { status, stdout, stderr },
      { status: 0, stdout: "", stderr: 'No entry of any image matches "*.\\x1bx".\n' },
    );
  });

  test("is a line for each entry, for programs", async () => {
    const found = [{ entry: entry("/home/anna/a.txt"), imageIds: imageIds.slice(0, 1) }];
    const { stdout } = await run(["find", "*.txt", "--json"], { answers: { find: () => listed(found) } });
    assert.equal(stdout, `{"event":"entry",${A_TXT},"imageIds":["${"a".repeat(64)}"]}\n`);
  });
});

describe("diff", () => {
  const differences: Difference[] = [
    { kind: "added", entry: entry("/home/anna/a.txt") },
    { kind: "removed", entry: entry("/home/anna/l\n", { kind: "link", linkTarget: "x" }) },
    { kind: "changed", before: entry("/home/anna/a.txt"), after: entry("/home/anna/a.txt"), changes: ["content", "time"] },
  ];
  const answers = { diff: () => listed(differences) };

  test("marks what is new, gone and changed", async () => {
    const ran = await run(["diff", "11aa", "latest", "sub"], { answers });
    assert.deepEqual(asked(ran), [["diff", "11aa", "latest", { path: "/home/anna/sub" }]]);
    assert.equal(
      ran.stdout,
      `+ /home/anna/a.txt
- /home/anna/l\\n -> x
M /home/anna/a.txt (content, time)
1 added, 1 removed, 1 changed
`,
    );
    assert.equal((await run(["diff", "a", "b"])).stdout, "No differences.\n");
  });

  test("is a line for each difference, for programs, and a summary", async () => {
    const { stdout } = await run(["diff", "a", "b", "--json"], { answers });
    const lines = stdout.split("\n");
    assert.equal(lines[0], `{"event":"difference","kind":"added","entry":{${A_TXT}}}`);
    assert.equal(
      lines[2],
      `{"event":"difference","kind":"changed","changes":["content","time"],"before":{${A_TXT}},"after":{${A_TXT}}}`,
    );
    assert.equal(lines[3], '{"event":"summary","added":1,"removed":1,"changed":1}');
  });
});

describe("dump", () => {
  test("writes bytes as they are", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, value) => value);
    const ran = await run(["dump", "latest", "a"], { answers: { dump: () => listed([bytes, bytes]) } });
    assert.deepEqual(asked(ran), [["dump", "latest", "/home/anna/a", { filter: {} }]]);
    assert.deepEqual(Buffer.from(ran.stdout, "latin1"), Buffer.concat([bytes, bytes]));
  });

  test("shows text on a terminal, however it is cut into pieces", async () => {
    const text = new TextEncoder().encode("grüße\n\t日本\r\n");
    const pieces = [...text].map((byte) => Uint8Array.of(byte));
    const { status, stdout } = await run(["dump", "latest", "a"], { columns: 80, answers: { dump: () => listed(pieces) } });
    assert.deepEqual([status, stdout], [0, Buffer.from(text).toString("latin1")]);
  });

  for (const [what, bytes] of [
    ["zero bytes", Uint8Array.of(65, 0)],
    ["escape sequences", new TextEncoder().encode("\u001b]0;owned\u0007")],
    ["what is not UTF-8", Uint8Array.of(0xff, 0xfe)],
  ] as const) {
    test(`does not write ${what} to a terminal`, async () => {
      const { status, stdout, stderr } = await run(["dump", "latest", "a"], {
        columns: 80,
        answers: { dump: () => listed([bytes]) },
      });
      assert.deepEqual(
        { status, stdout, stderr },
        {
          status: 2,
          stdout: "",
          stderr:
            "holdfast: This is not plain text, and is not written to a terminal\n" +
            "hint: Write it to a file or to a program: `holdfast dump ... > FILE`.\n",
        },
      );
    });
  }

  test("keeps JSON out of the content", async () => {
    const { stdout, stderr } = await run(["dump", "latest", "--json"]);
    assert.equal(stdout, "");
    assert.match(stderr, /^\{"event":"error","code":"USAGE"/);
  });
});

test("cat shows stored things as they are, and checks what they are called", async () => {
  const answers = { inspect: () => Promise.resolve({ id: "x\u001b", size: 2n ** 60n, bytes: Uint8Array.of(1) }) };
  const ran = await run(["cat", "image", "latest"], { answers });
  assert.deepEqual(asked(ran), [["inspect", { kind: "image", id: "latest" }]]);
  assert.equal(ran.stdout, '{\n  "id": "x\\u001b",\n  "size": "1152921504606846976",\n  "bytes": "01"\n}\n');
  assert.equal(
    (await run(["cat", "key", "--json"], { answers })).stdout,
    '{"id":"x\\u001b","size":"1152921504606846976","bytes":"01"}\n',
  );
  const unknown = await run(["cat", "thing"]);
  assert.deepEqual([unknown.status, unknown.calls], [2, []]);
  const nameless = await run(["cat", "page"]);
  assert.deepEqual([nameless.status, nameless.stderr.split("\n")[0]], [2, "holdfast cat page needs an ID"]);
});

test("stats shows what the repository holds", async () => {
  const statistics = {
    images: 2,
    sources: 1,
    containers: 8,
    containerBytes: 3.6e8,
    condemned: { containers: 2, bytes: 4e7 },
    segments: 14_000,
    indexRuns: 1,
    indexBytes: 700_000,
    reserveBytes: 2_100_000,
    requests: undefined,
    logicalBytes: 2.8e9,
  };
  const answers = { statistics: () => Promise.resolve(statistics) };
  assert.equal(
    (await run(["stats"], { answers })).stdout,
    `Repository 00112233445566778899aabbccddeeff in /backup
  images               2, of 1 source
  all images restored  2.6 GiB (7.8 times as much)
  stored               343.3 MiB in 8 containers
  condemned            38.1 MiB in 2 containers, which the next prune removes
  segments             14,000
  index                683.6 KiB in 1 run
  reserve              2.0 MiB
What prune could free: \`holdfast prune --dry-run\` counts it.
`,
  );
  const rowsWith = async (condemned: typeof statistics.condemned | undefined): Promise<string[]> => {
    const shown = await run(["stats"], { answers: { statistics: () => Promise.resolve({ ...statistics, condemned }) } });
    return shown.stdout.split("\n").filter((line) => line.includes("condemned"));
  };
  assert.deepEqual(await rowsWith({ containers: 0, bytes: 0 }), []);
  assert.match((await rowsWith(undefined)).join(), /not known/);
  const { stdout } = await run(["stats", "--json"], { answers });
  assert.deepEqual(JSON.parse(stdout), {
    id: "00112233445566778899aabbccddeeff",
    location: "/backup",
    ...statistics,
    requests: null,
  });
});
