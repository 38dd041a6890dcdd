import type { Opened } from "./opened.ts";
import type { ImageSummary, RestoreOptions, RestoreReport } from "./types.ts";
export function runRestore(_opened: Opened, _image: ImageSummary, _options: RestoreOptions): Promise<RestoreReport> { return Promise.reject(new Error("not wired yet")); }
