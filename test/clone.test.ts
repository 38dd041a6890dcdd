// What a newcomer does: clone, `npm ci`, run. On a machine whose own Node.js is too old for the program.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { programVersion } from "../src/main/version.ts";
import { repositoryFiles, root } from "./repository-files.ts";
import { systemEnvironment, systemNode } from "./system-node.ts";

const node = systemNode();
const files = repositoryFiles();

function reasonToSkip(): string | false {
  if (node === undefined) return "this machine has no Node.js of its own";
  if (!node.isOld) return `this machine's own Node.js is ${node.version}, which needs no other runtime`;
  return files.skip;
}

describe("a fresh clone on a machine with an old Node.js", { skip: reasonToSkip() }, () => {
  const clone = mkdtempSync(join(tmpdir(), "holdfast-clone-"));
  after(() => rmSync(clone, { recursive: true }));

  function run(program: string, ...args: readonly string[]) {
    const { status, stdout, stderr } = spawnSync(program, args, { cwd: clone, env: systemEnvironment(), encoding: "utf8" });
    assert.equal(status, 0, `${program} ${args.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  }

  before(() => {
    for (const path of files.paths) cpSync(join(root, path), join(clone, path));
    run("npm", "ci", "--prefer-offline");
  });

  test("runs the program by bin/holdfast.js", () => {
    assert.equal(run("bin/holdfast.js", "--version"), `holdfast ${programVersion()}\n`);
  });

  test("does the main job by npm start: backs a directory up twice, restores it and compares", () => {
    const said = run("npm", "start", "--silent", "--", join(clone, "docs"));
    assert.match(said, /^5\. Everything comes back$/m);
    assert.match(said, /are the same\.$/m);
  });

  test("runs npm's scripts with the runtime that npm ci brought", () => {
    assert.equal(run("npm", "exec", "--silent", "--call", "node --print process.execPath").includes(clone), true);
    assert.match(run("npm", "test", "--silent", "--", "src/main/version.test.ts"), /^ℹ pass 1$/m);
  });

  test("leaves the machine's own Node.js alone", () => {
    assert.equal(run("node", "--print", "process.versions.node").trim(), node?.version);
  });
});
