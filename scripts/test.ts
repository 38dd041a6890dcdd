// Runs the tests with Node's own test runner, whose summary comes last.
//
//   npm test                          everything
//   npm test -- 'src/engine/**'       only test files that match a pattern

import { spawn } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const patterns = process.argv.slice(2);
const areTests = (path: string): boolean => path.endsWith(".test.ts");
const files = globSync(patterns.length > 0 ? patterns : ["src/**", "test/**", "bench/**"], {
  cwd: root,
  exclude: ["**/data/**"],
});
const tests = files.filter(areTests).toSorted();
if (tests.length === 0) {
  console.error(`No test file (*.test.ts) matches ${patterns.join(" ")}`);
  process.exit(1);
}

// Each file is a process of its own, so that none sees another's environment, working directory or native state.
const options = ["--test", `--test-concurrency=${Math.max(2, availableParallelism())}`, "--test-reporter=spec"];
const child = spawn(process.execPath, [...options, ...tests], { cwd: root, stdio: "inherit" });
child.on("exit", (code) => {
  process.exitCode = code ?? 1;
});
