import { createRequire } from "node:module";

// The executable has no package.json beside it: its build puts the version here.
declare const HOLDFAST_VERSION: string | undefined;

/** The version of this program, as in package.json. */
export function programVersion(): string {
  if (typeof HOLDFAST_VERSION === "string") return HOLDFAST_VERSION;
  // The same two steps up from src/main in a clone and from dist/main in the package.
  const manifest = createRequire(import.meta.url)("../../package.json") as { readonly version: string };
  return manifest.version;
}
