// Builds the program as one self-contained file, build/holdfast, for the platform this runs on: Node itself, the bundled
// program with its code cache, and as assets the bundled worker threads and the native libraries.
//
//   npm run build:executable [-- OUTPUT]

import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";
import { NATIVE_PACKAGES } from "../src/main/native-modules.ts";
import { workerAsset } from "../src/main/worker-entry.ts";
import { programVersion } from "../src/main/version.ts";

const root = resolve(import.meta.dirname, "..");

export interface ProgramEntries {
  /** The module that runs the program when it is imported. */
  readonly program: string;
  /** Entries of worker threads, called `<name>.worker.ts`. */
  readonly workers: readonly string[];
}

/** The entries of Holdfast itself. */
export function programEntries(): ProgramEntries {
  const workers = globSync("src/main/*.worker.ts", { cwd: root }).map((path) => join(root, path));
  return { program: join(root, "src/main/cli.ts"), workers };
}

export async function buildExecutable({ program, workers, output }: ProgramEntries & { readonly output: string }): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), "holdfast-build-"));
  try {
    const assets: Record<string, string> = {};
    for (const name of NATIVE_PACKAGES) assets[name] = nativePart(name);
    for (const worker of workers) {
      const asset = workerAsset(basename(worker, ".worker.ts"));
      assets[asset] = await bundle(worker, join(work, asset));
    }
    const configuration = {
      main: await bundle(program, join(work, "program.js")),
      output,
      assets,
      useCodeCache: true,
      disableExperimentalSEAWarning: true,
      // NODE_OPTIONS set for other programs must not change this one.
      execArgvExtension: "none",
    };
    const file = join(work, "executable.json");
    writeFileSync(file, JSON.stringify(configuration));
    const result = spawnSync(process.execPath, ["--build-sea", file], { encoding: "utf8" });
    if (result.status !== 0)
      throw new Error(`node --build-sea failed:\n${result.stderr}${result.stdout}`, { cause: result.error });
  } finally {
    rmSync(work, { recursive: true });
  }
}

async function bundle(entry: string, output: string): Promise<string> {
  await build({
    entryPoints: [entry],
    outfile: output,
    bundle: true,
    platform: "node",
    target: `node${process.versions.node}`,
    // CommonJS, the only format in which the executable can keep compiled code.
    format: "cjs",
    define: { HOLDFAST_VERSION: JSON.stringify(programVersion()), "import.meta.url": "HOLDFAST_URL" },
    banner: { js: 'const HOLDFAST_URL = require("node:url").pathToFileURL(process.execPath).href;' },
    logLevel: "warning",
  });
  return output;
}

/** The file of native code behind a package: whatever the package itself chooses to load on this machine. */
function nativePart(name: string): string {
  const require = createRequire(import.meta.url);
  const before = new Set(Object.keys(require.cache));
  require(name);
  const found = Object.keys(require.cache).find((path) => path.endsWith(".node") && !before.has(path));
  if (found === undefined) throw new Error(`${name} loaded no native code on this platform`);
  return found;
}

if (import.meta.main) {
  const output = resolve(process.argv[2] ?? join(root, "build", process.platform === "win32" ? "holdfast.exe" : "holdfast"));
  mkdirSync(resolve(output, ".."), { recursive: true });
  await buildExecutable({ ...programEntries(), output });
  console.log(`${output}: ${Math.round(statSync(output).size / 1e6)} MB`);
}
