// The single-file executable, in a directory where it finds nothing of this repository and with a home of its own.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildExecutable, programEntries } from "../scripts/build-executable.ts";
import { programVersion } from "../src/main/version.ts";

describe("the executable", () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-executable-"));
  const home = join(directory, "home");
  const executable = join(directory, "holdfast");
  const repository = join(directory, "repository");
  after(() => rmSync(directory, { recursive: true }));

  before(async () => {
    mkdirSync(home);
    await buildExecutable({ ...programEntries(), output: executable });
  });

  function run(...args: readonly string[]) {
    const env = {
      HOME: home,
      NODE_OPTIONS: "--no-such-option",
      HOLDFAST_PASSPHRASE: "correct horse",
      HOLDFAST_REPOSITORY: repository,
    };
    const { status, stdout, stderr } = spawnSync(executable, args, { cwd: directory, env, encoding: "utf8" });
    return { status, stdout, stderr };
  }

  test("runs the program, whatever NODE_OPTIONS says to other programs", () => {
    assert.deepEqual(run("--version"), { status: 0, stdout: `holdfast ${programVersion()}\n`, stderr: "" });
  });

  test("backs up and restores, with worker threads, native hashing, the catalog and the cutter", () => {
    const source = join(directory, "source");
    mkdirSync(join(source, "below"), { recursive: true });
    // Large enough to be cut, so that the WebAssembly module has to work.
    const large = Buffer.from(Array.from({ length: 400_000 }, (_, i) => `line ${i * 7919}\n`).join(""));
    writeFileSync(join(source, "large"), large);
    for (let i = 0; i < 50; i++) writeFileSync(join(source, "below", `file-${i}`), `content ${i}`);

    for (const words of [["init"], ["backup", source], ["backup", source], ["verify", "--read-data"]]) {
      const { status, stderr } = run(...words);
      assert.deepEqual({ words, status, stderr }, { words, status: 0, stderr: "" });
    }
    const { images } = JSON.parse(run("images", "--json").stdout) as {
      images: readonly { readonly baseImageId: string | null }[];
    };
    assert.equal(images.length, 2);
    assert.notEqual(images[1]?.baseImageId, null);

    assert.equal(run("restore", "latest", "--target", join(directory, "restored")).status, 0);
    const restored = join(directory, "restored", source);
    assert.ok(readFileSync(join(restored, "large")).equals(large));
    for (let i = 0; i < 50; i++) assert.equal(readFileSync(join(restored, "below", `file-${i}`), "utf8"), `content ${i}`);
  });
});
