// The two libraries that are native code. In a clone and in the installed package they are ordinary packages; the
// executable carries their native part as an asset. Rooms below get these loaders from their callers.

import { createRequire } from "node:module";
import { getRawAsset, isSea } from "node:sea";
import type { BlakeModule } from "../engine/engine.ts";
import { ownCacheDirectory } from "../platform/node-host.ts";
import { withNativeFile } from "./native-file.ts";

export type Koffi = typeof import("koffi");

/** The library that calls C functions. Throws where it has no build for this platform. */
export function loadKoffi(): Koffi {
  return load("koffi") as Koffi;
}

/** The same if this thread has loaded it. */
export function loadedKoffi(): Koffi | undefined {
  return loaded.get("koffi") as Koffi | undefined;
}

/** BLAKE3. Throws where the library has no build for this platform. */
export function loadBlake3(): BlakeModule {
  return load("@napi-rs/blake-hash") as BlakeModule;
}

/** The packages; the build of the executable makes an asset of the native part of each, under the same name. */
export const NATIVE_PACKAGES = ["koffi", "@napi-rs/blake-hash"] as const;

const loaded = new Map<string, unknown>();

function load(name: (typeof NATIVE_PACKAGES)[number]): unknown {
  let library = loaded.get(name);
  if (library === undefined) {
    library = isSea() ? loadAsset(name) : createRequire(import.meta.url)(name);
    loaded.set(name, library);
  }
  return library;
}

function loadAsset(name: string): unknown {
  return withNativeFile(new Uint8Array(getRawAsset(name)), ownCacheDirectory(), (path) => {
    const library: { exports: unknown } = { exports: {} };
    process.dlopen(library, path);
    return library.exports;
  });
}
