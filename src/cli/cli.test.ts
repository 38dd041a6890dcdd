// The way from words to a command and from an error to an exit status; what all commands have in common.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HoldfastError, type ErrorCode } from "../base/errors.ts";
import { runCommandLine } from "./cli.ts";
import { entry, fakeLibrary, listed } from "./testing/fake-repository.ts";
import { fakeWorld } from "./testing/fake-world.ts";
import { run } from "./testing/run.ts";

describe("without a repository", () => {
  test("the version and help load no library", async () => {
    for (const words of [
      ["--version"],
      ["version"],
      ["--help"],
      ["backup", "--help"],
      ["key", "--help"],
      ["help", "key", "add"],
      ["-h"],
    ]) {
      const world = fakeWorld();
      world.library = () => assert.fail("the library was loaded");
      assert.equal(await runCommandLine(words, world), 0, words.join(" "));
      assert.notEqual(world.output.text, "");
      assert.equal(world.errors.text, "");
    }
  });

  test("the version is one line", async () => {
    assert.equal((await run(["--version"])).stdout, "holdfast 1.2.3\n");
    assert.equal((await run(["version"])).stdout, "holdfast 1.2.3\n");
    assert.equal((await run(["version", "--json"])).stdout, '{"version":"1.2.3"}\n');
    assert.equal((await run(["backup", "--version"])).stdout, "holdfast 1.2.3\n");
  });

  test("help is the same however it is asked for, even among mistakes", async () => {
    const { stdout } = await run(["help", "restore"]);
    for (const words of [
      ["restore", "--help"],
      ["restore", "-h", "--bogus"],
      ["-h", "restore"],
    ]) {
      const ran = await run(words);
      assert.deepEqual([ran.status, ran.stdout, ran.stderr], [0, stdout, ""], words.join(" "));
    }
    assert.match(
      stdout,
      /^Bring files back from an image\.\n\nUsage: holdfast restore \[OPTIONS\] --target DIR IMAGE \[PATH\.\.\.\]\n/,
    );
  });

  test("no words at all show help, and are not understood", async () => {
    const nothing = await run([]);
    assert.deepEqual([nothing.status, nothing.stdout], [2, ""]);
    assert.equal(nothing.stderr, (await run(["help"])).stdout);
  });
});

describe("words that are not understood end with status 2 and a suggestion", () => {
  for (const [words, message] of [
    [["bakcup", "x"], 'holdfast: There is no command "bakcup"\nhint: Did you mean `holdfast backup`?\n'],
    [["snapshots"], 'holdfast: There is no command "snapshots"\nhint: Did you mean `holdfast images`?\n'],
    [["frobnicate"], 'holdfast: There is no command "frobnicate"\nhint: `holdfast help` lists the commands.\n'],
    [["constructor"], 'holdfast: There is no command "constructor"\nhint: `holdfast help` lists the commands.\n'],
    [["\u001b[2J"], 'holdfast: There is no command "\\x1b[2J"\nhint: `holdfast help` lists the commands.\n'],
    [["help", "bakcup"], 'holdfast: There is no command "bakcup"\nhint: Did you mean `holdfast backup`?\n'],
    [["key"], "holdfast key needs a verb: add, list, remove or change\nhint: `holdfast key --help` shows how it is used.\n"],
    [["key", "lst"], 'holdfast key has no verb "lst"\nhint: Did you mean `holdfast key list`?\n'],
    [["backup", "--exlude", "x"], "holdfast backup has no option --exlude\nhint: Did you mean --exclude?\n"],
    [["--exclude", "x", "backup"], "holdfast has no option --exclude\nhint: `holdfast --help` shows how it is used.\n"],
    [["ls"], "holdfast ls needs IMAGE\nhint: `holdfast ls --help` shows how it is used.\n"],
    [["diff", "x"], "holdfast diff needs IMAGE\nhint: `holdfast diff --help` shows how it is used.\n"],
    [["images", "x"], 'holdfast images has no use for "x"\nhint: `holdfast images --help` shows how it is used.\n'],
    [
      ["restore", "latest"],
      "holdfast restore needs the option --target DIR\nhint: `holdfast restore --help` shows how it is used.\n",
    ],
    [
      ["images", "-qv"],
      "holdfast: --quiet and --verbose cannot both be given\nhint: `holdfast images --help` shows how it is used.\n",
    ],
    [
      ["images", "--threads", "none"],
      'holdfast: The value of --threads, "none", is not a whole number above 0\nhint: `holdfast images --help` shows how it is used.\n',
    ],
  ] as const) {
    test(`such as: ${words.join(" ")}`, async () => {
      const { status, stdout, stderr, calls } = await run(words);
      assert.deepEqual({ status, stdout, stderr, calls }, { status: 2, stdout: "", stderr: message, calls: [] });
    });
  }

  test("in JSON as well", async () => {
    const { status, stdout, stderr } = await run(["images", "--json", "x"]);
    assert.deepEqual([status, stderr], [2, ""]);
    assert.deepEqual(JSON.parse(stdout), {
      event: "error",
      code: "USAGE",
      message: 'holdfast images has no use for "x"',
      hint: "`holdfast images --help` shows how it is used.",
      exitStatus: 2,
    });
  });
});

describe("global options", () => {
  test("stand before or after the command, and before the environment", async () => {
    const words = ["-r", "there", "images", "--cache-directory", "cache", "--threads", "3"];
    const { calls } = await run(words);
    assert.deepEqual(calls[0], [
      "open",
      { repository: "/home/anna/there", passphrase: "secret", cacheDirectory: "/home/anna/cache", threads: 3 },
    ]);
  });

  test("name a repository that is no directory as it is", async () => {
    const { calls } = await run(["images", "--repository", "s3://bucket/prefix"]);
    assert.deepEqual(calls[0], ["open", { repository: "s3://bucket/prefix", passphrase: "secret" }]);
  });

  test("or the environment must name a repository", async () => {
    const { status, stderr } = await run(["images"], { environment: { HOLDFAST_REPOSITORY: "" } });
    assert.equal(status, 2);
    assert.equal(
      stderr,
      "holdfast: No repository was named\nhint: Name it with --repository LOCATION, or once for all commands in HOLDFAST_REPOSITORY.\n",
    );
  });
});

describe("the exit status", () => {
  const expected: readonly (readonly [ErrorCode, number])[] = [
    ["USAGE", 2],
    ["REPOSITORY_MISSING", 10],
    ["REPOSITORY_NOT_RECOGNISED", 10],
    ["REPOSITORY_LOCKED", 11],
    ["WRONG_PASSPHRASE", 12],
    ["INTERRUPTED", 130],
    ["REPOSITORY_TOO_NEW", 1],
    ["REPOSITORY_DAMAGED", 1],
    ["PERMISSION_DENIED", 1],
    ["IMAGE_UNKNOWN", 1],
    ["SEAL_BROKEN", 1],
  ];
  for (const [code, status] of expected) {
    test(`of ${code} is ${status}`, async () => {
      const error = new HoldfastError(code, { message: "Cannot \u001b[2J it", hint: "Do \u009b that." });
      const library = fakeLibrary();
      library.openRepository = () => Promise.reject(error);
      const plain = await run(["images"], { library });
      assert.deepEqual([plain.status, plain.stdout], [status, ""]);
      assert.equal(plain.stderr, "holdfast: Cannot \\x1b[2J it\nhint: Do \\x9b that.\n");
      const json = await run(["images", "--json"], { library });
      const report = { event: "error", code, message: "Cannot \u001b[2J it", hint: "Do \u009b that.", exitStatus: status };
      assert.deepEqual([json.status, JSON.parse(json.stdout), json.stderr], [status, report, ""]);
    });
  }

  test("is that of what failed first, when closing the repository fails as well", async () => {
    const images = () => Promise.reject(new HoldfastError("REPOSITORY_READ_FAILED", { message: "Cannot list it" }));
    const close = () => Promise.reject(new HoldfastError("REPOSITORY_WRITE_FAILED", { message: "Cannot close it" }));
    const { status, stderr } = await run(["images"], { answers: { images, [Symbol.asyncDispose]: close } });
    assert.deepEqual({ status, stderr }, { status: 1, stderr: "holdfast: Cannot list it\n" });
  });

  test("of what nobody expected is 1, with a way to find out more", async () => {
    const images = () => Promise.reject(Object.assign(new TypeError("x is not a function"), { code: "ENOSPC" }));
    const { status, stderr } = await run(["images"], { answers: { images } });
    assert.equal(status, 1);
    assert.equal(
      stderr,
      "holdfast: x is not a function: no space left (ENOSPC)\n" +
        "hint: This was not expected. With --verbose it says where it happened; please report it.\n",
    );
    const verbose = await run(["images", "--verbose"], { answers: { images } });
    assert.match(verbose.stderr, /^TypeError: x is not a function\n {4}at /m);
  });

  test("of a result that could not be written is 1", async () => {
    const { status, stderr } = await run(["images"], {
      prepare: (world) => {
        world.output.failure = Object.assign(new Error("write failed"), { code: "ENOSPC" });
      },
    });
    assert.deepEqual([status, stderr.split("\n")[0]], [1, "holdfast: write failed: no space left (ENOSPC)"]);
  });

  test("of a command that was interrupted is 130, whatever broke on the way out", async () => {
    const { status, stderr } = await run(["verify"], {
      prepare: (world) => {
        world.library = () => {
          const verify = () => {
            world.abort.abort();
            return Promise.reject(new Error("a worker was gone"));
          };
          return Promise.resolve(fakeLibrary({ verify }));
        };
      },
    });
    assert.deepEqual([status, stderr], [130, "holdfast: Interrupted\n"]);
  });
});

test("damage that did not prevent opening is told, beside the result", async () => {
  const problems = [new HoldfastError("REPOSITORY_DAMAGED", { message: "Key slot \u001b0 is damaged" })];
  const human = await run(["images"], { answers: { problems } });
  assert.deepEqual([human.status, human.stdout, human.stderr], [0, "No images yet.\n", "Warning: Key slot \\x1b0 is damaged\n"]);
  const document = await run(["images", "--json"], { answers: { problems } });
  assert.equal(document.stdout, '{"images":[]}\n');
  assert.equal(document.stderr, '{"event":"notice","message":"Warning: Key slot \\u001b0 is damaged"}\n');
  const events = await run(["ls", "latest", "--json"], { answers: { problems } });
  assert.deepEqual([events.stdout, events.stderr], [document.stderr, ""]);
});

test("the repository is closed, whatever happens", async () => {
  const images = () => Promise.reject(new Error("broken"));
  const { calls } = await run(["images"], { answers: { images } });
  assert.deepEqual(calls.at(-1), ["close"]);
});

test("no name, tag or message can send a terminal an escape sequence", async () => {
  const evil = "\u001b]0;owned\u0007\u009b2J\u202e\r";
  const found = entry(`/${evil}`, { userName: evil, groupName: evil, linkTarget: evil, kind: "link" });
  const answers = {
    entries: () => listed([found]),
    find: () => listed([{ entry: found, imageIds: [evil] }]),
    diff: () => listed([{ kind: "added" as const, entry: found }]),
    keySlots: () => Promise.resolve([{ id: evil, label: evil, createdAtMs: 0, isCurrent: true }]),
    tag: () => Promise.resolve([evil]),
    inspect: () => Promise.resolve({ [evil]: evil }),
    location: evil,
  };
  const commands = [
    ["ls", "latest"],
    ["find", evil],
    ["diff", "a", evil],
    ["key", "list"],
    ["key", "remove", evil],
    ["tag", evil, "--add", evil],
    ["cat", "image", evil],
    ["stats"],
    ["init"],
    ["backup", "--stdin-file-name", evil, "x"],
    [evil],
    ["ls", "latest", `--${evil}`],
  ];
  for (const words of commands.flatMap((command) => [command, [...command, "--json"]])) {
    const { stdout, stderr } = await run(words, { columns: 80, answers });
    assert.doesNotMatch((stdout + stderr).replaceAll("\n", ""), /[\p{Cc}\p{Bidi_Control}]/u, JSON.stringify(words));
  }
});
