// The single-file executable, in a directory where it finds nothing of this repository and with a home of its own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildExecutable, programEntries } from "../scripts/build-executable.ts";
import { programVersion } from "../src/main/version.ts";

describe("the executable", () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-executable-"));
  const home = join(directory, "home");
  const executable = join(directory, "holdfast");
  after(() => rmSync(directory, { recursive: true }));

  before(async () => {
    mkdirSync(home);
    await buildExecutable({ ...programEntries(), output: executable });
  });

  function run(...args: readonly string[]) {
    const env = { HOME: home, NODE_OPTIONS: "--no-such-option" };
    const { status, stdout, stderr } = spawnSync(executable, args, { cwd: directory, env, encoding: "utf8" });
    return { status, stdout, stderr };
  }

  test("runs the program, whatever NODE_OPTIONS says to other programs", () => {
    assert.deepEqual(run("--version"), { status: 0, stdout: `holdfast ${programVersion()}\n`, stderr: "" });
  });
});
