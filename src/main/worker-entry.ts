import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { getAsset, isSea } from "node:sea";

/**
 * What a thread has to run to become the worker `src/main/<name>.worker.ts`: in a clone that file as it stands, in the package
 * its compiled form. The executable carries each worker as an asset; its build finds them by this name.
 */
export function workerEntry(name: string): { readonly code: string } {
  if (isSea()) return { code: getAsset(workerAsset(name), "utf8") };
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const entry = new URL(`./${name}.worker.${extension}`, import.meta.url).href;
  const cache = getCompileCacheDir();
  // The cache of compiled code is enabled thread by thread, and serves only what is imported afterwards.
  const enable = cache === undefined ? "" : `require("node:module").enableCompileCache(${JSON.stringify(dirname(cache))});`;
  return { code: `${enable}import(${JSON.stringify(entry)});` };
}

/** The asset of the executable that holds the bundled worker. */
export function workerAsset(name: string): string {
  return `${name}.worker.js`;
}
