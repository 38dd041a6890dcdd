// The package as `npm run build` lays it out, installed for somebody who has only our two libraries and no TypeScript.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { compile, layOutPackage } from "../scripts/build-package.ts";
import { programVersion } from "../src/main/version.ts";
import { root } from "./repository-files.ts";
import { oldNode, systemEnvironment } from "./system-node.ts";

describe("the package", () => {
  const home = mkdtempSync(join(tmpdir(), "holdfast-package-"));
  const installed = join(home, "node_modules", "holdfast");
  const command = join(installed, "bin", "holdfast.js");
  after(() => rmSync(home, { recursive: true }));

  before(() => {
    compile(root, join(home, "dist"));
    layOutPackage(root, join(home, "dist"), installed);
    for (const name of ["@koromix", "@napi-rs", "koffi"])
      symlinkSync(join(root, "node_modules", name), join(home, "node_modules", name));
  });

  function run(node: readonly string[], ...args: readonly string[]) {
    const [program = "", ...options] = node;
    const { status, stdout, stderr } = spawnSync(program, [...options, ...args], {
      cwd: home,
      env: systemEnvironment(),
      encoding: "utf8",
    });
    return { status, stdout, stderr };
  }

  test("brings no runtime, no tools and no sources", () => {
    const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8")) as Record<string, unknown>;
    assert.deepEqual(
      ["private", "scripts", "devDependencies", "optionalDependencies"].filter((field) => field in manifest),
      [],
    );
    assert.equal(existsSync(join(installed, "src")), false);
    assert.equal(existsSync(join(installed, "dist", "main", "index.d.ts")), true);
  });

  test("runs by its command", () => {
    assert.deepEqual(run([process.execPath], command, "--version"), {
      status: 0,
      stdout: `holdfast ${programVersion()}\n`,
      stderr: "",
    });
  });

  test("can be imported", () => {
    writeFileSync(join(home, "user.mjs"), 'import { programVersion } from "holdfast";\nconsole.log(programVersion());\n');
    assert.deepEqual(run([process.execPath], "user.mjs"), { status: 0, stdout: `${programVersion()}\n`, stderr: "" });
  });

  test("says what to do on an old Node.js", () => {
    mkdirSync(join(home, "old"));
    const { status, stderr } = run(oldNode(join(home, "old")), command, "--version");
    assert.equal(status, 1);
    assert.match(stderr, /needs Node\.js 24\.21 or newer/);
  });
});
