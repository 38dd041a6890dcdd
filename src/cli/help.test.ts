import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { GLOBAL_OPTIONS } from "./arguments/global-options.ts";
import type { CommandDefinition } from "./command.ts";
import { commandHelp, nounHelp, overview } from "./help.ts";
import { ENTRIES, isNoun, loadAllCommands } from "./registry.ts";
import { run } from "./testing/run.ts";

const PAGE = join(import.meta.dirname, "../../docs/commands.md");
const commands = await loadAllCommands();

/** docs/commands.md as it has to be: the help of every command, word for word. */
async function commandsPage(): Promise<string> {
  const blocks = [
    "# Commands",
    "The help of the program itself, command by command (`holdfast help COMMAND`). A test keeps this page equal to it; to write it anew:",
    "```\nHOLDFAST_UPDATE_DOCS=1 npm test -- src/cli/help.test.ts\n```",
    "[scripting.md](scripting.md) says what programs may rely on.",
    "## holdfast",
    fenced(await overview("VERSION")),
  ];
  const nouns = new Map(ENTRIES.filter(isNoun).map((noun) => [noun.name, noun]));
  for (const command of commands) {
    const [word = ""] = command.name.split(" ");
    const noun = nouns.get(word);
    if (noun !== undefined) blocks.push(`## holdfast ${noun.name}`, fenced(await nounHelp(noun)));
    nouns.delete(word);
    blocks.push(`## holdfast ${command.name}`, fenced(commandHelp(command)));
  }
  return `${blocks.join("\n\n")}\n`;
}

function fenced(text: string): string {
  return `\`\`\`text\n${text}\`\`\``;
}

test("docs/commands.md is the help of every command", async () => {
  const page = await commandsPage();
  if (process.env["HOLDFAST_UPDATE_DOCS"] === "1") writeFileSync(PAGE, page);
  assert.equal(readFileSync(PAGE, "utf8"), page);
});

describe("help", () => {
  test("fits a terminal of 80 columns, but for examples that are to be copied", async () => {
    const pages = [await overview("1.2.3"), ...commands.map(commandHelp)];
    const long = pages.flatMap((page) => page.split("\n")).filter((line) => line.length > 80);
    const examples = new Set(commands.flatMap((command) => command.examples.map((example) => `  ${example.command}`)));
    assert.deepEqual(
      long.filter((line) => !examples.has(line)),
      [],
    );
  });

  test("looks like this", () => {
    const verify = commands.find(({ name }) => name === "verify") as CommandDefinition;
    assert.equal(
      commandHelp(verify),
      `Check that everything stored is there and whole.

Usage: holdfast verify [OPTIONS]

Checks that every image can be read: its record, its entries, and that every
segment they speak of is there. With --read-data the content is read and checked
too.

A share of the data, others in each run, finds damage within a few runs at a
fraction of the time.

With --against an image is compared with the files it was made of, as they are
now: kind, permissions, owner, times, attributes, targets of links, and content
by reading it. Nothing else is checked then.

Options:
      --read-data[=PERCENT]   read all stored data, or this share of it
      --against PATH          compare an image with this, as it is now; may be
                              repeated
      --image IMAGE           with --against: which one; the newest that was
                              made of all these PATHs unless given

Which images:
      --source SOURCE         only images of this source
      --host HOST             only images from this host
      --tag TAG               only images that carry this tag

Options of every command:
  -r, --repository LOCATION   the repository; otherwise HOLDFAST_REPOSITORY
      --passphrase-file FILE  read the passphrase from this file
      --passphrase-command COMMAND
                              read it from the output of this shell command
      --cache-directory DIR   where to keep what speeds up the next backup
      --threads N             worker threads; otherwise one per processor
      --json                  write JSON for programs
  -q, --quiet                 nothing but results, problems and errors
  -v, --verbose               say more
  -h, --help                  show help

Examples:
  holdfast verify
      quick: everything but the content
  holdfast verify --read-data
      everything
  holdfast verify --read-data=5%
      a twentieth of the content, for every night
  holdfast verify --against /home
      whether the newest image of /home is what is there now

Exit statuses:
  0    done
  1    failed, or damage or a difference was found (it is listed)
  2    the command line is not understood
  10   there is no repository at that place
  11   the repository is locked
  12   wrong passphrase
  130  interrupted
`,
    );
  });

  test("lists the statuses that a command may end with", () => {
    const backup = commandHelp(commands.find(({ name }) => name === "backup") as CommandDefinition);
    assert.match(backup, /^ {2}3 {4}done, but some source items could not be read \(they are listed\)$/m);
  });
});

describe("the commands are described so that", () => {
  test("each has an example, which its own parser understands", async () => {
    for (const command of commands) {
      assert(command.examples.length > 0, command.name);
      for (const { command: line } of command.examples) {
        const [, words = ""] = /holdfast (.*?)(?: [>|] .*|\))?$/.exec(line) ?? assert.fail(line);
        const { status, stderr } = await run(splitWords(words), EVERYTHING);
        assert(status !== 2, `${line}: ${stderr}`);
      }
    }
  });

  test("no option of a command hides one that every command has", () => {
    for (const { name, options } of commands) {
      const shorts = Object.values(GLOBAL_OPTIONS).map(({ short }) => short);
      for (const [option, { short }] of Object.entries(options)) {
        assert(!Object.hasOwn(GLOBAL_OPTIONS, option), `${name} --${option}`);
        assert(short === undefined || !shorts.includes(short), `${name} -${short ?? ""}`);
      }
    }
  });

  test("summaries and the help of options are phrases, descriptions are sentences", () => {
    for (const { name, summary, description, options } of commands) {
      assert.match(summary, /^[A-Z].*[^.]$/, name);
      for (const paragraph of description) assert.match(paragraph, /^[A-Z].*\.$/, name);
      for (const [option, { help }] of Object.entries(options)) assert.match(help, /[^.]$/, `${name} --${option}`);
    }
  });

  test("every command of the registry is called as it says", () => {
    const names = ENTRIES.flatMap((entry) =>
      isNoun(entry) ? entry.verbs.map((verb) => `${entry.name} ${verb.name}`) : [entry.name],
    );
    assert.deepEqual(
      commands.map(({ name }) => name),
      names,
    );
  });
});

/** A world in which every example can run. */
const EVERYTHING = {
  files: { "/root/backup-passphrase": "x", "/root/nightly": "x" },
  typed: ["x", "x", "x", "x"],
  stdin: "/a\0",
};

/** As a shell does it, as far as examples need it. */
function splitWords(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}
