import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HoldfastError } from "../base/errors.ts";
import { utf8 } from "../base/bytes.ts";
import { run, type RunOptions } from "./testing/run.ts";

const FILES = { "/home/anna/pass": "from file\n" };
const NOTHING = { HOLDFAST_PASSPHRASE: "" };

function shell(command: string) {
  return { status: 0, output: utf8(`from ${command}\n`) };
}

/** The passphrase that the repository was opened with. */
async function used(words: readonly string[], options: RunOptions): Promise<unknown> {
  const { calls, stderr } = await run(["images", ...words], options);
  assert.equal(stderr, "");
  const [[, opened] = []] = calls;
  return (opened as { readonly passphrase: string }).passphrase;
}

describe("the passphrase comes", () => {
  test("from a file that is named, before the environment", async () => {
    assert.equal(await used(["--passphrase-file", "pass"], { files: FILES }), "from file");
  });

  test("from a command that is named, before the environment", async () => {
    assert.equal(await used(["--passphrase-command", "pass show backup"], { shell }), "from pass show backup");
  });

  test("from the environment, before a prompt", async () => {
    const { world } = await run(["images"], { typed: ["typed"] });
    assert.deepEqual(world.prompts, []);
    assert.equal(await used([], {}), "secret");
  });

  test("from a prompt, when nothing else gives one", async () => {
    assert.equal(await used([], { environment: NOTHING, typed: ["typed"] }), "typed");
    const { world } = await run(["images"], { environment: NOTHING, typed: ["typed"] });
    assert.deepEqual(world.prompts, ["Passphrase: "]);
  });

  test("with one line end less, and every other character as it is", async () => {
    for (const [content, passphrase] of [
      ["  two words \r\n", "  two words "],
      ["a\n\n", "a\n"],
      ["no line end", "no line end"],
      ["日本\n", "日本"],
    ] as const) {
      assert.equal(await used(["--passphrase-file", "/p"], { files: { "/p": content } }), passphrase);
    }
  });
});

describe("a new passphrase", () => {
  const environment = NOTHING;

  test("is typed twice", async () => {
    const { world, calls } = await run(["init"], { environment, typed: ["new", "new"] });
    assert.deepEqual(world.prompts, ["New passphrase: ", "The same again: "]);
    assert.deepEqual(calls[0], ["create", { repository: "/backup", passphrase: "new" }]);
  });

  test("is asked for again when the two differ, but not for ever", async () => {
    const { world, status } = await run(["init"], { environment, typed: ["new", "nwe", "new", "new"] });
    assert.equal(status, 0);
    assert.equal(world.prompts[2], "They differ. New passphrase: ");
    const hopeless = await run(["init"], { environment, typed: ["a", "b", "c", "d", "e", "f", "g", "g"] });
    assert.deepEqual([hopeless.status, hopeless.stderr], [2, "holdfast: The two passphrases differed 3 times\n"]);
  });
});

describe("there is no passphrase", () => {
  for (const [why, words, options, status, expected] of [
    [
      "when nobody can be asked",
      [],
      { environment: NOTHING },
      2,
      "holdfast: No passphrase was given, and nobody can be asked\nhint: Without a terminal it comes from HOLDFAST_PASSPHRASE, --passphrase-file or --passphrase-command.\n",
    ],
    ["when an empty one is typed", [], { environment: NOTHING, typed: [""] }, 2, "holdfast: An empty passphrase was typed\n"],
    [
      "when the file is missing",
      ["--passphrase-file", "nowhere"],
      {},
      2,
      'holdfast: Cannot read the passphrase from "/home/anna/nowhere": there is no such file (ENOENT)\n',
    ],
    [
      "when the file is empty",
      ["--passphrase-file", "/p"],
      { files: { "/p": "\n" } },
      2,
      'holdfast: The file "/p" is no passphrase: it is empty\n',
    ],
    [
      "when the file is not text",
      ["--passphrase-file", "/p"],
      { files: { "/p": Uint8Array.of(0xff) } },
      2,
      'holdfast: The file "/p" is no passphrase: it is not UTF-8 text\n',
    ],
    [
      "when the command fails",
      ["--passphrase-command", "false"],
      { shell: () => ({ status: 1, output: utf8("not this") }) },
      1,
      "holdfast: The command that gives the passphrase ended with status 1\nhint: It was run because of --passphrase-command; run it by itself to see what is wrong.\n",
    ],
    [
      "when the command is killed",
      ["--passphrase-command", "false"],
      { shell: () => ({ status: "SIGTERM", output: utf8("") }) },
      1,
      "holdfast: The command that gives the passphrase was ended by SIGTERM\nhint: It was run because of --passphrase-command; run it by itself to see what is wrong.\n",
    ],
    [
      "when a file and a command are both named",
      ["--passphrase-file", "pass", "--passphrase-command", "x"],
      {},
      2,
      "holdfast: --passphrase-file and --passphrase-command cannot both be given\nhint: `holdfast --help` shows how it is used.\n",
    ],
  ] as const) {
    test(why, async () => {
      const ran = await run(["images", ...words], options);
      assert.deepEqual([ran.status, ran.stderr, ran.calls], [status, expected, []]);
    });
  }

  test("when the program is told to end while it asks", async () => {
    for (const words of [["images"], ["backup", "x"]]) {
      const { status } = await run(words, {
        environment: NOTHING,
        prepare: (world) => {
          world.input.askSecret = () => {
            setImmediate(() => world.abort.abort());
            return new Promise(() => undefined);
          };
        },
      });
      assert.equal(status, 130);
    }
  });

  test("when Ctrl-C answers the prompt", async () => {
    const { status, stderr } = await run(["images"], {
      environment: NOTHING,
      prepare: (world) => {
        world.input.askSecret = () => Promise.reject(new HoldfastError("INTERRUPTED", { message: "Interrupted" }));
      },
    });
    assert.deepEqual([status, stderr], [130, "holdfast: Interrupted\n"]);
  });
});

describe("a passphrase is never shown", () => {
  test("by help, which knows no option that takes one", async () => {
    for (const words of [["--help"], ["init", "--help"], ["key", "add", "--help"], ["key", "change", "--help"]]) {
      const { stdout } = await run(words);
      assert.doesNotMatch(stdout, /--(?:new-)?passphrase(?!-file|-command)/);
      assert.doesNotMatch(stdout, /secret/);
    }
    assert.equal((await run(["images", "--passphrase", "x"])).status, 2);
  });

  test("by any command, however much it says", async () => {
    const phrase = "correct horse battery staple";
    for (const words of [["init"], ["images"], ["key", "add"], ["key", "change"], ["stats"], ["cat", "repository"]]) {
      for (const more of [["--verbose"], ["--json"]]) {
        const ran = await run([...words, ...more], { environment: { HOLDFAST_PASSPHRASE: phrase }, typed: [phrase, phrase] });
        assert(!(ran.stdout + ran.stderr + ran.world.prompts.join("")).includes(phrase), words.join(" "));
      }
    }
  });
});
