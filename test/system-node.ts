import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/** PATH as it is outside of npm, which puts the runtime of this repository first. */
export const systemPath = (process.env["PATH"] ?? "")
  .split(delimiter)
  .filter((directory) => !directory.includes("node_modules") && !directory.includes("node-gyp-bin"))
  .join(delimiter);

/** The environment of somebody who has just opened a terminal: nothing of npm, nothing of the test runner around us. */
export function systemEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^(?:npm_|NODE_|INIT_CWD$|PATH$)/;
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name))), PATH: systemPath };
}

export interface SystemNode {
  readonly path: string;
  readonly version: string;
  /** Too old for the program. */
  readonly isOld: boolean;
}

/** The Node.js that the machine itself offers, if any. */
export function systemNode(): SystemNode | undefined {
  const paths = systemPath
    .split(delimiter)
    .map((directory) => join(directory, process.platform === "win32" ? "node.exe" : "node"));
  const path = paths.find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  const version = spawnSync(path, ["-p", "process.versions.node"], { encoding: "utf8", env: systemEnvironment() }).stdout.trim();
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return { path, version, isOld: major < 24 || (major === 24 && minor < 21) };
}

/** The command line of a Node.js that is too old: the machine's own, or this one giving a false version. */
export function oldNode(directory: string): readonly string[] {
  const node = systemNode();
  if (node?.isOld === true) return [node.path];
  const disguise = join(directory, "disguise.cjs");
  writeFileSync(disguise, 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.19.0" } });\n');
  return [process.execPath, "--require", disguise];
}
