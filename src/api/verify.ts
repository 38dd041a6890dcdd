import type { Opened } from "./opened.ts";
import type { VerifyOptions, VerifyReport } from "./types.ts";
export function runVerify(_opened: Opened, _options: VerifyOptions): Promise<VerifyReport> { return Promise.reject(new Error("not wired yet")); }
