// What `import … from "holdfast"` offers: the library that the command line itself uses, bound to this machine.

import { create, open, openToServe as openServed } from "../api/api.ts";
import type { CreateOptions, OpenOptions, Repository, ServedRepository } from "../api/api.ts";
import { services } from "./services.ts";

export { HoldfastError } from "../base/errors.ts";
export type { ErrorCode } from "../base/errors.ts";
export type * from "../api/types.ts";
export { programVersion } from "./version.ts";

/**
 * Opens a repository; close it when done (`await using`). Nothing is written until something is asked for that writes.
 * Fails with a HoldfastError: REPOSITORY_MISSING, REPOSITORY_NOT_RECOGNISED, REPOSITORY_TOO_NEW, PERMISSION_DENIED,
 * WRONG_PASSPHRASE and others, each with a hint.
 *
 * @example
 * await using repository = await openRepository({ repository: "/backup", passphrase: () => "…" });
 * const report = await repository.backup({ paths: ["/home"] });
 * console.log(report.imageId, report.addedStoredBytes);
 */
export async function openRepository(options: OpenOptions): Promise<Repository> {
  if (!isServer(options.repository)) return open(services(), options);
  // What only clients of servers need is loaded when it is.
  const { openAtServer } = await import("./open-at-server.ts");
  return openAtServer(services(), options);
}

/** Opens a repository in order to serve it to clients of other machines (`holdfast serve`). */
export function openToServe(options: OpenOptions): Promise<ServedRepository> {
  return openServed(services(), options);
}

function isServer(location: string): boolean {
  return /^https:\/\//i.test(location);
}

/** Creates a repository in a missing or empty directory, and opens it. REPOSITORY_EXISTS when there is one. */
export function createRepository(options: CreateOptions): Promise<Repository> {
  return create(services(), options);
}
