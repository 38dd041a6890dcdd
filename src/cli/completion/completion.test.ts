import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { loadAllCommands } from "../registry.ts";
import { run } from "../testing/run.ts";
import { allOptions, completionModel, namesOf } from "./words.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
const directory = mkdtempSync(join(tmpdir(), "holdfast-test-"));
after(() => rmSync(directory, { recursive: true }));

function without(shell: string): string | false {
  return spawnSync(shell, ["--version"]).status === 0 ? false : `${shell} is not installed`;
}

before(async () => {
  for (const shell of SHELLS) writeFileSync(join(directory, shell), (await run(["completion", shell])).stdout);
  writeFileSync(join(directory, "a file.txt"), "");
});

test("completion knows three shells", async () => {
  const { status, stderr } = await run(["completion", "csh"]);
  assert.equal(status, 2);
  assert.match(stderr, /^holdfast: There is no completion for "csh"; there is one for bash, zsh, fish\n/);
});

for (const shell of SHELLS) {
  test(`the script for ${shell} is understood by it`, { skip: without(shell) }, () => {
    const { status, stderr } = spawnSync(shell, ["-n", join(directory, shell)], { encoding: "utf8" });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  });
}

test("an option means the same in every command, which the scripts rely on", async () => {
  const model = completionModel(await loadAllCommands());
  const meanings = new Map<string, string>();
  for (const option of [...model.globals, ...model.commands.flatMap(({ options }) => options)]) {
    for (const name of namesOf(option)) {
      const meaning = `${option.long} ${option.takes} ${option.choices.join()}`;
      assert.equal(meanings.get(name) ?? meaning, meaning, name);
      meanings.set(name, meaning);
    }
  }
  assert(allOptions(model).length > 30);
});

describe("bash", { skip: without("bash") }, () => {
  /** What bash offers for the last word, as its own machinery would ask. */
  function offered(...words: string[]): readonly string[] {
    const list = words.map((word) => `'${word}'`).join(" ");
    const script = `. ${join(directory, "bash")}
      compopt() { :; }
      COMP_WORDS=(holdfast ${list}); COMP_CWORD=${words.length}
      _holdfast
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", script], { cwd: directory, encoding: "utf8" });
    assert.equal(stderr, "");
    return stdout.split("\n").filter((line) => line !== "");
  }

  test("completes commands, verbs, options and values", () => {
    assert.deepEqual(offered("ba"), ["backup"]);
    assert.deepEqual(offered("re"), ["restore", "repair", "rebuild-index"]);
    assert.deepEqual(offered("key", ""), ["add", "list", "remove", "change"]);
    assert.deepEqual(offered("key", "add", "--new"), ["--new-passphrase-file", "--new-passphrase-command"]);
    assert.deepEqual(offered("backup", "--exclude-"), ["--exclude-file", "--exclude-caches", "--exclude-if-present"]);
    assert.deepEqual(offered("verify", "--re"), ["--read-data", "--read-data=", "--repository"]);
    assert.deepEqual(offered("restore", "--overwrite", ""), ["never", "if-changed", "always"]);
    assert.deepEqual(offered("restore", "--overwrite", "=", "al"), ["always"]);
    assert.deepEqual(offered("backup", "--compression", "="), ["off", "fast", "default", "best"]);
    assert.deepEqual(offered("--j"), ["--json"]);
  });

  test("finds the command behind options and their values", () => {
    assert.deepEqual(offered("-r", "images", "--quiet", "rest"), ["restore"]);
    assert.deepEqual(offered("--repository", "=", "key", "ver"), ["verify", "version"]);
    assert.deepEqual(offered("restore", "-t", "x", ""), ["latest"]);
  });

  test("leaves files to the shell, and offers none where none belong", () => {
    for (const words of [
      ["backup", ""],
      ["restore", "latest", ""],
      ["backup", "--exclude-file", ""],
      ["backup", "--", ""],
    ]) {
      assert.deepEqual(offered(...words), [], words.join(" "));
    }
    assert.deepEqual(offered("key", "remove", ""), []);
    assert.deepEqual(offered("backup", "--tag", ""), []);
  });
});

describe("fish", { skip: without("fish") }, () => {
  function offered(line: string): readonly string[] {
    const script = `source ${join(directory, "fish")}; complete -C '${line}'`;
    const { stdout, stderr } = spawnSync("fish", ["--no-config", "-c", script], { cwd: directory, encoding: "utf8" });
    assert.equal(stderr, "");
    return stdout.split("\n").filter((each) => each !== "");
  }

  test("completes commands, verbs, options and values", () => {
    assert.deepEqual(offered("holdfast ba"), ["backup\tBack up files and directories"]);
    assert.deepEqual(offered("holdfast key re"), ["remove\tRemove a passphrase"]);
    assert.deepEqual(offered("holdfast -r images restore --overwrite a"), [
      "always\twhich files that are there already to replace; if-changed unless given",
    ]);
    assert.deepEqual(offered("holdfast restore "), ["latest"]);
    assert.deepEqual(offered("holdfast restore latest a"), ["a file.txt"]);
    assert.deepEqual(offered("holdfast images a"), []);
  });
});

describe("zsh", { skip: without("zsh") }, () => {
  /** Runs the function with what it calls replaced, and gives the words that it was called with. */
  function specifications(...words: string[]): string {
    const script = `
      compdef() { :; }
      . ${join(directory, "zsh")}
      _arguments() { print -l -- "$@"; state=argument; line=(${words.join(" ")}); return 0; }
      _describe() { :; }
      _holdfast`;
    const { stdout, stderr } = spawnSync("zsh", ["-f", "-c", script], { encoding: "utf8" });
    assert.equal(stderr, "");
    return stdout;
  }

  test("is given the options and arguments of the command", () => {
    const restore = specifications("restore");
    assert(restore.includes("\n(-t --target)-t+[where to; made when missing]:DIR:_files -/\n"), restore);
    assert(
      restore.includes(
        "\n--overwrite=[which files that are there already to replace; if-changed unless given]:WHEN:(never if-changed always)\n",
      ),
    );
    assert(restore.includes("\n1:IMAGE:(latest)\n*:PATH:_files\n"));
    assert(specifications("verify").includes("\n--read-data=-[read all stored data, or this share of it]::PERCENT:\n"));
  });
});
