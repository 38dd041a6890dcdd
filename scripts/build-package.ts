// Compiles dist/ and lays the package out in build/package, ready for `npm pack ./build/package`. Its manifest differs from
// this repository's: it brings no runtime (one in somebody's node_modules/.bin would replace their Node.js) and no tools.
//
//   npm run build

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const CONTENTS = ["bin", "docs", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE"];
const MANIFEST_FIELDS = ["name", "version", "description", "license", "type", "engines", "bin", "exports", "dependencies"];

/** Compiles the sources of `root` into a new directory, with declarations. */
export function compile(root: string, output: string): void {
  rmSync(output, { recursive: true, force: true });
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const options = ["-p", join(root, "tsconfig.build.json"), "--outDir", output];
  const { status } = spawnSync(process.execPath, [compiler, ...options], { stdio: "inherit" });
  if (status !== 0) throw new Error(`The TypeScript compiler failed (${status})`);
}

/** Writes the package to a new directory: what was compiled, what it needs beside it, and its manifest. */
export function layOutPackage(root: string, compiled: string, target: string): void {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  cpSync(compiled, join(target, "dist"), { recursive: true });
  for (const name of CONTENTS) {
    if (existsSync(join(root, name))) cpSync(join(root, name), join(target, name), { recursive: true });
  }
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, unknown>;
  const packed = Object.fromEntries(MANIFEST_FIELDS.map((field) => [field, manifest[field]]));
  writeFileSync(join(target, "package.json"), `${JSON.stringify(packed, null, 2)}\n`);
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, "..");
  compile(root, join(root, "dist"));
  layOutPackage(root, join(root, "dist"), join(root, "build", "package"));
  console.log("build/package is ready: npm pack ./build/package");
}
