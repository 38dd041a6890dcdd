import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { getAsset, isSea } from "node:sea";
import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts the worker thread whose entry is `src/main/<name>.worker.ts`. In a clone that file is run as it stands, in the
 * package its compiled form; the executable carries each as an asset, bundled by its build, which finds them by this name.
 */
export function startWorker(name: string, options: Omit<WorkerOptions, "eval"> = {}): Worker {
  return new Worker(isSea() ? getAsset(workerAsset(name), "utf8") : bootSource(name), { ...options, eval: true });
}

/** The asset of the executable that holds the bundled worker. */
export function workerAsset(name: string): string {
  return `${name}.worker.js`;
}

function bootSource(name: string): string {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const entry = new URL(`./${name}.worker.${extension}`, import.meta.url).href;
  const cache = getCompileCacheDir();
  // The cache of compiled code counts per thread, and only for what is imported after it is enabled.
  const enable = cache === undefined ? "" : `require("node:module").enableCompileCache(${JSON.stringify(dirname(cache))});`;
  return `${enable}import(${JSON.stringify(entry)});`;
}
